"""What a simulation reads of the past: how runs went, how long they took, what was delivered."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import Connection, func, or_, select

from reconciler.core.base.uuid7 import uuid7
from reconciler.core.schedule.audit import Period
from reconciler.core.schedule.simulate import Counts
from reconciler.store.engine.batches import batches
from reconciler.store.engine.paging import filled
from reconciler.store.tables import autopilot_run, delivery, missed_interval
from reconciler.store.webhooks.deliveries import LIGHT, Delivery, readable_deliveries

_D = delivery.c
_M = missed_interval.c
_R = autopilot_run.c
MEASURED = 100
"""The newest runs of an autopilot, whose median is taken."""


def durations(tx: Connection, autopilot_ids: Sequence[str]) -> dict[str, timedelta]:
    """The median time from admission to end of the newest runs of each autopilot that has any."""
    medians: dict[str, timedelta] = {}
    for id_ in autopilot_ids:
        query = (
            select(_R.admitted_at, _R.completed_at)
            .where(
                _R.autopilot_id == id_, _R.admitted_at.is_not(None), _R.completed_at.is_not(None)
            )
            .order_by(_R.id.desc())
            .limit(MEASURED)
        )
        moments = [(row.admitted_at, row.completed_at) for row in tx.execute(query)]
        # Others cannot be read: somebody edited them by hand.
        taken: list[Any] = [
            end - begin
            for begin, end in moments
            if isinstance(begin, datetime) and isinstance(end, datetime)
        ]
        if taken:
            medians[id_] = median(taken)
    return medians


def what_happened(
    tx: Connection, autopilot_ids: Sequence[str], period: Period
) -> dict[str, Counts]:
    """What became of each autopilot's occurrences and deliveries; runs by hand and API left out."""
    counts = {id_: Counts() for id_ in autopilot_ids}
    for ids in batches(sorted(autopilot_ids)):
        for id_, started, reason, number in tx.execute(_runs(ids, period)):
            if started:
                counts[id_].started += number
            else:
                counts[id_].not_started[reason or "waiting"] += number
        for id_, reason, number in tx.execute(_missed(ids, period)):
            counts[id_].not_started[reason] += number or 1
        for id_, number in tx.execute(_ignored(ids, period)):
            counts[id_].not_started["ignored"] += number
    return counts


def _runs(ids: Sequence[str], period: Period) -> Any:
    started = _R.admitted_at.is_not(None)
    # The reason of a run that started says how it ended, not why it did not start.
    reason = func.coalesce(_R.reason, "")
    return (
        select(_R.autopilot_id, started, reason, func.count())
        .where(
            _R.autopilot_id.in_(ids),
            _R.id >= uuid7(period.since, 0),
            _R.id < uuid7(period.until, 0),
            or_(_R.source == "schedule", _R.source == "webhook"),
        )
        .group_by(_R.autopilot_id, started, reason)
    )


def _missed(ids: Sequence[str], period: Period) -> Any:
    begins = (_M.first_at >= period.since, _M.first_at < period.until)
    return (
        select(_M.autopilot_id, _M.reason, func.sum(_M.count))
        .where(_M.autopilot_id.in_(ids), *begins)
        .group_by(_M.autopilot_id, _M.reason)
    )


def _ignored(ids: Sequence[str], period: Period) -> Any:
    return (
        select(_D.autopilot_id, func.count())
        .where(
            _D.autopilot_id.in_(ids),
            _D.id >= uuid7(period.since, 0),
            _D.id < uuid7(period.until, 0),
            _D.verdict == "ignored",
        )
        .group_by(_D.autopilot_id)
    )


def deliveries_of(tx: Connection, trigger_id: str, period: Period, limit: int) -> list[Delivery]:
    """The deliveries of a trigger that made a run or were ignored, without bodies, oldest first."""
    query = select(*LIGHT).where(
        _D.trigger_id == trigger_id,
        _D.id >= uuid7(period.since, 0),
        _D.id < uuid7(period.until, 0),
        or_(_D.verdict == "accepted", _D.verdict == "skipped", _D.verdict == "ignored"),
    )
    oldest = query.order_by(_D.id)
    return filled(lambda most: tx.execute(oldest.limit(most)).all(), readable_deliveries, limit)
