"""One round of each loop. Each returns the seconds until the next one, unless it is notified."""

import asyncio
import time
from functools import partial

import structlog

from reconciler.control.apply.follow_source import SourceFollower
from reconciler.control.apply.reconcile import Applied
from reconciler.control.dispatching.runner import renew_once, run_once
from reconciler.control.notify.sender import send_once
from reconciler.control.prune import Retention, prune_once
from reconciler.control.runs.tick import read_seen, tick_once
from reconciler.control.webhooks.secret_problems import list_secret_problems
from reconciler.core.base.errors import ReconcilerError
from reconciler.server.followed import FollowedSource
from reconciler.server.memory import release_memory
from reconciler.server.presence import note_presence
from reconciler.server.system import System
from reconciler.store.revisions.revisions import last_applied
from reconciler.store.servers import SILENCE

log = structlog.get_logger(__name__)

LONGEST_SLEEP = 30.0
"""Seconds: the clock's loop never sleeps longer."""
AFTER_FAILED_TRIGGER = 2.0
"""Seconds between two rounds while nothing can be written of a trigger: it is still due."""
RUNNER_PAUSE = 0.3
"""Seconds between two rounds of the runner while runs are in flight."""
RUNNER_IDLE = 5.0
"""Seconds between two rounds of the runner when nothing is in flight."""
SENDER_PAUSE = 2.0
"""Seconds between two rounds of the sender of notifications."""
PRUNE_PAUSE = 600.0
"""Seconds between two rounds of retention."""
FIRST_REMOTE_ROUND = 10.0
"""Seconds that the start waits for a remote repository."""
CHECK_PAUSE = 1.0
"""Seconds between two checks of the database."""
MANY = 1_000
"""Files of a source whose reading leaves so much behind that the database lets go of it, too."""


async def tick(system: System) -> float:
    """Fire what is due."""
    began = time.monotonic()
    with system.metrics.tick.time():
        seen = await system.clock_check.read(partial(read_seen, system.ticker))
        ticked = await asyncio.to_thread(tick_once, system.ticker, seen)
    for lag in ticked.lags:
        system.metrics.schedule_lag.observe(lag)
    if ticked.runs or ticked.promoted:
        system.signals.run.notify()
    longest = AFTER_FAILED_TRIGGER if system.ticker.unwritten.ids() else LONGEST_SLEEP
    if ticked.next_due is None:
        return longest
    left = (ticked.next_due - seen.now).total_seconds() - (time.monotonic() - began)
    return min(longest, max(0.0, left))


async def check(system: System) -> float:
    """See whether the database is in service."""
    await system.health.check()
    return CHECK_PAUSE


async def run(system: System) -> float:
    """Give runs to agents, follow and stop them."""
    await run_once(system.runner, system.clock_check.read)
    busy = system.runner.jobs or system.runner.tasks
    return RUNNER_PAUSE if busy else RUNNER_IDLE


async def send(system: System) -> float:
    """Send notifications."""
    await send_once(system.sender)
    return SENDER_PAUSE


async def renew(system: System) -> float:
    """Prolong leases and the presence of this server, well before either expires."""
    await renew_once(system.runner)
    await note_presence(system)
    return min(system.settings.lease, SILENCE / 2).total_seconds() / 3


async def reconcile(system: System, source: FollowedSource) -> float:
    """Apply a source that this server follows."""
    async with source.turn:
        with system.metrics.reconcile.time():
            applied = await asyncio.to_thread(_reconcile, source.follower)
    system.metrics.reconciles.labels(_result(applied)).inc()
    if applied is not None and applied.attempt is not None:
        system.signals.notify()
        await note_secrets(system)
    system.state.started(in_force=applied is not None or await _has_revision(system))
    return source.follower.retry_after or source.poll


async def resume(system: System, source: FollowedSource) -> float:
    """Begin to follow a source that the start has just reconciled (`reconcile_first`).

    Only its files may have changed since without anybody having noticed: the watch begins with the
    loops. What was edited in the database meanwhile is found by the next poll, as at any time.
    """
    if not source.is_remote and await asyncio.to_thread(source.follower.is_as_read):
        return source.poll
    return await reconcile(system, source)


async def reconcile_first(system: System) -> None:
    """The first round of every source, all at once.

    A remote is not waited for much longer than it usually takes: what is in force must go on while
    somebody else's server is down. Its round goes on meanwhile.
    """
    if not system.sources.sources:
        system.state.started(in_force=True)
        return
    remotes = [
        asyncio.create_task(reconcile(system, source))
        for source in system.sources
        if source.is_remote
    ]
    system.sources.first_rounds.extend(remotes)
    await asyncio.gather(*(reconcile(system, s) for s in system.sources if not s.is_remote))
    if remotes:
        done, _ = await asyncio.wait(remotes, timeout=FIRST_REMOTE_ROUND)
        for task in done:
            task.result()
    if not system.state.is_started:
        system.state.started(in_force=await _has_revision(system))


def _reconcile(follower: SourceFollower) -> Applied | None:
    before = follower.reads
    applied = follower.reconcile_once()
    if follower.reads != before:
        if follower.files_read >= MANY:
            follower.database.release_memory()
        release_memory()
    return applied


async def _has_revision(system: System) -> bool:
    """Whether an earlier revision of any followed source is in force."""
    names = sorted(system.sources.names())
    return await system.database.aread(
        lambda tx: any(last_applied(tx, name) is not None for name in names)
    )


async def note_secrets(system: System) -> None:
    """Log the webhooks whose secrets are missing or cannot verify: senders only see a 503."""
    try:
        problems = await asyncio.to_thread(
            list_secret_problems, system.database, system.secret_store
        )
    except ReconcilerError as error:
        log.warning("the secrets of webhooks were not looked at", why=str(error))
        return
    for problem in problems:
        note = log.error if problem.dead else log.warning
        note(
            "a webhook can take no delivery" if problem.dead else "a secret is missing or doubtful",
            webhook=f"{problem.workspace}/{problem.autopilot}/{problem.trigger}",
            why="; ".join(problem.why),
        )


async def prune(system: System) -> float:
    """Delete what is old enough."""
    if not system.clock_check.trusted:
        log.warning("nothing pruned: the clock jumped ahead lately")
        return PRUNE_PAUSE
    settings = system.settings
    retention = Retention(
        settings.keep_runs,
        settings.keep_deliveries,
        settings.keep_bodies,
        settings.keep_revisions,
    )
    pruned = await asyncio.to_thread(prune_once, system.database, retention)
    if pruned:
        log.info("pruned", **pruned)
    return PRUNE_PAUSE


def _result(applied: Applied | None) -> str:
    """The label of a round in the metrics."""
    if applied is None:
        return "failed"
    return "unchanged" if applied.attempt is None else "applied"
