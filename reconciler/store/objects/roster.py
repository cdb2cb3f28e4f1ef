"""Every autopilot that a filter fits, with what its health is judged by: one pass, no manifests.

A page of the list needs the health of all of them, for its order and its counts. What costs time
(the newest runs and missed intervals in full) is read only of those that may be degraded by it.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, ScalarSelect, Text, case, cast, func, select

from reconciler.core.manifest.trigger import TriggerKind
from reconciler.core.money.own import OwnSpending
from reconciler.core.runs.condition import Occurred, last_worked, recent_occurrences
from reconciler.core.runs.run import MissedReason, Reason, Source, Status
from reconciler.core.runs.standing import Switches
from reconciler.store.engine.batches import IDS
from reconciler.store.money.own import read_own_spending
from reconciler.store.objects.autopilot_filter import RECENT, AutopilotFilter
from reconciler.store.objects.documents import trigger_document
from reconciler.store.runs.newest import newest_missed, newest_run_ids
from reconciler.store.runs.switches import SWITCHES, switches_of
from reconciler.store.tables import autopilot, autopilot_run, autopilot_trigger, missed_interval

_A = autopilot.c
_T = autopilot_trigger.c


@dataclass(frozen=True, slots=True)
class RunMark:
    """As much of a run as health asks for."""

    source: Source
    status: Status
    reason: Reason | None
    scheduled_for: datetime | None
    triggered_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterEntry:
    """One autopilot. `cursor` is the furthest that a trigger is decided up to.

    `last` is the newest run that was worked on to its end. `webhooks` are the documents of those of
    its triggers that verify their senders.
    """

    id: str
    workspace: str
    name: str
    switches: Switches
    last_run_at: datetime | None
    next_run_at: datetime | None = None
    cursor: datetime | None = None
    stalled_at: datetime | None = None
    last: RunMark | None = None
    occurrences: tuple[Occurred, ...] = ()
    webhooks: tuple[dict[str, Any], ...] = ()
    spending: OwnSpending | None = None


def read_roster(tx: Connection, where: AutopilotFilter) -> list[RosterEntry]:
    """The autopilots that fit, by name."""
    conditions = list(where.conditions())
    clocks, webhooks = _clocks(tx, conditions), _webhooks(tx, conditions)
    rows = tx.execute(_LIGHT.where(*conditions).order_by(_A.name, _A.id)).all()
    in_doubt = [row.id for row in rows if _is_in_doubt(row, clocks.get(row.id, _NO_CLOCK))]
    spending = read_own_spending(tx)
    runs, missed = _newest_marks(tx, in_doubt), newest_missed(tx, in_doubt, RECENT)
    return [
        RosterEntry(
            id=row.id,
            workspace=row.workspace_id,
            name=row.name,
            switches=switches_of(*row[: len(SWITCHES)]),
            last_run_at=row.last_run_at,
            next_run_at=clock.next_run_at,
            cursor=clock.cursor,
            stalled_at=clock.stalled_at,
            last=last_worked(marks),
            occurrences=recent_occurrences(marks, missed.get(row.id, ())),
            webhooks=tuple(webhooks.get(row.id, ())),
            spending=spending.get(row.id),
        )
        for row in rows
        for clock in [clocks.get(row.id, _NO_CLOCK)]
        for marks in [runs[row.id] if row.id in runs else _only(row)]
    ]


class _Clock(NamedTuple):
    """What an autopilot's triggers say together. `scheduled`: it has, or had, a schedule."""

    next_run_at: datetime | None
    cursor: datetime | None
    stalled_at: datetime | None
    scheduled: bool


def _is_in_doubt(row: Any, clock: _Clock) -> bool:
    """Whether the newest run alone does not tell how the autopilot fares."""
    if row.run_status is None:
        return row.missed_at is not None
    if row.run_status not in _WORKED:
        return True
    if row.source != Source.SCHEDULE:
        return clock.scheduled
    return row.missed_at is not None and row.missed_at >= row.scheduled_for


_WORKED = (Status.COMPLETED, Status.FAILED)


def _only(row: Any) -> list[RunMark]:
    return [_mark(*row[-_MARK:])] if row.run_status is not None else []


def _mark(
    source: str,
    status: str,
    reason: str | None,
    scheduled_for: datetime | None,
    triggered_at: datetime,
    completed_at: datetime | None,
) -> RunMark:
    known = Reason(reason) if reason is not None else None
    return RunMark(Source(source), Status(status), known, scheduled_for, triggered_at, completed_at)


def _newest_marks(tx: Connection, autopilot_ids: Sequence[str]) -> dict[str, list[RunMark]]:
    """The newest runs of each autopilot that has any, newest first."""
    rows: dict[str, list[Any]] = defaultdict(list)
    for ids in newest_run_ids(tx, autopilot_ids, RECENT):
        for row in tx.execute(_MARKS, {"ids": ids}):
            rows[row.autopilot_id].append(row)
    return {
        id_: [_mark(*row[2:]) for row in sorted(marks, key=attrgetter("id"), reverse=True)]
        for id_, marks in rows.items()
    }


_NO_CLOCK = _Clock(None, None, None, scheduled=False)


def _clocks(tx: Connection, conditions: Sequence[ColumnElement[bool]]) -> dict[str, _Clock]:
    there = _T.removed_at.is_(None)
    query = (
        select(
            _T.autopilot_id,
            func.min(case((there, _T.next_run_at))),
            func.max(case((there, _T.cursor))),
            func.min(case((there, _T.stalled_at))),
            func.max(case((_T.kind == TriggerKind.SCHEDULE, 1), else_=0)),
        )
        .where(*_of(conditions))
        .group_by(_T.autopilot_id)
    )
    return {
        id_: _Clock(due, cursor, stalled, bool(scheduled))
        for id_, due, cursor, stalled, scheduled in tx.execute(query)
    }


def _webhooks(
    tx: Connection, conditions: Sequence[ColumnElement[bool]]
) -> dict[str, list[dict[str, Any]]]:
    """Enabled webhooks that name secrets."""
    query = select(autopilot_trigger).where(
        _T.kind == "webhook",
        _T.enabled,
        cast(_T.webhook_secret, Text) != "[]",
        _T.removed_at.is_(None),
        *_of(conditions),
    )
    documents: dict[str, list[dict[str, Any]]] = {}
    for row in tx.execute(query.order_by(_T.autopilot_id, _T.position)):
        document = trigger_document(row._mapping)  # noqa: SLF001 - the documented accessor
        documents.setdefault(row.autopilot_id, []).append(document)
    return documents


def _of(conditions: Sequence[ColumnElement[bool]]) -> Iterator[ColumnElement[bool]]:
    yield _T.autopilot_id.in_(select(_A.id).where(*conditions))


def _missed_at() -> ScalarSelect[Any]:
    m = missed_interval.c
    moment = func.coalesce(m.last_at, m.first_at).label("at")
    mine = select(moment).where(m.autopilot_id == _A.id, m.reason != MissedReason.PAUSED)
    mine = mine.order_by(m.first_at.desc()).limit(RECENT).correlate(autopilot)
    return select(func.max(mine.subquery().c.at)).scalar_subquery()


def _newest_run_id() -> ScalarSelect[Any]:
    other = autopilot_run.alias().c
    newest = select(other.id).where(other.autopilot_id == _A.id).order_by(other.id.desc()).limit(1)
    return newest.correlate(autopilot).scalar_subquery()


_R = autopilot_run.c
_MARK_COLUMNS = (
    _R.source, _R.status.label("run_status"), _R.reason, _R.scheduled_for, _R.triggered_at,
    _R.completed_at,
)  # fmt: skip
_MARK = len(_MARK_COLUMNS)
_MARKS = select(_R.autopilot_id, _R.id, *_MARK_COLUMNS).where(_R.id.in_(IDS))
_LIGHT = select(
    *SWITCHES,
    _A.id,
    _A.workspace_id,
    _A.name,
    _A.last_run_at,
    _missed_at().label("missed_at"),
    *_MARK_COLUMNS,
).select_from(autopilot.outerjoin(autopilot_run, _R.id == _newest_run_id()))
