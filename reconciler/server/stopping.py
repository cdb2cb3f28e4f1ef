"""SIGTERM and SIGINT end `serve` with exit code 0 from its first moment on, whatever hangs.

1. While modules are imported nothing is open yet: the process just ends (`end_at_once`).
2. While the database is opened and migrated, what is open is closed again (`stoppable`).
3. From then on the event loop is told (`StopRequest.hold`, `call`), and `server.lifecycle` stops in
   order.
4. Whatever the order still waits for after `GRACE` seconds, the process ends.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType

NUMBERS = (signal.SIGTERM, signal.SIGINT)
GRACE = 27.0
"""Seconds from the first signal to the end; process managers kill after 30."""


class Stopped(BaseException):
    """Somebody asked the process to end: no error, so nothing may take it for one."""


@dataclass(slots=True)
class StopRequest:
    """Whether somebody `asked`. Until `call` is used, `Stopped` is raised as well, once."""

    asked: bool = False
    _quiet: bool = False
    _told: Callable[[], None] | None = None
    last_resort: "LastResort" = field(default_factory=lambda: LastResort(GRACE))

    def call(self, stop: Callable[[], None]) -> None:
        """From now on call `stop` when a signal comes, at once if one has come; raise nothing."""
        self._quiet, self._told = True, stop
        if self.asked:
            stop()

    def hold(self) -> None:
        """From now on raise nothing: a signal is kept for whoever is to be called next."""
        self._quiet = True

    def hear(self, _number: int, _frame: FrameType | None) -> None:
        """A signal has come. The interpreter may be anywhere: nothing here takes a lock."""
        self.last_resort.arm()
        self.asked = True
        if self._told is not None:
            self._told()
        if not self._quiet:
            self._quiet = True  # what is being closed now is not interrupted by a second one
            raise Stopped


class LastResort:
    """A thread that ends the process with 0, `seconds` after it was armed.

    An event loop that is blocked (by a log that nobody reads, say) runs no timer of its own.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._disarmed = False
        self._read, self._write = os.pipe()
        threading.Thread(target=self._wait, name="last-resort", daemon=True).start()

    def arm(self) -> None:
        """Start to count. Only writes a byte, so that a signal handler may call it."""
        with suppress(OSError):
            os.write(self._write, b"!")

    def disarm(self) -> None:
        """Everything was closed in order: let the thread go."""
        self._disarmed = True
        os.close(self._write)

    def _wait(self) -> None:
        armed = os.read(self._read, 1)
        os.close(self._read)
        if armed:
            time.sleep(self._seconds)
        if armed and not self._disarmed:
            os._exit(0)


def end_at_once() -> None:
    """The process holds nothing yet that would have to be let go of."""
    for number in NUMBERS:
        signal.signal(number, lambda _number, _frame: os._exit(0))


@contextmanager
def stoppable() -> Iterator[StopRequest]:
    """End the block, and no more than that, when somebody asks for it."""
    request = StopRequest()
    before = {number: signal.signal(number, request.hear) for number in NUMBERS}
    try:
        yield request
    except Stopped:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        request.last_resort.disarm()
