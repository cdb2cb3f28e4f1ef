"""The clock, checked before anything is decided by it (docs/time.md#wrong-clocks)."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from reconciler.clock import Clock
from reconciler.control.runs.correct import allow_for_suspension, correct_once, reschedule_once
from reconciler.control.runs.restart import restart_once
from reconciler.server.jumps import JumpDetector
from reconciler.store.engine.database import Database, Tx
from reconciler.store.servers import SILENCE, live
from reconciler.telemetry import Metrics

log = structlog.get_logger(__name__)

CORRECT_EVERY = 600.0
"""Seconds after which moments are checked even if no jump was seen: another host's clock, the
database's, or a hand may have written them."""
TRUSTED_AFTER = 3600.0
"""Seconds after a jump forward of more than a day before anything is deleted for its age."""
SLOWEST = 1.0
"""Seconds. A moment that took longer to read says nothing about a jump."""


@dataclass(slots=True)
class ClockCheck:
    """Watches for jumps and puts right what they left behind; `owner` is this server in leases."""

    database: Database
    clock: Clock
    owner: str
    metrics: Metrics
    _jumps: JumpDetector = field(default_factory=JumpDetector)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _corrected: float | None = None
    _doubtful_until: float = 0.0

    @property
    def trusted(self) -> bool:
        """Whether the clock has not jumped far ahead lately."""
        return self.clock.monotonic() >= self._doubtful_until

    async def begin(self) -> None:
        """Put right what earlier processes left behind, before anything fires."""
        await self.check()
        await asyncio.to_thread(reschedule_once, self.database)
        await asyncio.to_thread(restart_once, self.database)

    async def check(self) -> None:
        """Allow for a jump since the last check. To be called before a round reads the time.

        One at a time: two rounds that wake up after a suspension must not both move a deadline.
        """
        async with self._lock:
            before = self.clock.monotonic()
            wall = await self.database.aread(self.database.now)
            monotonic = self.clock.monotonic()
            slow = monotonic - before > SLOWEST
            jump = None if slow else self._jumps.jumped(wall, monotonic)
            if jump is not None:
                await self._jumped(jump, monotonic)
            if jump is not None or self._is_time(monotonic):
                self._corrected = monotonic
                await asyncio.to_thread(correct_once, self.database)

    def _is_time(self, monotonic: float) -> bool:
        return self._corrected is None or monotonic - self._corrected >= CORRECT_EVERY

    async def _jumped(self, jump: timedelta, monotonic: float) -> None:
        log.warning("the clock jumped", seconds=jump.total_seconds())
        self.metrics.clock_jumps.inc()
        if jump > timedelta(days=1):
            self._doubtful_until = monotonic + TRUSTED_AFTER
        if jump > timedelta(0):
            await self.database.awrite(lambda tx: self._allow(tx, jump))

    def _allow(self, tx: Tx, jump: timedelta) -> int:
        now = self.database.now(tx)
        others = [server for server in live(tx, now - jump, SILENCE) if server.id != self.owner]
        return allow_for_suspension(tx, jump, self.owner, alone=not others, now=now)
