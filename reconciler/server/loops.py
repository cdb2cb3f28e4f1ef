"""The loops of a server: each does one round, then sleeps until it is notified or it is time.

A notification says "poll", never "what": lost or doubled ones are harmless. A round that fails is
logged and tried again; it never ends the loop.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from itertools import chain, cycle

import structlog

from reconciler.control.changes import watch_database
from reconciler.core.base.errors import ReconcilerError
from reconciler.server.followed import FollowedSource
from reconciler.server.rounds import check, prune, reconcile, renew, resume, run, send, tick
from reconciler.server.signals import Pace, WorkSignal
from reconciler.server.system import System

log = structlog.get_logger(__name__)

GAP = 0.05
"""Seconds from the start of one round to the next, in the long run."""
BURST = 4
"""Rounds that may begin at once before they are so far apart."""
AFTER_FAILURE = 2.0
"""Seconds to wait after a round that failed."""


async def repeat(
    name: str,
    once: Callable[[], Awaitable[float]],
    signal: WorkSignal,
    told: Callable[[], Awaitable[bool]],
) -> None:
    """Do rounds for ever. `once` returns the seconds to sleep unless notified.

    What fails is logged when it begins, and again when it is another failure; not at all where
    `told` says that its cause, the database, is in the log already.
    """
    failure: str | None = None
    pace = Pace(GAP, BURST)
    while True:
        began = time.monotonic()
        not_before = began + pace.begin(began)
        try:
            pause, failure = await once(), None
        except ReconcilerError as error:
            if failure != str(error) and not await told():
                log.error("round failed", loop=name, why=str(error))
            pause, failure = AFTER_FAILURE, str(error)
        except Exception as error:
            if failure != repr(error):
                log.exception("round failed", loop=name)
            pause, failure = AFTER_FAILURE, repr(error)
        await signal.sleep(pause)
        # What notifies again and again is done together: the first at once, then so many a second.
        await asyncio.sleep(max(0.0, not_before - time.monotonic()))
        signal.clear()


def start_loops(system: System) -> list[asyncio.Task[None]]:
    """Start every loop of a server as a task; each followed source has one."""
    signals = system.signals

    def loop(
        name: str, once: Callable[[System], Awaitable[float]], signal: WorkSignal
    ) -> Coroutine[None, None, None]:
        return repeat(name, lambda: once(system), signal, system.health.explains_failures)

    loops = [
        loop("check", check, WorkSignal()),
        loop("tick", tick, signals.tick),
        loop("run", run, signals.run),
        loop("send", send, signals.send),
        loop("renew", renew, WorkSignal()),
        loop("prune", prune, WorkSignal()),
        watch_database(system.database, signals.notify, system.runner.runtimes.hint),
    ]
    for source in system.sources:
        loops.append(loop("reconcile", _following(source), source.signal))
        if source.watch is not None:
            loops.append(source.watch(source.signal.notify))
    return [asyncio.create_task(loop) for loop in loops]


def _following(source: FollowedSource) -> Callable[[System], Awaitable[float]]:
    rounds = chain((resume,), cycle((reconcile,)))
    return lambda system: next(rounds)(system, source)
