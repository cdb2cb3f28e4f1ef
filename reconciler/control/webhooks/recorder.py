"""Where groups of verified deliveries are written: here, or by a process that does nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from reconciler.control.webhooks.accept import AcceptResult, Verified, accept_all
from reconciler.control.webhooks.group import OutcomeUnknown
from reconciler.control.webhooks.settle import settle_all
from reconciler.control.webhooks.writer_process import WriterProcess
from reconciler.control.webhooks.writer_worker import Written
from reconciler.store.engine.database import Database

log = structlog.get_logger(__name__)

MANY = 8
"""Deliveries in a group from which the other process is used: below, it gains nothing."""
MUCH = 8 * 1024**2
"""Bytes of all bodies of a group up to which it is used: more are not copied once again."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes one group at a time. `cooldown` is the breaker's.

    `helper` only makes it faster: without one, while it starts, and after it is lost, groups are
    written here.
    """

    database: Database
    cooldown: timedelta
    helper: WriterProcess | None = None

    async def record(self, group: Sequence[Verified]) -> Sequence[AcceptResult]:
        """Commit all of a group, or none and raise. Raises `OutcomeUnknown` if nobody can tell."""
        try:
            written = await self._elsewhere(self.helper, group) if self.helper else None
        except OutcomeUnknown as error:
            return await self._settle(group, error)
        if written is not None:
            for fact in written.facts:
                self.database.observe(fact)
            return written.results
        return await self.database.awrite(
            lambda tx: accept_all(tx, group, self.database.now, self.cooldown)
        )

    async def _elsewhere(self, helper: WriterProcess, group: Sequence[Verified]) -> Written | None:
        if len(group) < MANY or sum(item.delivery.body_size for item in group) > MUCH:
            return None
        if not await helper.is_ready():
            return None
        # Its transaction takes our turn: on SQLite two writers would only wait for each other.
        async with self.database.turn():
            return await helper.write(group)

    async def _settle(
        self, group: Sequence[Verified], unknown: OutcomeUnknown
    ) -> Sequence[AcceptResult]:
        log.warning("a group of deliveries is settled here", why=str(unknown), size=len(group))
        try:
            return await self.database.awrite(
                lambda tx: settle_all(tx, group, self.database.now, self.cooldown)
            )
        except Exception as error:
            # Not as another error: each delivery would be tried alone, the written ones in vain.
            raise unknown from error

    async def close(self) -> None:
        """Let the other process go."""
        if self.helper is not None:
            await self.helper.close()
