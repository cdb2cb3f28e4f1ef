"""The loops of a server: each does one round, then sleeps until it is notified or it is time.

A notification says "poll", never "what": lost or doubled ones are harmless. A round that fails is
logged and tried again; it never ends the loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

import structlog

from reconciler.control.changes import watch_database
from reconciler.core.base.errors import ReconcilerError
from reconciler.server.rounds import prune, reconcile, renew, run, tick
from reconciler.server.signals import WorkSignal
from reconciler.server.system import System

log = structlog.get_logger(__name__)

AFTER_FAILURE = 2.0
"""Seconds to wait after a round that failed."""

Watch = Callable[[Callable[[], None]], Coroutine[None, None, None]]
"""Calls what it is given whenever the followed source may have changed, for ever."""


async def repeat(name: str, once: Callable[[], Awaitable[float]], signal: WorkSignal) -> None:
    """Do rounds for ever. `once` returns the seconds to sleep unless notified."""
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


def start_loops(system: System, watch: Watch | None) -> list[asyncio.Task[None]]:
    """Start every loop of a server as a task; `watch` notices changes of the followed source."""
    signals = system.signals
    loops = [
        repeat("tick", lambda: tick(system), signals.tick),
        repeat("run", lambda: run(system), signals.run),
        repeat("renew", lambda: renew(system), WorkSignal()),
        repeat("reconcile", lambda: reconcile(system), signals.source),
        repeat("prune", lambda: prune(system), WorkSignal()),
        watch_database(system.database, signals.notify),
    ]
    if watch is not None:
        loops.append(watch(signals.source.notify))
    return [asyncio.create_task(loop) for loop in loops]
