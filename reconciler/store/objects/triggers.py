"""Schedule triggers: which are due, and how far each one's occurrences are decided."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, Text, and_, bindparam, cast, func, select, update

from reconciler.core.base.typed import mistyped, types_of
from reconciler.core.calendar.zone import rules_version
from reconciler.core.manifest.trigger import TriggerKind
from reconciler.core.schedule.decide import Next
from reconciler.store.checked import moment_of
from reconciler.store.engine.batches import IDS, alike, batches
from reconciler.store.engine.json_text import read_json
from reconciler.store.engine.paging import filled
from reconciler.store.objects.documents import trigger_document
from reconciler.store.tables import autopilot, autopilot_trigger

_T = autopilot_trigger.c
_DUE: Select[Any] = select(
    _T.id, _T.autopilot_id, _T.cursor, _T.created_at, _T.next_run_at, _T.next_scheduled_for,
    _T.name, _T.kind, _T.enabled, _T.label, _T.cron_expression, _T.timezone, cast(_T.spec, Text),
)  # fmt: skip
_WITH_OWNER = select(
    autopilot_trigger,
    autopilot.c.name.label("owner_name"),
    autopilot.c.workspace_id.label("owner_workspace"),
).join(autopilot, autopilot.c.id == _T.autopilot_id)


class Definition(NamedTuple):
    """What the row of a schedule trigger says of it, as it is stored.

    A value: thousands of triggers share a few definitions, and what is worked out of one holds for
    every trigger that has it.
    """

    name: str
    kind: str
    enabled: bool
    label: str | None
    cron_expression: str | None
    timezone: str | None
    spec: str

    def document(self) -> dict[str, Any]:
        """The trigger as canonical JSON."""
        spec = read_json(self.spec)
        return trigger_document({**self._asdict(), "spec": spec, "webhook_secret": None})


@dataclass(frozen=True, slots=True)
class DueTrigger:
    """A trigger whose `next_run_at` has come; its occurrences up to `cursor` are decided.

    `occurrence` is the nominal moment that is due, before its jitter. `unreadable` names the column
    that somebody edited by hand into what it cannot hold, if there is one; `next_run_at` is what
    the row has even then.
    """

    id: str
    autopilot_id: str
    definition: Definition
    cursor: datetime
    next_run_at: datetime
    occurrence: datetime
    unreadable: str | None = None


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
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Advance:
    """How far a trigger's occurrences are decided, what is next, and when it fired.

    None for `cursor` and `fired_at` leaves what the row has.
    """

    cursor: datetime | None
    next: Next | None
    fired_at: datetime | None = None


_DUE_NOW = (
    _DUE.where(_T.next_run_at.is_not(None), _T.next_run_at <= bindparam("now"))
    .order_by(_T.next_run_at)
    .limit(bindparam("most"))
)


def due_triggers(
    tx: Connection, now: datetime, limit: int, without: Collection[str] = ()
) -> list[DueTrigger]:
    """The triggers that are due, the longest overdue first; those of these ids are passed over.

    Reads by index and never all rows.
    """

    def read(most: int) -> Sequence[Row[Any]]:
        return tx.execute(_DUE_NOW, {"now": now, "most": most}).all()

    def made(rows: Sequence[Row[Any]]) -> list[DueTrigger]:
        return [_due(row, now) for row in rows if row.id not in without]

    return filled(read, made, limit)


class _DueRow(NamedTuple):
    id: str
    autopilot_id: str
    cursor: datetime | None
    created_at: datetime
    next_run_at: datetime
    next_scheduled_for: datetime | None


_MOMENTS = len(_DueRow._fields)
"""Columns that come before those of the definition."""
_DUE_TYPES = {**types_of(_DueRow), **types_of(Definition)}


def _due(row: Row[Any], now: datetime) -> DueTrigger:
    known, definition = _DueRow._make(row[:_MOMENTS]), Definition._make(row[_MOMENTS:])
    due = known.next_run_at
    column = mistyped((known._asdict() | definition._asdict()).items(), _DUE_TYPES)
    if column is not None:
        # Its moments may be anything: it is set aside as of now.
        return DueTrigger(known.id, known.autopilot_id, definition, now, due, now, column)
    cursor = known.cursor or known.created_at
    occurrence = known.next_scheduled_for or due
    return DueTrigger(known.id, known.autopilot_id, definition, cursor, due, occurrence)


def list_triggers(tx: Connection, autopilot_id: str) -> list[NamedTrigger]:
    """The triggers of an autopilot, without removed ones, in the order of the manifest."""
    query = select(autopilot_trigger).where(
        _T.autopilot_id == autopilot_id, _T.removed_at.is_(None)
    )
    rows = tx.execute(query.order_by(_T.position, _T.name))
    return [_named(row) for row in rows]


def name_triggers(tx: Connection, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The names of triggers, removed ones too, and of their autopilots; by id."""
    names = (_T.id, _T.name, autopilot.c.name)
    query = select(*names).join(autopilot, autopilot.c.id == _T.autopilot_id)
    rows = tx.execute(query.where(_T.id.in_(list(ids))))
    return {id_: (trigger, owner) for id_, trigger, owner in rows}


def _named(row: Row[Any]) -> NamedTrigger:
    return NamedTrigger(
        row.id,
        row.autopilot_id,
        row.name,
        row.kind,
        row.enabled,
        trigger_document(dict(row._mapping)),  # noqa: SLF001 - the documented accessor
        moment_of(row.next_run_at),
        moment_of(row.last_fired_at),
        row.stalled_reason,
        moment_of(row.cursor),
        row.created_at,
        row.updated_at,
    )


def soonest_triggers(tx: Connection, limit: int) -> list[tuple[str, NamedTrigger]]:
    """The triggers that are due next, each with `workspace/name` of its autopilot."""
    query = _WITH_OWNER.where(_T.next_run_at.is_not(None)).order_by(_T.next_run_at)
    return [(_owner(row), _named(row)) for row in tx.execute(query.limit(limit))]


def webhook_triggers(tx: Connection, limit: int) -> list[tuple[str, NamedTrigger]]:
    """The first webhook triggers in use, each with `workspace/name` of its autopilot, by it."""
    living = and_(_T.removed_at.is_(None), autopilot.c.archived_at.is_(None))
    query = _WITH_OWNER.where(_T.kind == TriggerKind.WEBHOOK, living)
    order = (autopilot.c.workspace_id, autopilot.c.name, _T.position)
    rows = tx.execute(query.order_by(*order).limit(limit))
    return [(_owner(row), _named(row)) for row in rows]


def _owner(row: Row[Any]) -> str:
    return f"{row.owner_workspace}/{row.owner_name}"


_NEXT_DUE: Select[Any] = (
    select(_T.id, _T.next_run_at)
    .where(_T.next_run_at.is_not(None))
    .order_by(_T.next_run_at)
    .limit(bindparam("most"))
)


def next_due(tx: Connection, without: Collection[str] = ()) -> datetime | None:
    """Return the moment at which the next trigger is due, but for those of these ids."""

    def read(most: int) -> Sequence[Row[Any]]:
        return tx.execute(_NEXT_DUE, {"most": most}).all()

    def made(rows: Sequence[Row[Any]]) -> list[datetime]:
        others = (row.next_run_at for row in rows if row.id not in without)
        return [moment for moment in others if isinstance(moment, datetime)]

    return next(iter(filled(read, made, 1)), None)


def count_due(tx: Connection, now: datetime) -> int:
    """Return the number of triggers that are due."""
    query = select(func.count()).where(_T.next_run_at.is_not(None), _T.next_run_at <= now)
    return tx.execute(query).scalar_one()


_UNMOVED = (
    select(_T.id, _T.next_run_at)
    .where(_T.id.in_(IDS))
    .order_by(_T.id)
    .with_for_update(skip_locked=True)
)


def hold_unmoved(tx: Connection, expected: Sequence[DueTrigger]) -> set[str]:
    """Hold the rows of these triggers; return the ids of those that nobody has moved meanwhile.

    On PostgreSQL a row that another process holds is passed over: that process decides it.
    """
    wanted = {trigger.id: trigger for trigger in expected}
    unmoved: set[str] = set()
    for batch in batches(sorted(wanted)):
        rows = tx.execute(_UNMOVED, {"ids": batch}).all()
        unmoved.update(id_ for id_, moment in rows if moment == wanted[id_].next_run_at)
    return unmoved


def advance(tx: Connection, advances: Mapping[str, Advance]) -> None:
    """Move the cursors of triggers, by id, whose rows are held."""
    for move, ids in alike(advances):
        values: dict[str, Any] = {
            "next_run_at": move.next.run_at if move.next else None,
            "next_scheduled_for": move.next.scheduled_for if move.next else None,
            "zone_rules": rules_version(),
        }
        if move.cursor is not None:
            values["cursor"] = move.cursor
        if move.fired_at is not None:
            values["last_fired_at"] = move.fired_at
        statement = update(autopilot_trigger).where(_T.id.in_(IDS)).values(values)
        tx.execute(statement, {"ids": ids})


def stall(tx: Connection, trigger_id: str, now: datetime, reason: str) -> None:
    """Take a trigger that cannot be decided out of the loop.

    An edit, an apply, a resume and the next start bring it back (docs/time.md#stalled-triggers).
    """
    values = {
        "stalled_at": now,
        "stalled_reason": reason,
        "next_run_at": None,
        "next_scheduled_for": None,
    }
    tx.execute(update(autopilot_trigger).where(_T.id == trigger_id).values(values))
