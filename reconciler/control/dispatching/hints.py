"""Hints that reach a server which does not follow the run: passed on to the one that does."""

import asyncio

import structlog

from reconciler.core.base.errors import ReconcilerError
from reconciler.store.engine.database import Database

log = structlog.get_logger(__name__)

PAUSE = 1.0
"""Seconds between two announcements of the same run."""
MOST_RUNS = 1_000
"""Runs of which hints are passed on at the same time; those of others are dropped."""


class HintRelay:
    """Announces to all servers that runs have news, of each run at most once in `PAUSE`.

    What comes in between is announced once more after it: the last hint may be of the end. All of
    it may be lost; the server that follows the run asks by the clock as well.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()

    def pass_on(self, run_id: str) -> None:
        """Announce soon that the run has news; from within the event loop."""
        if run_id not in self._tasks:
            if len(self._tasks) >= MOST_RUNS:
                return
            self._tasks[run_id] = asyncio.create_task(self._announce(run_id))
        self._again.add(run_id)

    async def _announce(self, run_id: str) -> None:
        try:
            while run_id in self._again:
                self._again.discard(run_id)
                await self._database.awrite(
                    lambda tx: self._database.announce(tx, run_id), quiet=True
                )
                await asyncio.sleep(PAUSE)
        except ReconcilerError as error:
            log.warning("hint not passed on", run=run_id, why=str(error))
        finally:
            self._again.discard(run_id)
            del self._tasks[run_id]
