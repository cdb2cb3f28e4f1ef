"""SIGTERM and SIGINT end `serve` with exit code 0 from its first moment on.

1. While modules are imported nothing is open yet: the process just ends (`end_at_once`).
2. While the database is opened and migrated, what is open is closed again (`leaving`).
3. From then on the event loop hears them (`server.lifecycle`), once it is there (`Leaving.later`).
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

NUMBERS = (signal.SIGTERM, signal.SIGINT)


class Left(BaseException):
    """Somebody asked the process to end: no error, so nothing may take it for one."""


@dataclass(slots=True)
class Leaving:
    """Whether somebody `asked`. Until `later` is called, `Left` is raised as well, once."""

    asked: bool = False
    quiet: bool = False

    def later(self) -> None:
        """From now on only set `asked`: nothing is interrupted any more."""
        self.quiet = True

    def hear(self, _number: int, _frame: FrameType | None) -> None:
        """A signal has come."""
        self.asked = True
        if not self.quiet:
            self.quiet = True  # what is being closed now is not interrupted by a second one
            raise Left


def end_at_once() -> None:
    """The process holds nothing yet that would have to be let go of."""
    for number in NUMBERS:
        signal.signal(number, lambda _number, _frame: os._exit(0))


@contextmanager
def leaving() -> Iterator[Leaving]:
    """End the block, and no more than that, when somebody asks for it."""
    asked = Leaving()
    before = {number: signal.signal(number, asked.hear) for number in NUMBERS}
    try:
        yield asked
    except Left:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
