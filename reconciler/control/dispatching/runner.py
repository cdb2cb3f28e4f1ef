"""The runner: gives admitted runs to agents, follows them, stops them, records how they end.

A round does the same few things and none of them waits for an agent to finish. The row of a run
says all that is needed to go on after a crash: its handle is recorded before the work begins, and
its lease expires when the process that held it dies.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from reconciler.control.dispatching.claim import any_to_lease, claim_once
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.ended import judge_again_once
from reconciler.control.dispatching.follow import follow_once
from reconciler.control.dispatching.precheck_follow import follow_prechecks_once
from reconciler.control.dispatching.recover import recover_once
from reconciler.control.dispatching.stop import PROOF_GRACE, stop_once
from reconciler.control.dispatching.workers import end_silent
from reconciler.core.runs.run import Run
from reconciler.store.engine.database import Tx
from reconciler.store.runs.claims import silent_workers
from reconciler.store.runs.due import Due, find_due
from reconciler.store.runs.leases import held_by, release, renew
from reconciler.store.runs.rows import Which
from reconciler.store.runs.runs import get_runs

Read = Callable[[Callable[[Tx], tuple[Due, bool]]], Awaitable[tuple[Due, bool]]]
"""How a round begins: `Database.aread`, or that and more in the same transaction."""


async def run_once(runner: RunnerContext, read: Read | None = None) -> None:
    """One round: first whatever may end, then what takes the places that became free.

    One read says which steps there is anything for; most rounds of an idle server end there.
    """
    busy = frozenset(runner.tasks)
    due, to_lease = await (read or runner.database.aread)(lambda tx: _due(tx, runner, busy))
    if not due.queued:
        runner.left_waiting = False
    if due.abandoned:
        await recover_once(runner)
    if held := due.held or due.abandoned:
        await follow_once(runner)
        await judge_again_once(runner)
        await follow_prechecks_once(runner)
    if held or due.stops:
        await stop_once(runner)
    if due.silent:
        await end_silent_once(runner)
    # What has ended in this round may have made room, or let the next run in.
    if to_lease or held or due.stops or due.silent:
        await claim_once(runner, sure=to_lease, expired=due.expired or not to_lease)
    await tidy_once(runner)


def _due(tx: Tx, runner: RunnerContext, busy: frozenset[str]) -> tuple[Due, bool]:
    """What there is to do, and whether a transaction that leases is worth it.

    What waits where nothing was left waiting is new, and is not asked about before it is leased.
    """
    now = runner.database.now(tx)
    due = find_due(tx, runner.owner, now, now - PROOF_GRACE, busy)
    if due.expired or (due.queued and not runner.left_waiting):
        return due, True
    return due, (due.queued or due.held_back) and any_to_lease(tx, runner, busy)


async def end_silent_once(runner: RunnerContext) -> list[str]:
    """End the runs of workers that let their lease expire; return their ids."""
    database, cooldown = runner.database, runner.settings.cooldown
    first = Which(runner.batch, runner.silent.left_out())

    def read(tx: Tx) -> list[str]:
        now = database.now(tx)
        return [run.id for run in silent_workers(tx, now, now - PROOF_GRACE, first)]

    async def end_these(run_ids: Sequence[str]) -> list[str]:
        these = Which(only=run_ids)
        return await database.awrite(lambda tx: end_silent(tx, database.now(tx), cooldown, these))

    silent = await database.aread(read)
    if not silent:
        return []
    return await runner.silent.together(silent, end_these, "a run could not be given up")


async def tidy_once(runner: RunnerContext) -> None:
    """Let go of runs that ended without us: an agent reported its end, or the lease went on.

    What was not proven to be gone is released again.
    """
    for job, handle in [*runner.leftovers.values()]:
        await runner.release(job, handle)
    if not runner.jobs:
        return
    known = frozenset(runner.jobs)

    def gone(tx: Tx) -> list[Run]:
        others = known - {run.id for run in held_by(tx, runner.owner)}
        return [*get_runs(tx, sorted(others)).values()]

    for run in await runner.database.aread(gone):
        if run.id in runner.tasks:
            continue
        if run.ended:
            await runner.let_go(run)
        else:
            runner.jobs.pop(run.id, None)


async def renew_once(runner: RunnerContext) -> int:
    """Prolong the leases of all runs that this process holds; return their number."""
    database, lease = runner.database, runner.settings.lease

    def write(tx: Tx) -> int:
        now = database.now(tx)
        return renew(tx, runner.owner, now, now + lease)

    return await database.awrite(write, quiet=True)


async def settle(runner: RunnerContext) -> None:
    """Wait for the starts and stops that are under way now."""
    if runner.tasks:
        await asyncio.wait([*runner.tasks.values()])


async def hand_back(runner: RunnerContext, within: float | None = None) -> int:
    """Release every lease of this process, so that others go on at once; return their number.

    Raises Unavailable after `within` seconds.
    """
    return await runner.database.awrite(lambda tx: release(tx, runner.owner), within=within)
