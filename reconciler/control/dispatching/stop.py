"""Stopping: deadlines, cancels and replacements, each ended only on proof that nothing is alive."""

from datetime import datetime, timedelta

import structlog

from reconciler.control.access.secrets import SecretMissing
from reconciler.control.dispatching.claim import unavailable
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.runs.ending import finish
from reconciler.core.base.units import format_duration
from reconciler.core.manifest.fields import format_instant
from reconciler.core.runs.run import Failed, Reason, Run, WaitingFor
from reconciler.dispatch.base import Stopped, Stopping
from reconciler.store.engine.database import Tx
from reconciler.store.runs.leases import (
    adopt_run,
    held_by,
    overdue,
    unattended_cancels,
    untouched_cancels,
)
from reconciler.store.runs.runs import change_run, get_run, request_cancel

log = structlog.get_logger(__name__)

PROOF_GRACE = timedelta(seconds=30)
"""How long after its deadline a run without proof of its end is held before it is called lost."""


async def stop_once(runner: RunnerContext) -> None:
    """Ask what is overdue to stop, and follow up on everything that was asked to.

    1. Runs past their deadline are asked to stop; those that never began just end.
    2. Runs that were asked to stop before any agent had them end at once; of those between two
       attempts something may be left, so they are taken in hand.
    3. Runs in hand are stopped beside the rounds, and end on proof.
    """
    now = await runner.now()
    late = await runner.database.aread(lambda tx: overdue(tx, now))
    if late:
        await runner.database.awrite(lambda tx: _time_out(tx, runner, late))
    asked = await runner.database.aread(lambda tx: untouched_cancels(tx, now))
    if asked:
        await runner.database.awrite(lambda tx: _end_untouched(tx, runner, asked))
    left = await runner.database.aread(lambda tx: unattended_cancels(tx, now))
    if left:
        await runner.database.awrite(lambda tx: _take_in_hand(tx, runner, left))
    for run in await runner.database.aread(lambda tx: held_by(tx, runner.owner)):
        if run.cancel_requested_at is not None:
            runner.spawn(run, _stop)


def _time_out(tx: Tx, runner: RunnerContext, runs: list[Run]) -> None:
    now = runner.database.now(tx)
    for run in runs:
        if run.waiting_for is WaitingFor.AGENT and run.handle is None:
            finish(tx, run, unavailable(run), now, cooldown=runner.settings.cooldown)
        else:
            request_cancel(tx, run.id, now, Reason.TIMED_OUT, _too_long(run))


def _too_long(run: Run) -> str:
    if run.admitted_at is None or run.deadline_at is None:
        return "did not end within its timeout"
    timeout = format_duration(run.deadline_at - run.admitted_at)
    return f"did not end within its timeout of {timeout}, at {format_instant(run.deadline_at)}"


def _take_in_hand(tx: Tx, runner: RunnerContext, runs: list[Run]) -> None:
    now = runner.database.now(tx)
    for run in runs:
        adopt_run(tx, run, runner.owner, now, now + runner.settings.lease)


def _end_untouched(tx: Tx, runner: RunnerContext, runs: list[Run]) -> None:
    now = runner.database.now(tx)
    for run in runs:
        finish(tx, run, why_stopped(run), now, cooldown=runner.settings.cooldown)


def why_stopped(run: Run) -> Failed:
    """The end of a run that was asked to stop, in the words of whoever asked."""
    return Failed(run.cancel_reason or Reason.CANCELLED, run.cancel_note or "cancelled")


async def _stop(runner: RunnerContext, run: Run) -> bool:
    """Ask once more and record the end on proof; without proof, only when time is up.

    Answers whether the run has ended. The row is read again: a start may have recorded its handle
    after `run` was read, and without the handle nothing would be found to stop.
    """
    current = await runner.database.aread(lambda tx: get_run(tx, run.id))
    if current is None or current.lease_owner != runner.owner:
        return False
    stop = await _ask(runner, current)
    if isinstance(stop, Stopped):
        return await runner.end(current, why_stopped(current))
    if not _out_of_time(current, await runner.now()):
        return False
    why = await runner.database.awrite(lambda tx: without_proof(tx, current, stop.message))
    return await runner.end(current, why)


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
    if run.agent is None:
        return Stopped()
    try:
        job = await runner.job(run)
    except SecretMissing as error:
        return Stopping(str(error))
    if job is None:
        return Stopping(f"agent {run.workspace}/{run.agent} is not there any more")
    if job.handle is None:  # an attempt may have begun something and not recorded it
        return await runner.runtimes.release(job, None)
    return await runner.runtimes.stop(job, job.handle)


def _out_of_time(run: Run, now: datetime) -> bool:
    return run.deadline_at is not None and now >= run.deadline_at + PROOF_GRACE
