"""Runs that are to stop: past their deadline, or asked to."""

from datetime import datetime

from sqlalchemy import BindParameter, Connection, and_, bindparam

from reconciler.core.runs.run import Run, Status
from reconciler.store.runs.conditions import EXPIRED
from reconciler.store.runs.rows import LIGHT, read_runs
from reconciler.store.runs.runs import ACTIVE
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c
_MOST: BindParameter[int] = bindparam("most")
_ASKED = _R.cancel_requested_at.is_not(None)
IS_OVERDUE = and_(
    ACTIVE,
    _R.deadline_at <= bindparam("now"),
    _R.cancel_requested_at.is_(None),
    _R.unjudged_since.is_(None),
)
IS_UNTOUCHED = and_(ACTIVE, _R.attempts == 0, _ASKED, EXPIRED)
IS_UNATTENDED = and_(ACTIVE, _R.status == Status.PENDING, _ASKED, _R.attempts > 0, EXPIRED)
_OVERDUE = LIGHT.where(IS_OVERDUE).order_by(_R.deadline_at).limit(_MOST)
_UNTOUCHED = LIGHT.where(IS_UNTOUCHED).order_by(_R.cancel_requested_at).limit(_MOST)
_UNATTENDED = LIGHT.where(IS_UNATTENDED).order_by(_R.cancel_requested_at).limit(_MOST)


def overdue(tx: Connection, now: datetime, limit: int = 200) -> list[Run]:
    """Active runs whose deadline has passed and which nobody has asked to stop.

    Without those whose agent is done: whoever judges their results ends them.
    """
    return read_runs(tx, _OVERDUE, {"now": now, "most": limit})


def untouched_cancels(tx: Connection, now: datetime, limit: int = 200) -> list[Run]:
    """Runs that were asked to stop before they were ever given to an agent."""
    return read_runs(tx, _UNTOUCHED, {"now": now, "most": limit})


def unattended_cancels(tx: Connection, now: datetime, limit: int = 200) -> list[Run]:
    """Pending runs that were asked to stop between two attempts: something may be left of one."""
    return read_runs(tx, _UNATTENDED, {"now": now, "most": limit})
