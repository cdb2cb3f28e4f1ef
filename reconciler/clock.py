"""The clock and the source of ids: the two things that the pure code never asks for itself."""

import time
from datetime import UTC, datetime
from random import Random
from threading import Lock
from typing import Protocol

from reconciler.core.base.uuid7 import TAIL_BITS, uuid7


class Clock(Protocol):
    """What time it is. Tests pass a clock that they advance by hand."""

    def now(self) -> datetime:
        """The wall clock: aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """The wall clock: aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps."""
        return time.monotonic()


class Ids:
    """Makes ids that sort in the order in which this process made them, also within one moment."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._random = Random()  # noqa: S311 - seeded by the system; an id opens nothing
        self._at: datetime | None = None
        self._tail = 0

    def new(self, at: datetime) -> str:
        """A fresh UUIDv7 for the moment `at`."""
        with self._lock:
            if at == self._at:
                self._tail += 1 + self._random.getrandbits(24)
            else:
                self._at, self._tail = at, self._random.getrandbits(TAIL_BITS - 2)
            return uuid7(at, self._tail)
