"""Notifications of the database: whoever wrote, it is noticed within a second."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import structlog

from reconciler.core.base.errors import ReconcilerError
from reconciler.store.engine.database import Database

log = structlog.get_logger(__name__)

T = TypeVar("T")

INTERVAL = 0.5
"""Seconds between two polls."""


async def watch_database(
    database: Database,
    notify: Callable[[], None],
    hear: Callable[[str], object] | None = None,
) -> None:
    """Call `notify` whenever anybody wrote, for ever. A lost connection is taken up again.

    `hear` is given what other servers announce beside that. A failure is logged when it begins.
    """
    failing = False
    while True:
        try:
            watcher = await _uninterrupted(database.watcher, lambda made: made.close())
            try:
                while True:
                    if await _uninterrupted(watcher.changed):
                        notify()
                    if hear is not None:
                        for word in watcher.announced():
                            hear(word)
                    failing = False
                    await asyncio.sleep(INTERVAL)
            finally:
                watcher.close()
        except ReconcilerError as error:
            if not failing:
                log.warning("cannot watch the database", why=str(error))
            failing = True
            notify()
            await asyncio.sleep(INTERVAL)


async def _uninterrupted(work: Callable[[], T], undo: Callable[[T], object] = bool) -> T:
    """Run `work` in a thread. A thread goes on when its caller is cancelled: so wait for it all the
    same, and undo what nobody takes any more, or a connection would stay open."""
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        if working.exception() is None:
            undo(working.result())
        raise
