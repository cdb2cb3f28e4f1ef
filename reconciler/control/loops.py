"""The loops of a server: each does one round, then sleeps until it is woken or it is time.

A wake-up says "look", never "what": lost or doubled ones are harmless. A round that fails is logged
and tried again; it never ends the loop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from reconciler.clock import Clock
from reconciler.core.base.errors import ReconcilerError

log = structlog.get_logger(__name__)

AFTER_FAILURE = 2.0
"""Seconds to wait after a round that failed."""


@dataclass(slots=True)
class WorkSignal:
    """Something a loop sleeps on."""

    _event: asyncio.Event = field(default_factory=asyncio.Event)

    def notify(self) -> None:
        """End the sleep; from the event loop's thread."""
        self._event.set()

    async def sleep(self, seconds: float) -> None:
        """Sleep until woken, at most so long."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._event.wait()
        except TimeoutError:
            pass
        self._event.clear()


async def repeat(name: str, once: Callable[[], Awaitable[float]], signal: WorkSignal) -> None:
    """Do rounds for ever. `once` answers for how many seconds to sleep unless woken."""
    while True:
        try:
            pause = await once()
        except ReconcilerError as error:
            log.error("round failed", loop=name, why=str(error))
            pause = AFTER_FAILURE
        except Exception:
            log.exception("round failed", loop=name)
            pause = AFTER_FAILURE
        await signal.sleep(pause)


@dataclass(slots=True)
class JumpDetector:
    """Compares the wall clock with the monotonic one; answers by how much it jumped."""

    clock: Clock
    tolerance: timedelta = timedelta(seconds=2)
    _last: tuple[float, float] | None = None

    def jumped(self) -> timedelta | None:
        """The jump since the last call: positive is forward; None where there was none."""
        now = (self.clock.now().timestamp(), self.clock.monotonic())
        last, self._last = self._last, now
        if last is None:
            return None
        jump = timedelta(seconds=(now[0] - last[0]) - (now[1] - last[1]))
        return jump if abs(jump) > self.tolerance else None
