"""Stopping: deadlines, cancels and replacements, each ended only on proof that nothing is alive."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from reconciler.control.access.secrets import SecretMissing
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.patience import put_off
from reconciler.control.dispatching.precheck import stop_precheck
from reconciler.control.dispatching.quota import waited_too_long
from reconciler.control.runs.approving import unanswered
from reconciler.control.runs.ending import finish
from reconciler.core.base.units import format_duration
from reconciler.core.manifest.fields import format_instant
from reconciler.core.runs.key import noted_trouble
from reconciler.core.runs.run import Failed, Reason, Run, WaitingFor
from reconciler.core.runs.standstill import go_on
from reconciler.dispatch.base import Stopped, Stopping
from reconciler.store.engine.database import Tx
from reconciler.store.objects.agents import find_agent
from reconciler.store.runs.claims import token_hashes
from reconciler.store.runs.conditions import as_read
from reconciler.store.runs.leases import adopt_run, held_by
from reconciler.store.runs.occupancy import lock_autopilots
from reconciler.store.runs.rows import Which
from reconciler.store.runs.runs import change_run, get_run, request_cancel
from reconciler.store.runs.stopping import overdue, unattended_cancels, untouched_cancels

log = structlog.get_logger(__name__)

PROOF_GRACE = timedelta(seconds=30)
"""How long after its deadline a run without proof of its end is held before it is called lost."""
STARTS = ("start", "settle_and_start")
"""The names of tasks that start a run."""


async def stop_once(runner: RunnerContext) -> None:
    """Ask what is overdue to stop, and follow up on everything that was asked to.

    1. Runs past their deadline are asked to stop; those that never began just end.
    2. Runs that were asked to stop before any agent had them end at once; of those between two
       attempts something may be left, so they are leased.
    3. Leased runs are stopped beside the rounds, and end on proof.

    Each is read, without writing, to see whether there is something to do, and read again in the
    transaction that does it: a run may begin between the two.
    """
    database = runner.database
    first = Which(runner.batch, runner.unstopped.left_out())

    def read(tx: Tx) -> tuple[datetime, list[str]]:
        now = database.now(tx)
        return now, _unheld(tx, now, first)

    async def stop_these(run_ids: Sequence[str]) -> Sequence[str]:
        await database.awrite(lambda tx: _stop_all(tx, runner, Which(only=run_ids)))
        return run_ids

    now, unheld = await database.aread(read)
    if unheld:
        await runner.unstopped.together(unheld, stop_these, "a run could not be stopped")
    for run in await database.aread(lambda tx: held_by(tx, runner.owner)):
        if run.cancel_requested_at is not None:
            _give_up_starting(runner, run, now)
            runner.spawn(run, stop)


def _unheld(tx: Tx, now: datetime, which: Which) -> list[str]:
    lists = (overdue, untouched_cancels, unattended_cancels)
    return [*dict.fromkeys(run.id for runs_of in lists for run in runs_of(tx, now, which))]


def _stop_all(tx: Tx, runner: RunnerContext, these: Which) -> None:
    now = runner.database.now(tx)
    hold_autopilots(tx, [*overdue(tx, now, these), *untouched_cancels(tx, now, these)])
    # Each list is read again now that the autopilots are held: others may have ended runs
    # meanwhile, and one that is asked to stop here is in the next list.
    now = runner.database.now(tx)
    _time_out(tx, runner, now, these)
    _end_untouched(tx, runner, now, these)
    _lease_unattended(tx, runner, now, these)


def hold_autopilots(tx: Tx, runs: Iterable[Run]) -> None:
    """Hold the autopilots of runs that end in one transaction, all of them before any run.

    The clock holds those of a batch in the same order: one after the other, as the runs come, each
    might wait for the other.
    """
    lock_autopilots(tx, [run.autopilot_id for run in runs])


def _give_up_starting(runner: RunnerContext, run: Run, now: datetime) -> None:
    """End a start that hangs beyond all deadlines, so that its run can be stopped."""
    task = runner.tasks.get(run.id)
    if task is not None and task.get_name() in STARTS and _out_of_time(run, now):
        task.cancel()


def _time_out(tx: Tx, runner: RunnerContext, now: datetime, these: Which) -> None:
    for run in overdue(tx, now, these):
        if run.handle is None and put_off(tx, run, runner.settings.max_active_runs, now):
            continue
        why = _overdue(tx, run)
        if run.attempts == 0 and run.lease_owner is None and run.handle is None:
            cooldown = runner.settings.cooldown
            finish(tx, run, why, now, cooldown=cooldown, unchanged=True)
        else:
            request_cancel(tx, run.id, now, why.reason, why.message, as_read(run))


def _overdue(tx: Tx, run: Run) -> Failed:
    """Why a run is stopped whose deadline has passed; that of its wait, where its clock stands."""
    if run.waiting_for is WaitingFor.QUOTA:
        agent = find_agent(tx, run.workspace, run.agent) if run.agent else None
        return waited_too_long(run, agent.unavailable_reason if agent else None)
    if run.waiting_for is WaitingFor.APPROVAL:
        return unanswered(tx, run)
    return unavailable(run) if _never_had(run) else Failed(Reason.TIMED_OUT, _too_long(run))


def _never_had(run: Run) -> bool:
    return run.waiting_for is WaitingFor.AGENT and run.handle is None


def unavailable(run: Run) -> Failed:
    """The end of a run that no agent had room for, or could be reached for, before its deadline."""
    agent = run.agent or "its agent"
    return Failed(
        Reason.TARGET_UNAVAILABLE, f"{agent} could take no run before the deadline of this one"
    )


def _too_long(run: Run) -> str:
    if run.admitted_at is None or run.deadline_at is None:
        return "did not end within its timeout"
    timeout = format_duration(run.deadline_at - run.admitted_at)
    if run.waiting_for is WaitingFor.CLAIM:
        return f"no worker claimed it within its timeout of {timeout}"
    sentence = f"did not end within its timeout of {timeout}, at {format_instant(run.deadline_at)}"
    trouble = noted_trouble(run)
    return sentence if trouble is None else f"{sentence}; {trouble}"


def _lease_unattended(tx: Tx, runner: RunnerContext, now: datetime, these: Which) -> None:
    for run in unattended_cancels(tx, now, these):
        adopt_run(tx, run, runner.owner, now + runner.settings.lease)


def _end_untouched(tx: Tx, runner: RunnerContext, now: datetime, these: Which) -> None:
    for run in untouched_cancels(tx, now, these):
        cooldown = runner.settings.cooldown
        finish(tx, run, why_stopped(run), now, cooldown=cooldown, unchanged=True)


def why_stopped(run: Run) -> Failed:
    """The end of a run that was asked to stop, in the words of whoever asked."""
    return Failed(run.cancel_reason or Reason.CANCELLED, run.cancel_note or "cancelled")


async def stop(runner: RunnerContext, run: Run) -> bool:
    """Ask once more and record the end on proof; without proof, only when time is up.

    Return whether the run has ended. The row is read again: a start may have recorded its handle
    after `run` was read, and without the handle nothing would be found to stop.
    """
    current = await runner.database.aread(lambda tx: get_run(tx, run.id))
    if current is None or current.lease_owner != runner.owner:
        return False
    if current.remaining_ms is not None and not _out_of_time(current, await runner.now()):
        current = await _in_its_own_time(runner, current)
    stop = await _ask(runner, current)
    if isinstance(stop, Stopped):
        ended = replace(why_stopped(current), result=stop.result, usage=stop.usage)
        return await runner.end(current, ended)
    if not _out_of_time(current, await runner.now()):
        return False
    why = await runner.database.awrite(lambda tx: without_proof(tx, current, stop.message))
    return await runner.end(current, why)


async def _in_its_own_time(runner: RunnerContext, run: Run) -> Run:
    """A run that is to stop has no longer than its timeout leaves, whatever it waited for."""

    def write(tx: Tx) -> Run:
        values = go_on(run, runner.database.now(tx))
        return replace(run, **values) if change_run(tx, run.id, values) else run

    return await runner.database.awrite(write)


def without_proof(tx: Tx, run: Run, missing: str) -> Failed:
    """The end of a run whose time is up and of which nobody proved that it stopped.

    The run that takes its place says so.
    """
    if run.replaced_by is not None:
        note = f"run {run.id}, which this one replaces, was never proven to have ended"
        change_run(tx, run.replaced_by, {"note": note})
    why = why_stopped(run)
    return Failed(Reason.LOST, f"{why.message}; no proof that it stopped: {missing}")


async def _ask(runner: RunnerContext, run: Run) -> Stopped | Stopping:
    if run.precheck_due:
        return await stop_precheck(runner, run)
    if run.handle is None and not await _reached_agent(runner, run):
        return Stopped()
    try:
        job = await runner.job(run)
    except SecretMissing as error:
        return Stopping(str(error))
    if job is None:
        return Stopping(f"agent {run.workspace}/{run.agent} does not exist any more")
    if job.handle is None:  # an attempt may have begun something and not recorded it
        return await runner.runtimes.release(job, None)
    return await runner.runtimes.stop(job, job.handle)


async def _reached_agent(runner: RunnerContext, run: Run) -> bool:
    """Whether any attempt came as far as the agent: before that the run's token is recorded."""
    _, own = await runner.database.aread(lambda tx: token_hashes(tx, run.id))
    return own is not None


def _out_of_time(run: Run, now: datetime) -> bool:
    return run.deadline_at is not None and now >= run.deadline_at + PROOF_GRACE
