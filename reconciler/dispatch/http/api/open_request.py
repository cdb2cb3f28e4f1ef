"""A request whose answer is the end of the work: it stays open beside the rounds of the runner."""

import asyncio
from collections.abc import Awaitable, Callable

from reconciler.dispatch.http.api.answers import Creation


class OpenRequest:
    """One request, never sent again. Create it within the event loop."""

    def __init__(self, ask: Callable[[], Awaitable[Creation]], notify: Callable[[], None]) -> None:
        """`notify` is called when it was answered."""
        self._task: asyncio.Task[Creation] = asyncio.ensure_future(_asked(ask))
        self._task.add_done_callback(lambda task: None if task.cancelled() else notify())

    @property
    def verdict(self) -> Creation | None:
        """What the answer says; None before it has come."""
        done = self._task.done() and not self._task.cancelled()
        return self._task.result() if done else None

    async def within(self, seconds: float) -> Creation | None:
        """Return what the answer says; None where it takes longer than so many seconds."""
        await asyncio.wait([self._task], timeout=seconds)
        return self.verdict

    async def close(self) -> None:
        """Hang up."""
        self._task.cancel()
        await asyncio.wait([self._task])


async def _asked(ask: Callable[[], Awaitable[Creation]]) -> Creation:
    return await ask()
