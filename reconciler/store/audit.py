"""What an audit reads: triggers since their last change, and what is recorded of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, cast, or_, select

from reconciler.core.base.uuid7 import uuid7
from reconciler.core.runs.run import MissedInterval, Source
from reconciler.core.schedule.audit import (
    OrphanRun,
    Period,
    Place,
    RecordedDelivery,
    RecordedRun,
)
from reconciler.store.objects.triggers import Definition
from reconciler.store.runs.missed import interval_of
from reconciler.store.tables import (
    autopilot,
    autopilot_run,
    autopilot_trigger,
    delivery,
    missed_interval,
)

_A = autopilot.c
_D = delivery.c
_M = missed_interval.c
_R = autopilot_run.c
_T = autopilot_trigger.c
Workspaces = frozenset[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRow:
    """A schedule trigger, hidden and archived ones too; see `AuditedTrigger`."""

    id: str
    place: Place
    made: datetime
    changed: datetime
    after: datetime | None
    left: datetime | None
    decided: datetime | None
    definition: Definition


def schedules_of(tx: Connection, period: Period, workspaces: Workspaces) -> list[TriggerRow]:
    """The schedules that were there in that time, by workspace and name."""
    columns = (
        _T.name, _T.kind, _T.enabled, _T.label, _T.cron_expression, _T.timezone,
        cast(_T.spec, Text),
    )  # fmt: skip
    query = (
        select(
            _T.id, _A.workspace_id, _A.name, _T.created_at, _T.updated_at, _T.decides_after,
            _T.cursor, _T.removed_at, _A.archived_at, *columns,
        )
        .join(autopilot, _A.id == _T.autopilot_id)
        .where(
            _T.kind == "schedule",
            _T.created_at < period.until,
            or_(_T.removed_at.is_(None), _T.removed_at > period.since),
            or_(_A.archived_at.is_(None), _A.archived_at > period.since),
            *_within(_A.workspace_id, workspaces),
        )
        .order_by(_A.workspace_id, _A.name, _T.position, _T.name)
    )  # fmt: skip
    return [_row(*row) for row in tx.execute(query)]


def _row(
    id_: str,
    workspace: str,
    owner: str,
    made: datetime,
    changed: datetime,
    after: datetime | None,
    decided: datetime | None,
    removed: datetime | None,
    archived: datetime | None,
    *definition: Any,
) -> TriggerRow:
    read = Definition(*definition)
    return TriggerRow(
        id=id_,
        place=Place(workspace, owner, read.name),
        made=made,
        changed=changed,
        after=after,
        left=min((at for at in (removed, archived) if at is not None), default=None),
        decided=decided,
        definition=read,
    )


def _within(column: ColumnElement[Any], workspaces: Workspaces) -> list[ColumnElement[bool]]:
    return [] if workspaces is None else [column.in_(workspaces)]


def runs_by_occurrence(
    tx: Connection, trigger_id: str, period: Period
) -> Mapping[datetime, RecordedRun]:
    """The runs of a schedule by their nominal moments within the period."""
    query = select(_R.scheduled_for, _R.id, _R.status, _R.reason).where(
        _R.trigger_id == trigger_id,
        _R.scheduled_for >= period.since,
        _R.scheduled_for < period.until,
    )
    return {at: RecordedRun(*run) for at, *run in tx.execute(query)}


def intervals_of(tx: Connection, trigger_id: str, period: Period) -> list[MissedInterval]:
    """The intervals of a schedule that touch the period, oldest first."""
    query = select(missed_interval).where(
        _M.trigger_id == trigger_id,
        _M.first_at < period.until,
        or_(_M.last_at.is_(None), _M.last_at >= period.since),
    )
    return [interval_of(row) for row in tx.execute(query.order_by(_M.first_at))]


def accepted_deliveries(
    tx: Connection, period: Period, workspaces: Workspaces, limit: int
) -> list[RecordedDelivery]:
    """The deliveries that made a run, with that run where it is there; oldest first."""
    query = (
        select(
            _D.id, _D.received_at, _D.workspace_id, _A.name, _T.name, _D.run_id,
            _R.id, _R.status, _R.reason,
        )
        .outerjoin(autopilot, _A.id == _D.autopilot_id)
        .outerjoin(autopilot_trigger, _T.id == _D.trigger_id)
        .outerjoin(autopilot_run, _R.id == _D.run_id)
        .where(
            _D.id >= uuid7(period.since, 0),
            _D.id < uuid7(period.until, 0),
            or_(_D.verdict == "accepted", _D.verdict == "skipped"),
            *_within(_D.workspace_id, workspaces),
        )
        .order_by(_D.id)
        .limit(limit)
    )  # fmt: skip
    return [
        RecordedDelivery(
            id_,
            Place(workspace or "", owner or "?", trigger),
            at,
            named,
            RecordedRun(run_id, status, reason) if run_id is not None else None,
        )
        for id_, at, workspace, owner, trigger, named, run_id, status, reason in tx.execute(query)
    ]


def runs_without_delivery(
    tx: Connection, period: Period, workspaces: Workspaces, limit: int
) -> list[OrphanRun]:
    """The runs of webhooks whose delivery is not there; oldest first."""
    query = (
        select(_R.id, _R.triggered_at, _R.workspace_id, _A.name, _T.name, _R.delivery_id)
        .join(autopilot, _A.id == _R.autopilot_id)
        .outerjoin(autopilot_trigger, _T.id == _R.trigger_id)
        .outerjoin(delivery, _D.id == _R.delivery_id)
        .where(
            _R.id >= uuid7(period.since, 0),
            _R.id < uuid7(period.until, 0),
            _R.source == Source.WEBHOOK,
            _R.delivery_id.is_not(None),
            _D.id.is_(None),
            *_within(_R.workspace_id, workspaces),
        )
        .order_by(_R.id)
        .limit(limit)
    )
    return [
        OrphanRun(id_, Place(workspace, owner, trigger), at, delivery_id)
        for id_, at, workspace, owner, trigger, delivery_id in tx.execute(query)
    ]
