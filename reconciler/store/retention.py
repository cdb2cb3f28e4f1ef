"""What is deleted when it is old enough, in batches small enough to let everybody else in."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    func,
    select,
    update,
)

from reconciler.core.base.uuid7 import uuid7
from reconciler.store.engine.batches import IDS, by_first
from reconciler.store.revisions.revisions import IS_APPLIED_COMMIT, RevisionResult
from reconciler.store.tables import (
    autopilot_run,
    delivery,
    idempotency_key,
    missed_interval,
    notification,
    revision,
    run_output,
    spending,
)

BATCH = 500
_K = idempotency_key.c

Prune = Callable[[Connection, datetime], int]
"""Deletes at most `BATCH` rows that are older than the moment; returns their number."""


def prune_runs(tx: Connection, before: datetime) -> int:
    """Runs that ended before; what has not ended is kept however old it is."""
    r = autopilot_run.c
    return _delete(tx, autopilot_run, and_(_of_before(r.id, before), r.completed_at < before))


def prune_intervals(tx: Connection, before: datetime) -> int:
    """Missed intervals that ended before."""
    return _delete(tx, missed_interval, missed_interval.c.last_at < before)


def prune_notifications(tx: Connection, before: datetime) -> int:
    """Notifications that ended before, with their log; what waits is kept however old it is."""
    n = notification.c
    return _delete(tx, notification, and_(_of_before(n.id, before), n.ended_at < before))


def prune_deliveries(tx: Connection, before: datetime) -> int:
    """Deliveries that were received before."""
    return _delete(tx, delivery, _of_before(delivery.c.id, before))


def prune_bodies(tx: Connection, before: datetime) -> int:
    """Bodies of deliveries that were received before; all else of the delivery stays.

    The oldest go first, so that those of before the newest one without a body, of which there may
    be weeks, need not be read again.
    """
    d = delivery.c
    old, unusual = _of_before(d.id, before), d.verdict.in_(("refused", "pong"))
    newest = select(d.id).where(old, d.body.is_(None), ~unusual).order_by(d.id.desc()).limit(1)
    later = d.id > func.coalesce(newest.scalar_subquery(), "")
    batch = select(d.id).where(old, later, d.body.is_not(None)).order_by(d.id).limit(BATCH)
    return tx.execute(update(delivery).where(d.id.in_(batch)).values(body=None)).rowcount


def prune_outputs(tx: Connection, before: datetime) -> int:
    """What agents wrote in runs that were triggered before; the runs stay."""
    return _delete(tx, run_output, _of_before(run_output.c.run_id, before), run_output.c.run_id)


def _of_before(id_: ColumnElement[str], before: datetime) -> ColumnElement[bool]:
    """An id is of the moment at which its run was triggered, or its delivery received.

    Without this bound each round would read the whole table, and let nobody write meanwhile.
    """
    return id_ < uuid7(before, 0)


def prune_revisions(tx: Connection, before: datetime) -> int:
    """Revisions that were tried before, with their plans.

    Each source keeps what is in force, its last commit that was, and its last try.
    """
    r = revision.c
    newest = select(func.max(r.id)).group_by(r.source_id)
    in_force = newest.where(r.result == RevisionResult.APPLIED)
    retained = (newest, in_force, newest.where(*IS_APPLIED_COMMIT))
    old = (r.created_at < before, *(r.id.not_in(ids) for ids in retained))
    return _delete(tx, revision, and_(*old))


def prune_spending(tx: Connection, before: datetime) -> int:
    """Sums of days before."""
    old = spending.c.day < before.date().isoformat()
    rows = tx.execute(select(spending.c.scope, spending.c.day).where(old).limit(BATCH))
    gone = delete(spending).where(spending.c.day == bindparam("of"), spending.c.scope.in_(IDS))
    return sum(
        tx.execute(gone, {"of": day, "ids": scopes}).rowcount
        for day, scopes in by_first((row.day, row.scope) for row in rows).items()
    )


def prune_keys(tx: Connection, before: datetime) -> int:
    """Idempotency keys that expired before."""
    old = _K.expires_at < before
    rows = tx.execute(select(_K.scope, _K.key).where(old).limit(BATCH))
    gone = delete(idempotency_key).where(_K.scope == bindparam("in_scope"), _K.key.in_(IDS), old)
    return sum(
        tx.execute(gone, {"in_scope": scope, "ids": keys}).rowcount
        for scope, keys in by_first((row.scope, row.key) for row in rows).items()
    )


def _delete(
    tx: Connection, table: Table, old: ColumnElement[bool], key: ColumnElement[Any] | None = None
) -> int:
    key = table.c.id if key is None else key
    batch = select(key).where(old).order_by(key).limit(BATCH)
    return tx.execute(delete(table).where(key.in_(batch))).rowcount
