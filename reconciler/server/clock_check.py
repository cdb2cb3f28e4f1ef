"""The clock, checked before anything is decided by it (docs/time.md#wrong-clocks)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

import structlog

from reconciler.clock import Clock
from reconciler.control.apart import apart
from reconciler.control.runs.correct import allow_for_suspension, correct_once, reschedule_once
from reconciler.control.runs.restart import restart_once
from reconciler.server.jumps import JumpDetector
from reconciler.store.engine.database import Database, Tx
from reconciler.store.servers import SILENCE, live
from reconciler.telemetry import Metrics

log = structlog.get_logger(__name__)
T = TypeVar("T")

CORRECT_EVERY = 600.0
"""Seconds after which moments are checked even if no jump was seen: another host's clock, the
database's, or a hand may have written them."""
CORRECT_AGAIN = 15.0
"""Seconds after which moments are checked again that could not be put right."""
TRUSTED_AFTER = 3600.0
"""Seconds after a jump forward of more than a day before anything is deleted for its age."""
SLOWEST = 1.0
"""Seconds. A moment that took longer to read says nothing about a jump."""


class _Moment(NamedTuple):
    """The database's clock and this host's monotonic one, read in the seconds that it `took`."""

    wall: datetime
    monotonic: float
    took: float


@dataclass(slots=True)
class ClockCheck:
    """Watches for jumps and puts right what they left behind; `owner` is this server in leases."""

    database: Database
    clock: Clock
    owner: str
    metrics: Metrics
    _jumps: JumpDetector = field(default_factory=JumpDetector)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _due_at: float | None = None
    """When moments are to be checked next, by the monotonic clock; None is now."""
    _failures: dict[str, str] = field(default_factory=dict)
    _corrections: int = 0
    _doubtful_until: float = 0.0
    _owed: timedelta = timedelta(0)
    """What the clock jumped ahead, and is not allowed for yet as the database was away."""

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
        """Allow for a jump since the last reading."""
        await self.read(lambda _: None)

    async def read(self, query: Callable[[Tx], T]) -> T:
        """Read what a round decides by, once a jump since the last reading is allowed for.

        The time is read in the same transaction: most rounds of an idle server need no other.
        """

        def with_time(tx: Tx) -> tuple[_Moment, T]:
            return self._moment(tx), query(tx)

        before = self._corrections
        moment, result = await self.database.aread(with_time)
        # One at a time: two rounds that wake up after a suspension must not both move a deadline.
        async with self._lock:
            await self._correct(moment)
        # Whoever corrected it, what was read before is no longer so.
        return result if self._corrections == before else await self.database.aread(query)

    def _moment(self, tx: Tx) -> _Moment:
        before = self.clock.monotonic()
        wall = self.database.now(tx)
        after = self.clock.monotonic()
        return _Moment(wall, after, after - before)

    async def _correct(self, moment: _Moment) -> None:
        slow, monotonic = moment.took > SLOWEST, moment.monotonic
        jump = None if slow else self._jumps.jumped(moment.wall, monotonic)
        if jump is not None:
            self._jumped(jump, monotonic)
        if self._due_at is not None and monotonic < self._due_at:
            return
        again_after = CORRECT_AGAIN
        try:
            # What stands in one row stops no round. Where the database is away, the next one tries.
            with apart(self._failures, "clock", "moments could not be put right"):
                await self._pay()
                await asyncio.to_thread(correct_once, self.database)
                again_after = CORRECT_EVERY
                self._failures.clear()
            self._due_at = monotonic + again_after
        finally:
            # Counted at its end: a round that reads before its commit has to read again as well.
            self._corrections += 1

    def _jumped(self, jump: timedelta, monotonic: float) -> None:
        log.warning("the clock jumped", seconds=jump.total_seconds())
        self.metrics.clock_jumps.inc()
        if jump > timedelta(days=1):
            self._doubtful_until = monotonic + TRUSTED_AFTER
        self._owed = max(timedelta(0), self._owed + jump)
        self._due_at = None

    async def _pay(self) -> None:
        """Allow for what the clock jumped ahead; where that fails, it is still owed."""
        owed, self._owed = self._owed, timedelta(0)
        if not owed:
            return
        try:
            await self.database.awrite(lambda tx: self._allow(tx, owed))
        except Exception:
            # Seen once, a jump is not seen again: without this, runs that slept would be overdue.
            self._owed = owed
            raise

    def _allow(self, tx: Tx, jump: timedelta) -> int:
        now = self.database.now(tx)
        others = [server for server in live(tx, now - jump, SILENCE) if server.id != self.owner]
        return allow_for_suspension(tx, jump, self.owner, alone=not others, now=now)
