"""Whether the database is in service: asked every second, told in the log when it changes."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog

from reconciler.core.base.errors import Unavailable
from reconciler.store.engine.database import Database

log = structlog.get_logger(__name__)

ECHO = 10.0
"""Seconds for which work that an outage interrupted may still fail after its end."""


@dataclass(slots=True)
class DatabaseHealth:
    """Checks the database in a thread of its own: the others may all be waiting for it."""

    database: Database
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "database-check")
    )
    _since: float | None = None
    _until: float = -ECHO

    async def check(self) -> bool:
        """Ask the database; whether it is in service. What changed is logged, once."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self.database.check)
        except Unavailable as error:
            if self._since is None:
                self._since = time.monotonic()
                log.error("the database is out of service", why=str(error))
            return False
        if self._since is not None:
            seconds = round(time.monotonic() - self._since, 1)
            log.warning("the database is in service again", after_seconds=seconds)
            self._since, self._until = None, time.monotonic()
        return True

    async def explains_failures(self) -> bool:
        """Whether what fails now fails for an outage that is in the log already."""
        return not await self.check() or time.monotonic() - self._until < ECHO
