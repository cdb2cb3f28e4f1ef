"""What loops sleep on, and who is notified together."""

import asyncio
import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class WorkSignal:
    """Something a loop sleeps on."""

    _event: asyncio.Event = field(default_factory=asyncio.Event)

    def notify(self) -> None:
        """End the sleep; from the event loop's thread."""
        self._event.set()

    def clear(self) -> None:
        """Forget what was notified: a round that begins now sees it anyway."""
        self._event.clear()

    async def sleep(self, seconds: float) -> None:
        """Sleep until notified, at most so long."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._event.wait()
        except TimeoutError:
            pass
        self.clear()


@dataclass(slots=True)
class Pace:
    """How soon a loop goes on: `burst` rounds at once, and one every `gap` seconds in the long run.

    What comes alone is not kept waiting for the round before it; what notifies again and again is
    done together.
    """

    gap: float
    burst: int
    _due: float = -math.inf

    def begin(self, now: float) -> float:
        """Count a round that begins; return the seconds that the next one has to wait from now."""
        self._due = max(self._due, now - self.gap * (self.burst - 1)) + self.gap
        return max(0.0, self._due - now)


@dataclass(frozen=True, slots=True)
class Signals:
    """The signals of one server's loops: the clock's, the runner's and the sender's."""

    tick: WorkSignal = field(default_factory=WorkSignal)
    run: WorkSignal = field(default_factory=WorkSignal)
    send: WorkSignal = field(default_factory=WorkSignal)

    def notify(self) -> None:
        """Somebody wrote, or something happened: each of them polls the database."""
        self.tick.notify()
        self.run.notify()
        self.send.notify()
