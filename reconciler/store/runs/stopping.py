"""Runs that are to stop: past their deadline, or asked to."""

from datetime import datetime

from sqlalchemy import Connection, and_

from reconciler.core.runs.run import Run, Status
from reconciler.store.runs.leases import expired
from reconciler.store.runs.runs import ACTIVE, LIGHT, run_of
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c


def overdue(tx: Connection, now: datetime, limit: int = 200) -> list[Run]:
    """Active runs whose deadline has passed and which nobody has asked to stop."""
    late = and_(ACTIVE, _R.deadline_at <= now, _R.cancel_requested_at.is_(None))
    return [
        run_of(row) for row in tx.execute(LIGHT.where(late).order_by(_R.deadline_at).limit(limit))
    ]


def untouched_cancels(tx: Connection, now: datetime, limit: int = 200) -> list[Run]:
    """Runs that were asked to stop before they were ever given to an agent."""
    asked = and_(ACTIVE, _R.attempts == 0, _R.cancel_requested_at.is_not(None))
    query = LIGHT.where(asked, expired(now)).order_by(_R.cancel_requested_at).limit(limit)
    return [run_of(row) for row in tx.execute(query)]


def unattended_cancels(tx: Connection, now: datetime, limit: int = 200) -> list[Run]:
    """Pending runs that were asked to stop between two attempts: something may be left of one."""
    asked = and_(ACTIVE, _R.status == Status.PENDING, _R.cancel_requested_at.is_not(None))
    query = LIGHT.where(asked, _R.attempts > 0, expired(now)).order_by(_R.cancel_requested_at)
    return [run_of(row) for row in tx.execute(query.limit(limit))]
