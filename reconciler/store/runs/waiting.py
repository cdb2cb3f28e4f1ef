"""Runs that wait: since when, and what becomes of them when their autopilot ends."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from reconciler.core.runs.run import Reason, Source, Status
from reconciler.store.engine.backend import Tx
from reconciler.store.engine.batches import IDS, batches
from reconciler.store.engine.facts import RunEnded, note
from reconciler.store.runs.conditions import NOT_ENDED
from reconciler.store.runs.runs import WAITING
from reconciler.store.tables import autopilot_run


def unstarted_since(tx: Connection, autopilot_ids: Sequence[str]) -> dict[str, datetime]:
    """When the oldest run that nobody works on yet was triggered, of each autopilot that has one.

    It waits for other runs, for its agent, for a worker or for an approval.
    """
    r = autopilot_run.c
    query = select(r.autopilot_id, func.min(r.triggered_at)).where(
        r.autopilot_id.in_(IDS), NOT_ENDED, r.started_at.is_(None)
    )
    return {
        id_: at
        for batch in batches(autopilot_ids)
        for id_, at in tx.execute(query.group_by(r.autopilot_id), {"ids": batch})
    }


def cancel_waiting(
    tx: Tx, autopilot_ids: Sequence[str], now: datetime, why: str
) -> tuple[str, ...]:
    """Fail the waiting runs of these autopilots as `cancelled`; active ones finish."""
    r = autopilot_run.c
    cancelled: list[str] = []
    for batch in batches(sorted(autopilot_ids)):
        waiting = select(r.id, r.source).where(r.autopilot_id.in_(batch), WAITING).order_by(r.id)
        rows = tx.execute(waiting.with_for_update()).all()
        ids = [row.id for row in rows]
        for those in batches(ids):
            tx.execute(update(autopilot_run).where(r.id.in_(those)).values(_ending(now, why)))
        for row in rows:
            note(tx, RunEnded(Status.FAILED, Source(row.source), Reason.CANCELLED))
        cancelled += ids
    return tuple(cancelled)


def _ending(now: datetime, why: str) -> dict[str, object]:
    return {
        "status": Status.FAILED,
        "reason": Reason.CANCELLED,
        "failure_reason": why,
        "completed_at": now,
        "waiting_for": None,
    }
