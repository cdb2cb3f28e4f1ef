"""How long this thread or task may still wait for a database.

A deadline is given once, at the top (`with within(3): …`), and every wait below keeps to it: for a
connection, for a lock, for an answer. Threads get the context of the task that started them.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_until: ContextVar[float | None] = ContextVar("database_deadline", default=None)


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Give up waits in the block after so many seconds; an earlier deadline stays in force."""
    if seconds is None:
        yield
        return
    token = _until.set(time.monotonic() + remaining(seconds))
    try:
        yield
    finally:
        _until.reset(token)


def remaining(most: float) -> float:
    """Return the seconds that may still be waited: `most`, or fewer, and never below 0."""
    until = _until.get()
    return most if until is None else max(0.0, min(most, until - time.monotonic()))


def is_set() -> bool:
    """Return whether there is a deadline."""
    return _until.get() is not None
