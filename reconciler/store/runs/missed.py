"""Missed intervals: the occurrences that did not become runs, a row for as many as there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, delete, func, insert, select, update

from reconciler.core.runs.run import MissedInterval, MissedReason
from reconciler.core.schedule.decide import Span
from reconciler.store.engine.batches import batches
from reconciler.store.tables import missed_interval

_M = missed_interval.c


@dataclass(frozen=True, slots=True)
class Missed:
    """A span of one trigger; `after` is the cursor before it: what it may be joined to."""

    trigger_id: str
    autopilot_id: str
    span: Span
    after: datetime


def record_missed(tx: Connection, missed: Sequence[Missed], now: datetime) -> None:
    """Record spans. One that follows an interval of the same reason without a gap extends it."""
    last = _latest(tx, [new.trigger_id for new in missed])
    extended, fresh = [], []
    for new in missed:
        before = last.get(new.trigger_id)
        if before is not None and _joins(before, new):
            extended.append(_extension(before, new.span))
        else:
            fresh.append(_values(new, now))
        # A second span of the same batch follows this one, not what the table held before.
        last.pop(new.trigger_id, None)
    if fresh:
        tx.execute(insert(missed_interval), fresh)
    if extended:
        statement = (
            update(missed_interval)
            .where(_M.id == bindparam("interval"))
            .values(
                last_at=bindparam("until"),
                count=bindparam("together"),
                exact=bindparam("counted"),
                detail=bindparam("why"),
            )
        )
        tx.execute(statement, extended)


def _joins(before: MissedInterval, new: Missed) -> bool:
    """The cursor stands on the last occurrence of the interval: nothing ran in between."""
    return before.reason is new.span.reason and before.last == new.after


def _extension(before: MissedInterval, span: Span) -> dict[str, Any]:
    return {
        "interval": before.id,
        "until": span.last,
        "together": (before.count or 0) + span.count,
        "counted": before.exact and span.exact,
        "why": span.detail,
    }


def _values(new: Missed, now: datetime) -> dict[str, Any]:
    return {
        "trigger_id": new.trigger_id,
        "autopilot_id": new.autopilot_id,
        "reason": new.span.reason,
        "first_at": new.span.first,
        "last_at": new.span.last,
        "count": new.span.count,
        "exact": new.span.exact,
        "detail": new.span.detail,
        "created_at": now,
    }


def _latest(tx: Connection, trigger_ids: Sequence[str]) -> dict[str, MissedInterval]:
    """The newest interval of each trigger."""
    newest_of: dict[str, MissedInterval] = {}
    other = missed_interval.alias()
    newest = _M.first_at == (
        select(func.max(other.c.first_at))
        .where(other.c.trigger_id == _M.trigger_id)
        .scalar_subquery()
    )
    for batch in batches(sorted(set(trigger_ids))):
        rows = tx.execute(select(missed_interval).where(_M.trigger_id.in_(batch), newest))
        newest_of.update((row.trigger_id, interval_of(row)) for row in rows)
    return newest_of


def open_stalled(
    tx: Connection, trigger_id: str, autopilot_id: str, first: datetime, now: datetime, why: str
) -> None:
    """Record that a trigger is stalled from its occurrence `first` on; it stays open.

    At most one interval is open for a trigger, and one begins at a moment: an interval that is
    there already goes on, so that recording it can never fail.
    """
    again = {"reason": MissedReason.STALLED, "detail": why, "last_at": None}
    for same in (_M.last_at.is_(None), _M.first_at == first):
        known = update(missed_interval).where(_M.trigger_id == trigger_id, same)
        if tx.execute(known.values(again)).rowcount:
            return
    values = {
        "trigger_id": trigger_id,
        "autopilot_id": autopilot_id,
        "reason": MissedReason.STALLED,
        "first_at": first,
        "detail": why,
        "created_at": now,
    }
    tx.execute(insert(missed_interval).values(values))


def close_stalled(tx: Connection, trigger_ids: Sequence[str], now: datetime) -> None:
    """End what these triggers missed while they were stalled: they start again, or leave.

    How many occurrences that were was never counted. A clock that went back meanwhile does not
    end an interval before its first occurrence.
    """
    until = case((_M.first_at > now, _M.first_at), else_=bindparam("until", now, _M.last_at.type))
    for batch in batches(sorted(trigger_ids)):
        still_open = update(missed_interval).where(_M.trigger_id.in_(batch), _M.last_at.is_(None))
        tx.execute(still_open.values(last_at=until, exact=False))


def cut_missed(
    tx: Connection,
    trigger_ids: Sequence[str],
    now: datetime,
    recount: Callable[[MissedInterval], Span | None],
) -> None:
    """End intervals of these triggers that reach beyond `now` at their last occurrence until then.

    `recount` returns what is left of an interval, None for nothing. A clock that was ahead recorded
    occurrences as missed that are still to come.
    """
    for batch in batches(sorted(trigger_ids)):
        query = select(missed_interval).where(_M.trigger_id.in_(batch), _M.last_at > now)
        for interval in [interval_of(row) for row in tx.execute(query)]:
            this = _M.id == interval.id
            if span := recount(interval):
                left = {"last_at": span.last, "count": span.count, "exact": span.exact}
                tx.execute(update(missed_interval).where(this).values(left))
            else:
                tx.execute(delete(missed_interval).where(this))


def drop_known(tx: Connection, missed: Sequence[Missed]) -> list[Missed]:
    """Return the spans whose first occurrence is not recorded yet."""
    fresh = []
    for new in missed:
        same = select(_M.id).where(_M.trigger_id == new.trigger_id, _M.first_at == new.span.first)
        if tx.execute(same).first() is None:
            fresh.append(new)
    return fresh


def missed_between(
    tx: Connection, autopilot_id: str, since: datetime, until: datetime
) -> list[MissedInterval]:
    """The intervals of an autopilot that touch `since..until`, oldest first."""
    query = (
        select(missed_interval)
        .where(
            _M.autopilot_id == autopilot_id,
            _M.first_at <= until,
            _M.last_at.is_(None) | (_M.last_at >= since),
        )
        .order_by(_M.first_at, _M.id)
    )
    return [interval_of(row) for row in tx.execute(query)]


def interval_of(row: Row[Any]) -> MissedInterval:
    """The interval that a row of the table holds."""
    return MissedInterval(
        row.trigger_id,
        row.autopilot_id,
        MissedReason(row.reason),
        row.first_at,
        row.last_at,
        row._mapping["count"],  # noqa: SLF001 - documented; `row.count` is a tuple's method
        row.exact,
        row.detail,
        row.id,
    )
