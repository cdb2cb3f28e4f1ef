"""What agents ask people, and the answers."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, insert, select, update

from reconciler.core.runs.approval import Approval, Decision
from reconciler.store.checked import Checked
from reconciler.store.tables import approval

_A = approval.c
_CHECKED = Checked(Approval, "the question", 10**18)
_LAST: Select[Any] = select(
    _A.id, _A.run_id, _A.question, _A.answer_at, _A.reported, _A.asked_at, _A.decision,
    _A.decided_by, _A.settled_at,
).order_by(_A.id.desc()).limit(1)  # fmt: skip


def last_approval(tx: Connection, run_id: str) -> Approval | None:
    """What the agent of a run asked last; it may be settled.

    None as well where its row cannot be read: its agent is taken to ask anew.
    """
    row = tx.execute(_LAST.where(_A.run_id == run_id)).mappings().one_or_none()
    return next(iter(_CHECKED.readable([dict(row)] if row else [])), None)


def unanswered_times(tx: Connection, run_id: str, limit: int) -> list[timedelta]:
    """How long each question of the run was asked that was withdrawn without an answer."""
    query = (
        select(_A.asked_at, _A.settled_at)
        .where(_A.run_id == run_id, _A.decision.is_(None), _A.settled_at.is_not(None))
        .limit(limit)
    )
    return [
        settled_at - asked_at
        for asked_at, settled_at in tx.execute(query)
        if isinstance(asked_at, datetime) and isinstance(settled_at, datetime)
    ]


def ask_approval(
    tx: Connection, run_id: str, question: str, answer_at: str, now: datetime, *, reported: bool
) -> int:
    """Record a question in place of the one that was open; return its id."""
    settle_approval(tx, run_id, now)
    values = {
        "run_id": run_id,
        "question": question,
        "answer_at": answer_at,
        "reported": reported,
        "asked_at": now,
    }
    made = tx.execute(insert(approval).values(values).returning(_A.id))
    return int(made.scalar_one())


def decide_approval(
    tx: Connection, approval_id: int, decision: Decision, actor: str, now: datetime
) -> bool:
    """Record an answer; False where there is one, or where it is asked no more."""
    undecided = and_(_A.id == approval_id, _A.decision.is_(None), _A.settled_at.is_(None))
    values = {"decision": decision, "decided_by": actor, "decided_at": now}
    return tx.execute(update(approval).where(undecided).values(values)).rowcount == 1


def settle_approval(tx: Connection, run_id: str, now: datetime) -> bool:
    """Note that nothing is asked any more; False where nothing was."""
    still = and_(_A.run_id == run_id, _A.settled_at.is_(None))
    return tx.execute(update(approval).where(still).values(settled_at=now)).rowcount > 0
