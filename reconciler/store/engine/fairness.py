"""A lock that threads get in the order in which they asked for it."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from reconciler.core.base.errors import Locked

_PROMISED, _A_COROUTINE = 0, -1
"""Owners that are no thread; threads are positive numbers."""


class Queue:
    """First come, first served; unlike `threading.Lock`, where a busy thread may starve others."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Event | _Called] = deque()
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

    @asynccontextmanager
    async def aturn(self, patience: float) -> AsyncIterator[None]:
        """The same for a coroutine, which keeps no thread waiting."""
        called = _Called(asyncio.get_running_loop())
        if not self._take(_A_COROUTINE, called):
            await self._await_call(called, patience)
        try:
            yield
        finally:
            self._leave()

    def _enter(self, patience: float) -> None:
        me, called = threading.get_ident(), threading.Event()
        if self._take(me, called):
            return
        if not called.wait(patience) and self._gives_up(called):
            raise _busy(patience)
        self._owner = me

    async def _await_call(self, called: "_Called", patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                await called.heard.wait()
        except BaseException as error:
            if not self._gives_up(called):
                self._leave()  # we were called all the same, and do not come any more
            if isinstance(error, TimeoutError):
                raise _busy(patience) from None
            raise
        self._owner = _A_COROUTINE

    def _take(self, me: int, called: "threading.Event | _Called") -> bool:
        """Whether it is our turn at once; else we are called when it is."""
        with self._mutex:
            if self._owner == me and me != _A_COROUTINE:
                raise RuntimeError("a write inside a write: pass the transaction on instead")
            if self._owner is not None:
                self._waiting.append(called)
                return False
            self._owner = me
            return True

    def _gives_up(self, called: "threading.Event | _Called") -> bool:
        with self._mutex:
            if called.is_set():  # our turn came between the timeout and this line
                return False
            self._waiting.remove(called)
            return True

    def _leave(self) -> None:
        with self._mutex:
            if self._waiting:
                self._owner = _PROMISED  # promised to the next one: newcomers must not overtake it
                self._waiting.popleft().set()
            else:
                self._owner = None


class _Called:
    """What a coroutine waits for; any thread may set it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.heard = asyncio.Event()
        self._loop = loop
        self._set = False

    def set(self) -> None:
        self._set = True
        self._loop.call_soon_threadsafe(self.heard.set)

    def is_set(self) -> bool:
        return self._set


def _busy(patience: float) -> Locked:
    return Locked(
        f"the database was busy with other writes of this process for {patience:.0f} s; try again"
    )
