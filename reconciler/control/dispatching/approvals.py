"""Questions that polls show: recorded, and answered at the agent once a person has decided."""

from datetime import datetime

import structlog

from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.runs.approving import ask, asks_no_more
from reconciler.core.runs.approval import Approval, Decision
from reconciler.core.runs.key import with_note
from reconciler.core.runs.retry import TARGET_PAUSE
from reconciler.core.runs.run import Run, WaitingFor
from reconciler.dispatch.base import Answered, Handle, Job, NeedsApproval, NotAnswered
from reconciler.store.engine.database import Tx
from reconciler.store.runs.approvals import last_approval
from reconciler.store.runs.conditions import owned_by
from reconciler.store.runs.runs import change_run

log = structlog.get_logger(__name__)


async def need_approval(
    runner: RunnerContext, run: Run, pair: tuple[Job, Handle], seen: NeedsApproval
) -> None:
    """Record what the agent asks, or pass the answer on; most polls find nothing new.

    An answer that did not arrive is passed on again after a while: the agent is told of a decision
    at least once.
    """
    known, now = await runner.database.aread(
        lambda tx: (last_approval(tx, run.id), runner.database.now(tx))
    )
    if known is None or not _is_known(run, known, seen, now):
        asked = await runner.database.awrite(lambda tx: _ask(tx, runner, run, seen))
        if asked is not None and asked.is_open and asked.decision is None:
            log.info("run asks for approval", run=run.id, question=asked.question)
        known = asked
    if known is not None and known.is_open and known.decision is not None:
        tried = runner.answered.get(known.id)
        if tried is None or now - tried >= TARGET_PAUSE:
            runner.answered[known.id] = now
            await _pass_on(runner, run, pair, known, known.decision)


def _is_known(run: Run, known: Approval, seen: NeedsApproval, now: datetime) -> bool:
    if run.waiting_for is not WaitingFor.APPROVAL and known.is_open:
        return False
    return known.covers(seen.question, now) and known.answer_at == seen.answer_at


def _ask(tx: Tx, runner: RunnerContext, run: Run, seen: NeedsApproval) -> Approval | None:
    now, mine = runner.database.now(tx), owned_by(runner.owner)
    return ask(tx, run, seen.question, now, mine, answer_at=seen.answer_at)


async def _pass_on(
    runner: RunnerContext,
    run: Run,
    pair: tuple[Job, Handle],
    asked: Approval,
    decision: Decision,
) -> None:
    job, handle = pair
    approved = decision is Decision.APPROVED
    answer = await runner.runtimes.answer(job, handle, asked.question, approved)
    mine = owned_by(runner.owner)
    by = f"{decision} by {asked.decided_by}: {asked.question}"

    def write(tx: Tx) -> bool:
        match answer:
            case Answered():
                runner.answered.pop(asked.id, None)
                return asks_no_more(tx, run, runner.database.now(tx), by, mine)
            case NotAnswered(message):
                note = with_note(run, f"{by}; the agent was not told yet: {message}")
                return note != run.note and change_run(tx, run.id, {"note": note}, mine)

    await runner.database.awrite(write)


async def need_no_approval(runner: RunnerContext, run: Run) -> None:
    """The agent works again: somebody has answered it where it is."""

    def write(tx: Tx) -> bool:
        known = last_approval(tx, run.id)
        if known is not None and known.is_open and known.reported:
            return False  # what the agent told by itself, no poll would show
        mine = owned_by(runner.owner)
        return asks_no_more(tx, run, runner.database.now(tx), "answered at the agent", mine)

    await runner.database.awrite(write)
