"""Questions of agents on their way to people, and answers on their way back.

A run whose agent asks goes on to be `running`, and its timeout stands; with `onApproval: fail` it
is stopped. The answer is recorded here and passed on by whoever follows the run.
"""

from datetime import datetime, timedelta
from typing import Any

from reconciler.core.base.errors import Conflict, NotFound
from reconciler.core.base.units import format_duration, parse_duration
from reconciler.core.manifest.model import OnApproval
from reconciler.core.manifest.notify import Event
from reconciler.core.runs.approval import Approval, Decision, kept_question
from reconciler.core.runs.key import with_note
from reconciler.core.runs.run import Failed, Reason, Run, WaitingFor
from reconciler.core.runs.standstill import go_on, stand_still
from reconciler.store.engine.database import Tx
from reconciler.store.notify.outbox import Occasion, note_occasions
from reconciler.store.objects.manifests import get_document
from reconciler.store.runs.approvals import (
    ask_approval,
    decide_approval,
    last_approval,
    settle_approval,
    unanswered_times,
)
from reconciler.store.runs.conditions import Condition
from reconciler.store.runs.runs import change_run, get_run, request_cancel

MOST_UNANSWERED = 100
"""Questions of a run that may be withdrawn without an answer."""


def ask(
    tx: Tx,
    run: Run,
    question: str,
    now: datetime,
    *where: Condition,
    answer_at: str = "",
    reported: bool = False,
) -> Approval | None:
    """Record that the agent of a run asks; the same question again changes nothing.

    Return the question where it can be waited for; None where the run is stopped for it, was to
    stop already, or is held by somebody else (`where`).
    """
    if run.cancel_requested_at is not None or run.ended:
        return None
    question = kept_question(question)
    known = last_approval(tx, run.id)
    if known is not None and known.covers(question, now) and known.answer_at == answer_at:
        if known.is_open and run.waiting_for is not WaitingFor.APPROVAL:
            change_run(
                tx, run.id, _standing_still(tx, run, known, now), *where
            )  # it was taken over
        return known
    if (why := _refusal(tx, run, question)) is not None:
        request_cancel(tx, run.id, now, Reason.APPROVAL_NEEDED, why, *where)
        return None
    approval_id = ask_approval(tx, run.id, question, answer_at, now, reported=reported)
    made = Approval(
        id=approval_id, run_id=run.id, question=question, answer_at=answer_at, reported=reported,
        asked_at=now,
    )  # fmt: skip
    if not change_run(tx, run.id, _standing_still(tx, run, made, now), *where):
        settle_approval(tx, run.id, now)
        return None
    told = Occasion(
        Event.APPROVAL, f"approval:{approval_id}", run.autopilot_id, run.workspace,
        run.spec_digest, {"question": question, "answerAt": answer_at}, run.id,
    )  # fmt: skip
    note_occasions(tx, [told], now)
    return made


def asks_no_more(tx: Tx, run: Run, now: datetime, note: str, *where: Condition) -> bool:
    """Let the timeout of a run go on: its agent has its answer, or asks no more."""
    if not settle_approval(tx, run.id, now):
        return False
    values = {"waiting_for": None, "note": with_note(run, note), **go_on(run, now)}
    return change_run(tx, run.id, values, *where)


def open_question(tx: Tx, run_id: str) -> Approval:
    """Return what the agent of a run asks now. Raises NotFound where it asks nothing."""
    try:
        return _run_that_asks(tx, run_id)[1]
    except Conflict as error:
        raise NotFound(str(error)) from None


def decide(
    tx: Tx,
    run_id: str,
    decision: Decision,
    actor: str,
    now: datetime,
    *,
    question: str | None = None,
) -> Run:
    """Record a person's answer; whoever follows the run passes it on. Again is no error.

    `question` is what the person has read: an agent that asks something else by then must not get a
    yes to that. None answers whatever is asked now.

    Raises NotFound, and Conflict where the run has ended or asks nothing or something else, where
    the answer can only be given at the agent, or where somebody has decided otherwise.
    """
    run, asked = _run_that_asks(tx, run_id)
    if question is not None and kept_question(question) != asked.question:
        message = f"the agent of run {run_id} asks something else now: {asked.question}"
        raise Conflict(message, reason="question-changed")
    if asked.answer_at:
        message = f"the agent of run {run_id} takes no answers from here; answer {asked.answer_at}"
        raise Conflict(message, reason="answer-at-agent")
    if asked.decision is not None and asked.decision is not decision:
        message = f"{asked.decided_by} has {asked.decision} this already"
        raise Conflict(message, reason="already-decided")
    if decide_approval(tx, asked.id, decision, actor, now):
        note = f"{decision} by {actor}: {asked.question}"
        change_run(tx, run_id, {"note": with_note(run, note)})
    return get_run(tx, run_id) or run


def unanswered(tx: Tx, run: Run) -> Failed:
    """The end of a run whose question nobody answered within `queueTtl`."""
    asked = last_approval(tx, run.id)
    what = f"; asked for permission: {asked.question}" if asked else ""
    ttl = get_document(tx, run.spec_digest)["spec"]["queueTtl"]
    return Failed(Reason.APPROVAL_NEEDED, f"nobody answered within queueTtl of {ttl}{what}")


def _run_that_asks(tx: Tx, run_id: str) -> tuple[Run, Approval]:
    run = get_run(tx, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    if run.ended:
        raise Conflict(f"run {run_id} has ended already ({run.status})", reason="run-ended")
    asked = last_approval(tx, run_id)
    if asked is None or not asked.is_open or run.cancel_requested_at is not None:
        raise Conflict(f"run {run_id} asks for nothing now", reason="nothing-asked")
    return run, asked


def _refusal(tx: Tx, run: Run, question: str) -> str | None:
    """Why a run is stopped for asking; None where it may wait for an answer."""
    spec = get_document(tx, run.spec_digest)["spec"]
    if spec.get("onApproval", OnApproval.FAIL) != OnApproval.WAIT:
        return f"asked for permission: {question}; onApproval is {OnApproval.FAIL}"
    if len(unanswered_times(tx, run.id, MOST_UNANSWERED)) == MOST_UNANSWERED:
        return f"asked {MOST_UNANSWERED} questions that nobody answered; the last: {question}"
    return None


def _standing_still(tx: Tx, run: Run, asked: Approval, now: datetime) -> dict[str, Any]:
    """The fields of a run that asks: its timeout stands, at most for its `queueTtl`.

    Questions that were withdrawn without an answer share one: an agent that asks something else
    again and again would have its timeout stand for ever.
    """
    ttl = parse_duration(get_document(tx, run.spec_digest)["spec"]["queueTtl"])
    used = sum(unanswered_times(tx, run.id, MOST_UNANSWERED), timedelta())
    ttl = max(timedelta(seconds=1), ttl - used)
    how = f"answer {asked.answer_at}" if asked.answer_at else "approve or reject it"
    within = f"within {format_duration(ttl)}"
    return {
        "waiting_for": WaitingFor.APPROVAL,
        "note": with_note(run, f"asks for permission: {asked.question}; {how} {within}"),
        **stand_still(run, asked.asked_at + ttl, now),
    }
