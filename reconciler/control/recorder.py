"""Where groups of verified deliveries are written: here, or by a process that does nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from reconciler.control.accept import Result, Verified, accept_all
from reconciler.control.writer_process import WriterProcess
from reconciler.store.database import Database

MANY = 8
"""Deliveries in a group from which the other process is used: below, it gains nothing."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """Writes one group at a time. `cooldown` is the breaker's.

    `helper` only makes it faster: without one, while it starts, and after it is lost, groups are
    written here.
    """

    database: Database
    cooldown: timedelta
    helper: WriterProcess | None = None

    async def record(self, group: Sequence[Verified]) -> Sequence[Result]:
        """Commit all of a group, or none and raise. Raises `OutcomeUnknown` if nobody can tell."""
        if self.helper is not None and len(group) >= MANY:
            helper = self.helper
            written = await self.database.ain_turn(lambda: helper.write(group))
            if written is not None:
                for fact in written.facts:
                    self.database.observe(fact)
                return written.results
        return await self.database.awrite(
            lambda tx: accept_all(tx, group, self.database.now(tx), self.cooldown)
        )

    def close(self) -> None:
        """Let the other process go."""
        if self.helper is not None:
            self.helper.close()
