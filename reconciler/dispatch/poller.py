"""Asking an agent now and then what became of one run, beside the rounds of the runner."""

import asyncio
from collections.abc import Awaitable, Callable

from reconciler.clock import Clock
from reconciler.dispatch.base import Ended, Observation, Working

LONGEST_PAUSE = 600.0
"""Seconds between two questions, whatever an agent asks for."""
SHORTEST_PAUSE = 1.0
"""Seconds between two questions, however often an agent says that there is news."""
HINTED = 3
"""How many times as long the pauses are once an agent says by itself when there is news."""
Ask = Callable[[], Awaitable[tuple[Observation, float]]]
"""Asks once; gives what the answer says, and the seconds that the agent wants to be left alone."""


class Poller:
    """Asks for one run; `seen` is what it knows. Create it within the event loop."""

    def __init__(
        self,
        ask: Ask,
        every: float,
        clock: Clock,
        notify: Callable[[], None],
        first: Observation | None = None,
    ) -> None:
        """`every`: seconds. `notify` is called when the work has ended. `first` is known before
        anything was asked."""
        self.seen: Observation = first or Working()
        self._asks = ask
        self._every = every
        self._notify = notify
        self._clock = clock
        self._due = 0.0
        self._earliest = 0.0
        self._hinted = False
        self._task: asyncio.Task[None] | None = None

    def poll(self) -> Observation:
        """Return what is known, and ask anew where it is time to."""
        if isinstance(self.seen, Ended) or (self._task is not None and not self._task.done()):
            return self.seen
        if self._clock.monotonic() >= self._due:
            self._task = asyncio.create_task(self._ask())
        return self.seen

    def hint(self) -> None:
        """Ask anew soon, as there may be news; however often it comes, at the shortest pause."""
        self._hinted = True
        if self._earliest < self._due:
            self._due = self._earliest
            self._notify()

    async def close(self) -> None:
        """Drop the open question, if any."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _ask(self) -> None:
        # Set before the answer: one that never comes must not be asked for in every round.
        now = self._clock.monotonic()
        self._due = now + self._every * (HINTED if self._hinted else 1)
        self._earliest = now + SHORTEST_PAUSE
        self.seen, pause = await self._asks()
        # A hint that came meanwhile is later than this answer: `_due` is not set anew. But no hint
        # shortens the time for which the agent wants to be left alone.
        self._earliest = max(
            self._earliest, self._clock.monotonic() + min(pause, LONGEST_PAUSE) if pause else 0.0
        )
        self._due = max(self._due, self._earliest)
        if isinstance(self.seen, Ended):
            self._notify()
