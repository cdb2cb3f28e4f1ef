"""Schedule triggers whose stored moments may have to be worked out again.

That is after a wrong clock (docs/time.md#wrong-clocks), under other zone rules
(docs/time.md#zones), and once what stalled a trigger may be gone (docs/time.md#stalled-triggers).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    TextClause,
    and_,
    bindparam,
    case,
    cast,
    func,
    or_,
    select,
    text,
    update,
)

from reconciler.core.calendar.zone import rules_version
from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.manifest.trigger import TriggerKind
from reconciler.core.schedule.decide import Next
from reconciler.store.engine.batches import batches
from reconciler.store.objects.triggers import Definition
from reconciler.store.tables import autopilot, autopilot_trigger

_T = autopilot_trigger.c
_A = autopilot.c
_FIRES = and_(_T.enabled, _A.archived_at.is_(None), _A.status != AutopilotStatus.ARCHIVED).label(
    "fires"
)
_SCHEDULES = (
    select(
        _T.id, _T.autopilot_id, _T.cursor, _T.created_at, _T.next_run_at, _T.stalled_reason, _FIRES,
        _T.name, _T.kind, _T.enabled, _T.label, _T.cron_expression, _T.timezone,
        cast(_T.spec, Text),
    )
    .join(autopilot, _A.id == _T.autopilot_id)
    .where(_T.removed_at.is_(None), _T.kind == TriggerKind.SCHEDULE)
    .order_by(_T.id)
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """A schedule trigger as it is stored. `fires`: it is enabled and its autopilot not archived.

    Occurrences up to `cursor` are decided.
    """

    id: str
    autopilot_id: str
    cursor: datetime
    next_run_at: datetime | None
    stalled_reason: str | None
    fires: bool
    definition: Definition


def schedules_ahead(
    tx: Connection, latest: datetime, autopilot_ids: Sequence[str] | None = None
) -> list[StoredSchedule]:
    """Hold and return the schedules that are decided beyond `latest`, by id."""
    return _read(tx, _T.cursor > latest, *_of(autopilot_ids))


_MOMENT = f"{'[0-9]' * 4}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].{'[0-9]' * 6}Z"
"""A moment as SQLite keeps it; whatever else is there sorts as it happens to."""
_NEVER = {
    "sqlite": text(f"autopilot_trigger.next_run_at NOT GLOB '{_MOMENT}'"),
    "postgresql": text("NOT isfinite(autopilot_trigger.next_run_at)"),
}


def schedules_without_moment(
    tx: Connection, autopilot_ids: Sequence[str] | None = None
) -> list[StoredSchedule]:
    """Hold and return the schedules whose next moment somebody edited by hand into none, by id.

    It may sort behind every moment, and never be due.
    """
    return _read(tx, _T.next_run_at.is_not(None), _NEVER[tx.dialect.name], *_of(autopilot_ids))


def due_schedules(tx: Connection, autopilot_id: str, now: datetime) -> list[StoredSchedule]:
    """Hold and return the schedules of an autopilot that are due, by id."""
    return _read(tx, _T.next_run_at <= now, _T.autopilot_id == autopilot_id)


def stalled_schedules(
    tx: Connection, autopilot_ids: Sequence[str] | None = None, *, lock: bool = True
) -> list[StoredSchedule]:
    """Return the schedules that are stalled, by id; `lock` holds their rows."""
    return _read(tx, _T.stalled_at.is_not(None), *_of(autopilot_ids), lock=lock)


def outdated_schedules(tx: Connection) -> list[StoredSchedule]:
    """Hold and return the schedules whose next moment was worked out by other zone rules."""
    return _read(tx, _T.next_run_at.is_not(None), _T.zone_rules.is_distinct_from(rules_version()))


def _of(autopilot_ids: Sequence[str] | None) -> list[ColumnElement[bool]]:
    return [] if autopilot_ids is None else [_T.autopilot_id.in_(autopilot_ids)]


def _read(
    tx: Connection, *where: ColumnElement[bool] | TextClause, lock: bool = True
) -> list[StoredSchedule]:
    query = _SCHEDULES.where(*where)
    rows = tx.execute(query.with_for_update(of=autopilot_trigger) if lock else query).all()
    return [
        StoredSchedule(
            id_, owner, cursor or created, next_run_at, stalled, bool(fires), Definition(*columns)
        )
        for id_, owner, cursor, created, next_run_at, stalled, fires, *columns in rows
    ]


def schedule_anew(
    tx: Connection, trigger_id: str, cursor: datetime, following: Next | None
) -> None:
    """Let a trigger whose row is held go on after `cursor`; what stalled it is forgotten."""
    values: dict[str, Any] = {
        "cursor": cursor,
        "decides_after": _decides_after(cursor),
        "next_run_at": following.run_at if following else None,
        "next_scheduled_for": following.scheduled_for if following else None,
        "zone_rules": rules_version(),
        "stalled_at": None,
        "stalled_reason": None,
    }
    tx.execute(update(autopilot_trigger).where(_T.id == trigger_id).values(values))


def _decides_after(cursor: datetime) -> ColumnElement[datetime]:
    """Later only where other zone rules decided before, earlier only where a clock was ahead."""
    others = _T.zone_rules.is_distinct_from(rules_version())
    moved = or_(_T.decides_after > cursor, others)
    moment = bindparam("moment", cursor, _T.cursor.type)
    return case((and_(_T.decides_after.is_not(None), moved), moment), else_=_T.decides_after)


def note_rules(tx: Connection, trigger_ids: Sequence[str]) -> None:
    """Note that the next moments of these triggers follow the zone rules of now.

    What was decided by others cannot be worked out again: an audit begins after the cursor.
    """
    for batch in batches(trigger_ids):
        statement = update(autopilot_trigger).where(_T.id.in_(batch))
        since = case(
            (_T.decides_after.is_not(None), func.coalesce(_T.cursor, _T.created_at)),
            else_=_T.decides_after,
        )
        tx.execute(statement.values(zone_rules=rules_version(), decides_after=since))


def bring_back_fired(tx: Connection, now: datetime, latest: datetime) -> int:
    """Set `last_fired_at` beyond `latest` to `now`; return the number of rows."""
    statement = update(autopilot_trigger).where(_T.last_fired_at > latest)
    return tx.execute(statement.values(last_fired_at=now)).rowcount
