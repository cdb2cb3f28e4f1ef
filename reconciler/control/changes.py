"""Wake-ups from the database: somebody wrote, so look (contract 10: noticed within a second)."""

import asyncio
from collections.abc import Callable

import structlog

from reconciler.core.errors import ReconcilerError
from reconciler.store.database import Database

log = structlog.get_logger(__name__)

INTERVAL = 0.5
"""Seconds between two looks."""


async def watch_database(database: Database, look: Callable[[], None]) -> None:
    """Call `look` whenever anybody wrote, for ever. A lost connection is taken up again."""
    while True:
        try:
            watcher = await asyncio.to_thread(database.watcher)
            try:
                while True:
                    if await asyncio.to_thread(watcher.changed):
                        look()
                    await asyncio.sleep(INTERVAL)
            finally:
                watcher.close()
        except ReconcilerError as error:
            log.warning("cannot watch the database", why=str(error))
            look()
            await asyncio.sleep(INTERVAL)
