"""Recovering: work whose server died is taken over, to follow it or to prove that it ended."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

import structlog

from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.ended import recall
from reconciler.control.dispatching.quota import passed_over
from reconciler.control.dispatching.start import start
from reconciler.core.runs.run import Run, WaitingFor
from reconciler.core.runs.standstill import go_on
from reconciler.store.engine.database import Tx
from reconciler.store.runs.leases import abandoned, adopt_run, keep
from reconciler.store.runs.rows import Which

log = structlog.get_logger(__name__)


async def recover_once(runner: RunnerContext) -> list[str]:
    """Lease work that began and whose lease expired; return the ids of the runs taken over.

    What this very process let expire, since its host was suspended, is simply kept. A run whose
    agent is done is judged. One that is to stop, or that is past its deadline, is not begun again:
    `stop_once` finds it leased.
    """
    database, first = runner.database, Which(runner.batch, runner.untaken.left_out())
    mine = frozenset({*runner.tasks, *runner.jobs, *runner.unjudged})

    def read(tx: Tx) -> tuple[datetime, list[str]]:
        now = database.now(tx)
        return now, [run.id for run in abandoned(tx, now, first)]

    async def adopt_these(run_ids: Sequence[str]) -> list[Run]:
        return await database.awrite(lambda tx: _adopt_all(tx, runner, run_ids, mine))

    now, left = await database.aread(read)
    if not left:
        return []
    runs = await runner.untaken.together(left, adopt_these, "a run could not be taken over")
    for run in runs:
        log.warning("run taken over", run=run.id, autopilot=run.autopilot_id)
        with runner.apart(run):
            await _go_on(runner, run, now)
    return [run.id for run in runs]


def _adopt_all(
    tx: Tx, runner: RunnerContext, run_ids: Sequence[str], mine: AbstractSet[str]
) -> list[Run]:
    """Lease those that are still abandoned; `mine` are those that this process is at."""
    now = runner.database.now(tx)
    until = now + runner.settings.lease
    adopted = []
    for run in abandoned(tx, now, Which(only=run_ids), lock=True):
        # Read again under the lock: its owner may have renewed the lease since the first read.
        if run.lease_owner == runner.owner and run.id in mine:
            keep(tx, run, runner.owner, until)
        elif passed_over(tx, run, now):
            continue
        elif (taken := _adopt(tx, run, runner.owner, until, now)) is not None:
            adopted.append(taken)
    return adopted


async def take_up(runner: RunnerContext, held: Sequence[Run]) -> list[str]:
    """Begin again, or take over, what this process holds and is not at; return the ids of the runs.

    The database was away when it wrote the lease, or the handle: nobody knows what is there. It
    counts as another attempt, which looks for what the one before has left.
    """
    runner.forget_attempts(held)
    strays = {run.id: run for run in held if not runner.is_at(run) and _needs_a_start(runner, run)}
    if not strays:
        return []

    def take(tx: Tx, run_ids: Sequence[str]) -> list[Run]:
        until = runner.database.now(tx) + runner.settings.lease
        again = [adopt_run(tx, strays[run_id], runner.owner, until) for run_id in run_ids]
        return [run for run in again if run is not None]

    async def take_these(run_ids: Sequence[str]) -> list[Run]:
        return await runner.database.awrite(lambda tx: take(tx, run_ids))

    now = await runner.now()
    runs = await runner.untaken.together([*strays], take_these, "a run could not be taken over")
    for run in runs:
        log.warning("run taken up again", run=run.id, autopilot=run.autopilot_id)
        with runner.apart(run):
            await _go_on(runner, run, now)
    return [run.id for run in runs]


def _needs_a_start(runner: RunnerContext, run: Run) -> bool:
    """One that is to stop, is to begin again later, or whose agent is done, has its own steps."""
    own_steps = run.id in runner.stranded or run.unjudged_since is not None
    return run.cancel_requested_at is None and not own_steps


async def _go_on(runner: RunnerContext, run: Run, now: datetime) -> None:
    runner.attempts[run.id] = run.attempts  # also where it is only observed, or stopped
    if run.unjudged_since is not None:
        await recall(runner, run, now)
    elif run.cancel_requested_at is None and (run.deadline_at is None or now < run.deadline_at):
        runner.spawn(run, start)


def _adopt(tx: Tx, run: Run, owner: str, until: datetime, now: datetime) -> Run | None:
    """The timeout of a run that waited for a quota goes on; that of one that asks stands."""
    goes_on = go_on(run, now) if run.waiting_for is WaitingFor.QUOTA else {}
    return adopt_run(tx, run, owner, until, **goes_on)
