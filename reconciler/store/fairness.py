"""A lock that threads get in the order in which they asked for it."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.core.errors import Locked


class Queue:
    """First come, first served; unlike `threading.Lock`, where a busy thread may starve others."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._owner: int | None = None

    @contextmanager
    def turn(self, patience: float) -> Iterator[None]:
        """Hold the lock for the block. Raises `Locked` after `patience` seconds of waiting.

        A thread that already holds it would wait for itself; that is an error in the code, so
        RuntimeError.
        """
        self._enter(patience)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, patience: float) -> None:
        me = threading.get_ident()
        with self._mutex:
            if self._owner == me:
                raise RuntimeError("a write inside a write: pass the transaction on instead")
            if self._owner is None:
                self._owner = me
                return
            called = threading.Event()
            self._waiting.append(called)
        if not called.wait(patience) and self._gives_up(called):
            raise Locked(
                f"the database was busy with other writes of this process for {patience:.0f} s; "
                "try again"
            )
        self._owner = me

    def _gives_up(self, called: threading.Event) -> bool:
        with self._mutex:
            if called.is_set():  # our turn came between the timeout and this line
                return False
            self._waiting.remove(called)
            return True

    def _leave(self) -> None:
        with self._mutex:
            if self._waiting:
                self._owner = 0  # promised to the next one: newcomers must not overtake it
                self._waiting.popleft().set()
            else:
                self._owner = None
