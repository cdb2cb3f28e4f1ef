"""Following prechecks: those of leased runs are observed until they have answered."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

from reconciler.control.dispatching.context import LeaseLost, RunnerContext
from reconciler.control.dispatching.jobs import precheck_handle_of, precheck_until
from reconciler.control.dispatching.precheck import end_overdue, precheck_job, settle_precheck
from reconciler.control.dispatching.start import start
from reconciler.core.runs.run import Failed, Outcome, Run
from reconciler.dispatch.base import Ended, Gone, Handle, Job, Observation
from reconciler.store.runs.runs import get_runs


async def follow_prechecks_once(runner: RunnerContext) -> None:
    """Observe every precheck that this process follows, and act on what it answered.

    A run that is to stop is left to `stop_once`.
    """
    if not runner.prechecks:
        return
    ids = sorted(runner.prechecks)
    runs = await runner.database.aread(lambda tx: get_runs(tx, ids))
    mine = {id_: run for id_, run in runs.items() if _is_followed(runner, run)}
    for run_id in set(ids) - set(mine) - set(runner.tasks):
        await _forget(runner, run_id, runs.get(run_id))
    pairs = [pair for run in mine.values() if (pair := await _pair_apart(runner, run))]
    if not pairs:
        return
    seen = await runner.runtimes.prechecks.observe(pairs)
    now = await runner.now()
    for run_id, observation in seen.items():
        with runner.apart(mine[run_id]):
            _act(runner, mine[run_id], observation, now)


def _act(runner: RunnerContext, run: Run, observation: Observation, now: datetime) -> None:
    match observation:
        case Ended(outcome):
            runner.spawn(run, _settler(outcome))
        case Gone(message, reason):
            runner.spawn(run, _settler(Failed(reason, message)))
        case _ if (until := precheck_until(run)) is not None and until <= now:
            runner.spawn(run, end_overdue)
        case _:
            pass  # it goes on, or could not be seen this time


def _is_followed(runner: RunnerContext, run: Run) -> bool:
    free = run.id not in runner.tasks and run.cancel_requested_at is None and runner.is_at(run)
    begun = run.precheck_due and run.precheck_handle is not None
    return free and begun and not run.ended and run.lease_owner == runner.owner


async def _forget(runner: RunnerContext, run_id: str, run: Run | None) -> None:
    """Whoever holds the run now goes on with the program; one that has ended is let go of."""
    if run is not None and run.ended:
        await runner.let_go(run)
    elif run is None or run.lease_owner != runner.owner or not run.precheck_due:
        runner.prechecks.pop(run_id, None)


async def _pair_apart(runner: RunnerContext, run: Run) -> tuple[Job, Handle] | None:
    with runner.apart(run):
        return await _pair(runner, run)
    return None


async def _pair(runner: RunnerContext, run: Run) -> tuple[Job, Handle] | None:
    job, handle = await precheck_job(runner, run), precheck_handle_of(run)
    return (job, handle) if job is not None and handle is not None else None


def _settler(outcome: Outcome) -> Callable[[RunnerContext, Run], Coroutine[Any, Any, bool]]:
    async def settle_and_start(runner: RunnerContext, run: Run) -> bool:
        try:
            settled = await settle_precheck(runner, run, outcome)
        except LeaseLost:
            return False
        return await start(runner, settled) if isinstance(settled, Run) else settled

    return settle_and_start
