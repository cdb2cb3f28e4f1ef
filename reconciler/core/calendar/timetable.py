"""The three kinds of schedule as values: a cron expression, a period, a single moment."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reconciler.core.calendar.errors import AtError, shown

_AT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2})?"
    r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """Whenever the clock on the wall of `timezone` matches the expression."""

    expr: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class EverySchedule:
    """Every `interval` from `start_at` on, itself the first; from the epoch on without one."""

    interval: timedelta
    start_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.interval <= timedelta(0):
            raise ValueError(f"the interval must be positive, found {self.interval}")


@dataclass(frozen=True, slots=True)
class AtSchedule:
    """Once: an aware `at` is an exact instant, a naive one is local time in `timezone`."""

    at: datetime
    timezone: str = "UTC"


Schedule = CronSchedule | EverySchedule | AtSchedule


def parse_at(text: str) -> datetime:
    """`2026-12-01T09:00`, seconds allowed: naive without an offset, aware with `Z` or `+01:00`.

    Raises AtError.
    """
    match = _AT.fullmatch(text)
    if match is None:
        raise AtError(f"{shown(text)} is not a moment", _suggested_at(text))
    try:
        moment = datetime.fromisoformat(text)
        # An offset may carry a moment of the year 1 or 9999 out of all calendars.
        return moment.astimezone(UTC) if match["offset"] else moment
    except (ValueError, OverflowError) as error:
        raise AtError(f"{shown(text)} is not a moment: {error}") from None


def _suggested_at(text: str) -> str:
    fixed = text.strip().upper().replace(" ", "T", 1)
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", fixed, re.ASCII):
        return f"did you mean '{fixed}T00:00'?"
    if fixed != text and _AT.fullmatch(fixed):
        return f"did you mean '{fixed}'?"
    return "write 2026-12-01T09:00, or with an offset 2026-12-01T09:00+01:00 or ...T08:00Z"
