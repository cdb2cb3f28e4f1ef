"""Runs that are to stop: past their deadline, or asked to."""

from datetime import datetime

from sqlalchemy import Connection, and_, bindparam

from reconciler.core.runs.run import Run, Status
from reconciler.store.runs.conditions import EXPIRED
from reconciler.store.runs.rows import FIRST, Listing, Which
from reconciler.store.runs.runs import ACTIVE
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c
_ASKED = _R.cancel_requested_at.is_not(None)
IS_OVERDUE = and_(
    ACTIVE,
    _R.deadline_at <= bindparam("now"),
    _R.cancel_requested_at.is_(None),
    _R.unjudged_since.is_(None),
)
IS_UNTOUCHED = and_(ACTIVE, _R.attempts == 0, _ASKED, EXPIRED)
IS_UNATTENDED = and_(ACTIVE, _R.status == Status.PENDING, _ASKED, _R.attempts > 0, EXPIRED)
_OVERDUE = Listing.of(IS_OVERDUE, _R.deadline_at)
_UNTOUCHED = Listing.of(IS_UNTOUCHED, _R.cancel_requested_at)
_UNATTENDED = Listing.of(IS_UNATTENDED, _R.cancel_requested_at)


def overdue(tx: Connection, now: datetime, which: Which = FIRST) -> list[Run]:
    """Active runs whose deadline has passed and which nobody has asked to stop.

    Without those whose agent is done: whoever judges their results ends them.
    """
    return _OVERDUE.read(tx, {"now": now}, which)


def untouched_cancels(tx: Connection, now: datetime, which: Which = FIRST) -> list[Run]:
    """Runs that were asked to stop before they were ever given to an agent."""
    return _UNTOUCHED.read(tx, {"now": now}, which)


def unattended_cancels(tx: Connection, now: datetime, which: Which = FIRST) -> list[Run]:
    """Pending runs that were asked to stop between two attempts: something may be left of one."""
    return _UNATTENDED.read(tx, {"now": now}, which)
