"""Following: leased runs are observed, all of an agent's at once, until they end."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from reconciler.control.access.secrets import SecretMissing
from reconciler.control.dispatching.approvals import need_approval, need_no_approval
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.ended import end_work, recall
from reconciler.control.dispatching.metering import meter
from reconciler.control.dispatching.recover import take_up
from reconciler.control.dispatching.start import begin_again
from reconciler.control.runs.unjudged import VERDICT
from reconciler.core.runs.key import with_note
from reconciler.core.runs.run import Failed, Run, Status, WaitingFor
from reconciler.core.runs.usage import Usage, priced
from reconciler.dispatch.base import (
    Ended,
    Gone,
    Handle,
    Job,
    NeedsApproval,
    Observation,
    Unseen,
    Working,
)
from reconciler.store.runs.conditions import owned_by
from reconciler.store.runs.leases import held_by
from reconciler.store.runs.runs import change_run

log = structlog.get_logger(__name__)

_BEGUN = (Status.SESSION_CREATED, Status.RUNNING)


async def follow_once(runner: RunnerContext) -> list[str]:
    """Observe every leased run whose work began; return the ids of those that ended.

    One whose agent has reported its end by a call of the API is not observed any more.
    """
    runs = await runner.database.aread(lambda tx: held_by(tx, runner.owner))
    for run_id in runner.failures.keys() - {run.id for run in runs}:
        del runner.failures[run_id]  # another server goes on with it, or it has ended there
    for run in runs:
        if run.unjudged_since is not None and run.id not in {*runner.tasks, *runner.unjudged}:
            # Whoever took the call judges it now; nobody does where that server has died since.
            with runner.apart(run):
                await recall(runner, run, run.unjudged_since + VERDICT)
    await _free_stranded(runner, runs)
    await take_up(runner, runs)
    begun = {
        run.id: run
        for run in runs
        if run.status in _BEGUN
        and run.handle is not None
        and run.id not in runner.tasks
        and run.unjudged_since is None
        and (runner.is_at(run) or run.cancel_requested_at is not None)
    }
    pairs = {run.id: pair for run in begun.values() if (pair := await _pair(runner, run))}
    followed = [*pairs.values()]
    if not followed:
        return []
    # All agents at once: one that answers slowly does not hold up what others have to say.
    seen = await runner.runtimes.observe(followed)
    # What has ended at the same time is recorded at the same time: in one transaction on SQLite.
    settled = await asyncio.gather(
        *(
            _settle_apart(runner, begun[run_id], pairs[run_id], observation)
            for run_id, observation in seen.items()
        ),
        return_exceptions=True,
    )
    for result in settled:
        if isinstance(result, BaseException):
            raise result
    return [run_id for run_id, ended in zip(seen, settled, strict=True) if ended]


async def _free_stranded(runner: RunnerContext, runs: Sequence[Run]) -> None:
    """Give back runs whose start failed and left nothing to follow.

    Their leases are renewed with the others: they would hold their places until their deadlines.
    """
    waiting = {run.id: run for run in runs if _has_not_begun(run)}
    for run_id, why in [*runner.stranded.items()]:
        if (run := waiting.get(run_id)) is None:
            del runner.stranded[run_id]  # it is followed, or stopped, or no longer ours
        elif run_id not in runner.tasks:
            with runner.apart(run):
                await begin_again(runner, run, why)


def _has_not_begun(run: Run) -> bool:
    goes_on = run.cancel_requested_at is not None or (run.precheck_due and run.precheck_handle)
    return run.status is Status.PENDING and not goes_on


async def _pair(runner: RunnerContext, run: Run) -> tuple[Job, Handle] | None:
    try:
        with runner.apart(run):
            job = await runner.job(run)
            return (job, job.handle) if job is not None and job.handle is not None else None
    except SecretMissing as error:
        log.warning("run cannot be followed", run=run.id, why=str(error))
    return None


async def _settle_apart(
    runner: RunnerContext, run: Run, pair: tuple[Job, Handle], observation: Observation
) -> bool:
    with runner.apart(run):
        ended = await _settle(runner, run, pair, observation)
        runner.failures.pop(run.id, None)
        return ended
    return False


async def _settle(
    runner: RunnerContext, run: Run, pair: tuple[Job, Handle], observation: Observation
) -> bool:
    match observation:
        case Ended() as ended:
            await _note(runner, run, "")  # what was waited for is over
            return await end_work(runner, run, ended)
        case Gone(message, reason, usage):
            if run.cancel_requested_at is not None:
                return False  # asked to stop and gone: stop.py records why it was stopped
            return await runner.end(run, Failed(reason, message, usage=usage))
        case NeedsApproval() as asks:
            await need_approval(runner, run, pair, asks)
        case Working(detail, usage):
            if run.waiting_for is WaitingFor.APPROVAL:
                await need_no_approval(runner, run)
            else:
                await _note(runner, run, detail)
            await _use(runner, run, usage)
        case Unseen(message):  # that says nothing about the work
            await _note(runner, run, f"cannot be seen: {message}")
    return False


async def _use(runner: RunnerContext, run: Run, usage: Usage | None) -> None:
    """Record on the run what it has used until now; a write only where that has changed."""
    if (usage := priced(usage, runner.settings.prices)) is None:
        return
    if usage.over(run.usage).document() != run.usage:
        mine, now = owned_by(runner.owner), runner.database.now
        await runner.database.awrite(lambda tx: meter(tx, run, usage, now(tx), mine))


async def _note(runner: RunnerContext, run: Run, detail: str) -> None:
    """Show on the run what it waits for, and put back what stood there once that is over.

    Written only when it changes. What stood there is lost with this process: the note stays then.
    """
    if detail:
        before = runner.notes.setdefault(run.id, run.note)
        note = with_note(replace(run, note=before), detail)
    else:
        note = runner.notes.pop(run.id, with_note(run, None))
    if note != run.note:
        mine = owned_by(runner.owner)
        await runner.database.awrite(lambda tx: change_run(tx, run.id, {"note": note}, mine))
