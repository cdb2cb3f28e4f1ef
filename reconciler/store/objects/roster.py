"""Every autopilot that a filter fits, with what its health is judged by: one pass, no manifests.

A page of the list needs the health of all of them, for its order and its counts. Most are well, and
one statement says so; what costs time is read of the others only, and of them no more than it takes
(docs/decisions/0127-a-long-list-is-judged-as-a-whole.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    or_,
    select,
    true,
)

from reconciler.core.manifest.model import AutopilotStatus
from reconciler.core.manifest.trigger import TriggerKind
from reconciler.core.money.own import OwnSpending
from reconciler.core.runs.ahead import DECIDED_AHEAD
from reconciler.core.runs.condition import LATE, AnyEnd, Occurred, last_worked, recent_occurrences
from reconciler.core.runs.glance import FAILED
from reconciler.core.runs.run import MissedReason, Status
from reconciler.core.runs.standing import Switches
from reconciler.store.checked import moment_of
from reconciler.store.engine.batches import IDS, SIZE, batches
from reconciler.store.money.own import read_own_spending
from reconciler.store.objects.autopilot_filter import RECENT, AutopilotFilter
from reconciler.store.objects.documents import trigger_document
from reconciler.store.objects.roster_runs import LETTER, NewestRun, newest_marks, not_well
from reconciler.store.runs.newest import newest_missed
from reconciler.store.runs.switches import read_switches
from reconciler.store.tables import autopilot, autopilot_run, autopilot_trigger, missed_interval

_A = autopilot.c
_T = autopilot_trigger.c
_R = autopilot_run.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Remarks:
    """What there is to say of an autopilot that may not be well.

    `cursor` is the furthest that a trigger is decided up to, `last` the newest run that was worked
    on to its end. `webhooks` are the documents of those of its triggers that verify their senders.
    """

    switches: Switches
    next_run_at: datetime | None = None
    cursor: datetime | None = None
    stalled_at: datetime | None = None
    last: AnyEnd | None = None
    occurrences: tuple[Occurred, ...] = ()
    webhooks: tuple[dict[str, Any], ...] = ()
    spending: OwnSpending | None = None


class RosterEntry(NamedTuple):
    """One autopilot. Without `remarks` it takes work, and nothing is wrong with it.

    `next_run_at` is there where it was asked for.
    """

    id: str
    workspace: str
    name: str
    last_run_at: datetime | None
    next_run_at: datetime | None
    remarks: Remarks | None


class End(NamedTuple):
    """The end of a run."""

    status: Status
    completed_at: datetime | None


def read_roster(
    tx: Connection, where: AutopilotFilter, now: datetime, *, with_next: bool = False
) -> list[RosterEntry]:
    """The autopilots that fit, by name.

    1. One statement: all of them, with the newest run and the newest missed moment of each.
    2. Statements that find the few of which something else is remarkable.
    3. The runs before the newest one, where that does not tell.
    4. All that health asks for, of what is left.
    """
    conditions = list(where.conditions())
    query = _with_newest_run(tx.dialect.name).where(*conditions)
    rows = tx.execute(query.order_by(_A.name, _A.id)).all()
    mine = _triggers_of([id_ for id_, *_ in rows])
    clocks, webhooks = _clocks(tx, mine, now), _webhooks(tx, mine)
    coming = _next_runs(tx, mine) if with_next else {}
    spending = read_own_spending(tx)
    newest = {
        id_: NewestRun(letter, scheduled_for, missed_at, completed_at)
        for id_, _, _, _, _, missed_at, letter, scheduled_for, completed_at in rows
    }
    unclear = not_well(tx, newest, _scheduled(tx, mine))
    switched = [id_ for id_, _, _, _, plain, *_ in rows if not plain]
    remarkable = {*switched, *unclear, *clocks, *webhooks, *spending}
    asked = [id_ for id_ in newest if id_ in remarkable]
    remarks = _remarks(tx, asked, switched, newest, unclear, _Others(clocks, webhooks, spending))
    return [
        RosterEntry(id_, workspace, name, last_run_at, coming.get(id_), remarks.get(id_))
        for id_, workspace, name, last_run_at, *_ in rows
    ]


class _Clock(NamedTuple):
    """What an autopilot's triggers say together."""

    next_run_at: datetime | None = None
    cursor: datetime | None = None
    stalled_at: datetime | None = None


class _Others(NamedTuple):
    clocks: Mapping[str, _Clock]
    webhooks: Mapping[str, Sequence[dict[str, Any]]]
    spending: Mapping[str, OwnSpending]


def _remarks(
    tx: Connection,
    ids: Sequence[str],
    switched: Sequence[str],
    newest: Mapping[str, NewestRun],
    unclear: frozenset[str],
    others: _Others,
) -> dict[str, Remarks]:
    """Where the newest run failed, it is the last one that was worked on, and that is enough."""
    failed = {id_ for id_ in unclear if newest[id_].letter.lower() == FAILED}
    closely = [id_ for id_ in ids if id_ in unclear and id_ not in failed]
    runs, missed = newest_marks(tx, closely, RECENT), newest_missed(tx, closely, RECENT)
    switches = read_switches(tx, switched)
    remarks: dict[str, Remarks] = {}
    for id_ in ids:
        clock, marks = others.clocks.get(id_, _Clock()), runs.get(id_, ())
        ended = End(Status.FAILED, newest[id_].completed_at) if id_ in failed else None
        remarks[id_] = Remarks(
            switches=switches[id_].switches if id_ in switches else _TAKES_WORK,
            next_run_at=clock.next_run_at,
            cursor=clock.cursor,
            stalled_at=clock.stalled_at,
            last=ended or last_worked(marks),
            occurrences=recent_occurrences(marks, missed.get(id_, ())),
            webhooks=tuple(others.webhooks.get(id_, ())),
            spending=others.spending.get(id_),
        )
    return remarks


def _clocks(tx: Connection, mine: ColumnElement[bool], now: datetime) -> dict[str, _Clock]:
    """Of autopilots with a trigger that is late, stalled, or decided too far ahead."""
    unusual = or_(
        _T.next_run_at < now - LATE, _T.cursor > now + DECIDED_AHEAD, _T.stalled_at.is_not(None)
    )
    remarkable = select(_T.autopilot_id).distinct().where(unusual, _IS_THERE, mine)
    clocks: dict[str, _Clock] = {}
    for ids in batches(tx.execute(remarkable).scalars().all()):
        for id_, due, cursor, stalled in tx.execute(_CLOCK, {"ids": ids}):
            clocks[id_] = _Clock(moment_of(due), moment_of(cursor), moment_of(stalled))
    return clocks


_CLOCK = (
    select(_T.autopilot_id, func.min(_T.next_run_at), func.max(_T.cursor), func.min(_T.stalled_at))
    .where(_T.autopilot_id.in_(IDS), _T.removed_at.is_(None))
    .group_by(_T.autopilot_id)
)


def _next_runs(tx: Connection, mine: ColumnElement[bool]) -> dict[str, datetime | None]:
    due = select(_T.autopilot_id, func.min(_T.next_run_at).label("due")).group_by(_T.autopilot_id)
    due = due.where(_T.next_run_at.is_not(None), _IS_THERE, mine)
    return {row.autopilot_id: moment_of(row.due) for row in tx.execute(due)}


def _scheduled(tx: Connection, mine: ColumnElement[bool]) -> frozenset[str]:
    """Autopilots that have, or had, a schedule."""
    schedules = select(_T.autopilot_id).where(_T.kind == TriggerKind.SCHEDULE, mine)
    return frozenset(tx.execute(schedules).scalars())


def _webhooks(tx: Connection, mine: ColumnElement[bool]) -> dict[str, list[dict[str, Any]]]:
    """Enabled webhooks that name secrets."""
    query = select(autopilot_trigger).where(
        _T.kind == "webhook",
        _T.enabled,
        cast(_T.webhook_secret, Text) != "[]",
        _IS_THERE,
        mine,
    )
    documents: dict[str, list[dict[str, Any]]] = {}
    for row in tx.execute(query.order_by(_T.autopilot_id, _T.position)):
        document = trigger_document(row._mapping)  # noqa: SLF001 - the documented accessor
        documents.setdefault(row.autopilot_id, []).append(document)
    return documents


_IS_THERE = _T.removed_at.is_(None)


def _triggers_of(ids: Sequence[str]) -> ColumnElement[bool]:
    """The triggers of few autopilots, or all there are: to read more than is asked for is quicker
    than to find the autopilots once more, and costs no more than the list of all does."""
    return _T.autopilot_id.in_(ids) if len(ids) <= SIZE else true()


def _missed_at() -> ScalarSelect[Any]:
    m = missed_interval.c
    moment = func.coalesce(m.last_at, m.first_at).label("at")
    mine = select(moment).where(m.autopilot_id == _A.id, m.reason != MissedReason.PAUSED)
    mine = mine.order_by(m.first_at.desc()).limit(RECENT).correlate(autopilot)
    return select(func.max(mine.subquery().c.at)).scalar_subquery()


_PLAIN = and_(
    _A.status == AutopilotStatus.ACTIVE,
    _A.archived_at.is_(None),
    _A.paused_at.is_(None),
    _A.breaker_opened_at.is_(None),
)
"""Takes work. What most rows have in common is not read: each value costs as much as the row."""
_TAKES_WORK = Switches(status=AutopilotStatus.ACTIVE)
_SEEN = (
    LETTER.label("letter"),
    _R.scheduled_for,
    case((_R.status == Status.FAILED, _R.completed_at)).label("failed_at"),
)
"""What is read of the newest run of each."""
_WITHOUT_RUN = select(
    _A.id,
    _A.workspace_id,
    _A.name,
    _A.last_run_at,
    _PLAIN.label("plain"),
    _missed_at().label("missed_at"),
)


@lru_cache
def _with_newest_run(dialect: str) -> Select[Any]:
    """Every autopilot with its newest run, which is found in the index of each one's runs.

    SQLite knows no lateral joins; PostgreSQL would otherwise read all runs to join some of them.
    """
    if dialect == "postgresql":
        newest = select(*_SEEN).where(_R.autopilot_id == _A.id).order_by(_R.id.desc()).limit(1)
        run = newest.correlate(autopilot).lateral("newest_run")
        letter = func.coalesce(run.c.letter, "")
        query = _WITHOUT_RUN.add_columns(letter, run.c.scheduled_for, run.c.failed_at)
        return query.select_from(autopilot.outerjoin(run, true()))
    other = autopilot_run.alias().c
    newest_id = select(other.id).where(other.autopilot_id == _A.id).order_by(other.id.desc())
    run_id = newest_id.limit(1).correlate(autopilot).scalar_subquery()
    query = _WITHOUT_RUN.add_columns(*_SEEN)
    return query.select_from(autopilot.outerjoin(autopilot_run, _R.id == run_id))
