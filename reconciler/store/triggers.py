"""Schedule triggers: which are due, and how far each one's occurrences are decided."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, select, update

from reconciler.core.decide import Next
from reconciler.core.trigger import TriggerKind
from reconciler.store.batches import batches
from reconciler.store.documents import trigger_document
from reconciler.store.tables import autopilot, autopilot_trigger

_T = autopilot_trigger.c
_WITH_OWNER = select(
    autopilot_trigger,
    autopilot.c.name.label("owner_name"),
    autopilot.c.workspace_id.label("owner_workspace"),
).join(autopilot, autopilot.c.id == _T.autopilot_id)


@dataclass(frozen=True, slots=True)
class DueTrigger:
    """A trigger whose `next_run_at` has come. `document` is the trigger as canonical JSON."""

    id: str
    autopilot_id: str
    name: str
    document: dict[str, Any]
    cursor: datetime
    next_run_at: datetime


@dataclass(frozen=True, slots=True)
class NamedTrigger:
    """A trigger of an autopilot, of any kind. `document` is the trigger as canonical JSON.

    Occurrences up to `cursor` are decided.
    """

    id: str
    autopilot_id: str
    name: str
    kind: str
    enabled: bool
    document: dict[str, Any]
    next_run_at: datetime | None
    last_fired_at: datetime | None
    stalled_reason: str | None
    cursor: datetime | None


@dataclass(frozen=True, slots=True)
class Advance:
    """How far a trigger's occurrences are decided, and what is next."""

    trigger_id: str
    cursor: datetime | None
    next: Next | None
    fired_at: datetime | None = None


def due_triggers(tx: Connection, now: datetime, limit: int) -> list[DueTrigger]:
    """The triggers that are due, the longest overdue first; reads by index and never all rows."""
    query = (
        select(autopilot_trigger)
        .where(_T.next_run_at.is_not(None), _T.next_run_at <= now)
        .order_by(_T.next_run_at, _T.id)
        .limit(limit)
    )
    return [_due(row) for row in tx.execute(query)]


def list_triggers(tx: Connection, autopilot_id: str) -> list[NamedTrigger]:
    """The triggers of an autopilot, without removed ones, in the order of the manifest."""
    query = select(autopilot_trigger).where(
        _T.autopilot_id == autopilot_id, _T.removed_at.is_(None)
    )
    rows = tx.execute(query.order_by(_T.position, _T.name))
    return [_named(row) for row in rows]


def _named(row: Row[Any]) -> NamedTrigger:
    return NamedTrigger(
        row.id,
        row.autopilot_id,
        row.name,
        row.kind,
        row.enabled,
        trigger_document(dict(row._mapping)),  # noqa: SLF001 - the documented accessor
        row.next_run_at,
        row.last_fired_at,
        row.stalled_reason,
        row.cursor,
    )


def soonest_triggers(tx: Connection, limit: int) -> list[tuple[str, NamedTrigger]]:
    """The triggers that are due next, each with `workspace/name` of its autopilot."""
    query = _WITH_OWNER.where(_T.next_run_at.is_not(None)).order_by(_T.next_run_at, _T.id)
    return [(_owner(row), _named(row)) for row in tx.execute(query.limit(limit))]


def webhook_triggers(tx: Connection) -> list[tuple[str, NamedTrigger]]:
    """All webhook triggers in use, each with `workspace/name` of its autopilot."""
    living = and_(_T.removed_at.is_(None), autopilot.c.archived_at.is_(None))
    query = _WITH_OWNER.where(_T.kind == TriggerKind.WEBHOOK, living)
    rows = tx.execute(query.order_by(autopilot.c.workspace_id, autopilot.c.name, _T.position))
    return [(_owner(row), _named(row)) for row in rows]


def _owner(row: Row[Any]) -> str:
    return f"{row.owner_workspace}/{row.owner_name}"


def next_due(tx: Connection) -> datetime | None:
    """The moment at which the next trigger is due."""
    query = select(_T.next_run_at).where(_T.next_run_at.is_not(None))
    return tx.execute(query.order_by(_T.next_run_at).limit(1)).scalar_one_or_none()


def count_due(tx: Connection, now: datetime) -> int:
    """How many triggers are due."""
    query = select(func.count()).where(_T.next_run_at.is_not(None), _T.next_run_at <= now)
    return tx.execute(query).scalar_one()


def _due(row: Row[Any]) -> DueTrigger:
    document = trigger_document(dict(row._mapping))  # noqa: SLF001 - the documented accessor
    cursor = row.cursor or row.created_at
    return DueTrigger(row.id, row.autopilot_id, row.name, document, cursor, row.next_run_at)


def hold_unmoved(tx: Connection, expected: Sequence[DueTrigger]) -> set[str]:
    """Hold the rows of these triggers; answers the ids of those that nobody has moved meanwhile.

    On PostgreSQL a row that another process holds is passed over: that process decides it.
    """
    wanted = {one.id: one for one in expected}
    unmoved = set()
    for some in batches(sorted(wanted)):
        for row in tx.execute(_still_due(some)):
            if row.next_run_at == wanted[row.id].next_run_at:
                unmoved.add(row.id)
    return unmoved


def _still_due(ids: Sequence[str]) -> Select[Any]:
    query = select(_T.id, _T.next_run_at).where(_T.id.in_(ids)).order_by(_T.id)
    return query.with_for_update(skip_locked=True)


def advance(tx: Connection, advances: Iterable[Advance]) -> None:
    """Move the cursors of triggers whose rows are held."""
    rows = [
        {
            "trigger": one.trigger_id,
            "cursor_": one.cursor,
            "run_at": one.next.run_at if one.next else None,
            "scheduled": one.next.scheduled_for if one.next else None,
            "fired": one.fired_at,
        }
        for one in advances
    ]
    if not rows:
        return
    tx.execute(
        update(autopilot_trigger)
        .where(_T.id == bindparam("trigger"))
        .values(
            cursor=func.coalesce(bindparam("cursor_", type_=_T.cursor.type), _T.cursor),
            next_run_at=bindparam("run_at"),
            next_scheduled_for=bindparam("scheduled"),
            last_fired_at=func.coalesce(
                bindparam("fired", type_=_T.last_fired_at.type), _T.last_fired_at
            ),
        ),
        rows,
    )


def stall(tx: Connection, trigger_id: str, now: datetime, reason: str) -> None:
    """Take a trigger that cannot be decided out of the loop; an edit brings it back."""
    values = {
        "stalled_at": now,
        "stalled_reason": reason,
        "next_run_at": None,
        "next_scheduled_for": None,
    }
    tx.execute(update(autopilot_trigger).where(_T.id == trigger_id).values(values))
