"""What is wrong with a schedule, in words that say how to fix it.

ScheduleError
├── CronError             the expression
│   └── CronNeverFires    it is well-formed, and no calendar has such a day
├── TimezoneError         the zone's name
└── AtError               the moment of a one-off schedule
"""

from typing import ClassVar

from reconciler.core.base.errors import ReconcilerError


class ScheduleError(ReconcilerError, ValueError):
    """A schedule that cannot be used.

    `message` says what was found and what is allowed, `hint` the near miss or how to fix it
    (or None), `column` where in the text it stands, from 1 (or None). `str(error)` is message and
    hint in one sentence; `code` is the stable code of the Problem.
    """

    code: ClassVar[str] = "schedule-invalid"
    exit_code: ClassVar[int] = 64

    def __init__(self, message: str, hint: str | None = None, column: int | None = None) -> None:
        self.message = message
        self.hint = hint
        self.column = column
        joint = ", " if hint and hint.startswith("did you mean") else "; "
        super().__init__(message if hint is None else f"{message}{joint}{hint}")


class CronError(ScheduleError):
    """Not a cron expression (docs/time.md#cron)."""

    code = "cron-invalid"


class CronNeverFires(CronError):
    """A well-formed expression that names days which no calendar has, such as 30 February."""

    code = "cron-never-fires"


class TimezoneError(ScheduleError):
    """Not the name of an IANA time zone."""

    code = "timezone-unknown"


class AtError(ScheduleError):
    """Not a moment of the form `2026-12-01T09:00`, with or without an offset."""

    code = "at-invalid"


def shown(text: str) -> str:
    """`text` quoted for a message: at most 40 characters, nothing but printable ASCII."""
    return ascii(text if len(text) <= 40 else text[:37] + "...")
