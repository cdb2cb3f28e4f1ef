"""A request whose answer may take long: it stays open beside the rounds of the runner."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class OpenRequest(Generic[T]):
    """One request, never sent again. Create it within the event loop."""

    def __init__(
        self, ask: Callable[[], Coroutine[Any, Any, T]], notify: Callable[[], None]
    ) -> None:
        """`notify` is called when it was answered."""
        self._task: asyncio.Task[T] = asyncio.create_task(ask())
        self._task.add_done_callback(lambda task: None if task.cancelled() else notify())

    @property
    def verdict(self) -> T | None:
        """What the answer says; None before it has come."""
        done = self._task.done() and not self._task.cancelled()
        return self._task.result() if done else None

    async def within(self, seconds: float) -> T | None:
        """Return what the answer says; None where it takes longer than so many seconds."""
        await asyncio.wait([self._task], timeout=seconds)
        return self.verdict

    async def close(self) -> None:
        """Hang up."""
        self._task.cancel()
        await asyncio.wait([self._task])
