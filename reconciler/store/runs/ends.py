"""The ends of runs: each recorded once, counted, booked and told of."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select, update

from reconciler.core.runs.run import (
    BREAKER_REASONS,
    Json,
    Reason,
    Run,
    Source,
    Status,
    sources_of,
)
from reconciler.core.runs.usage import Usage, reported
from reconciler.store.engine.batches import IDS, batches
from reconciler.store.engine.facts import RunEnded, RunStarted, RunUsed, note
from reconciler.store.money.ledger import book
from reconciler.store.notify.outbox import End, note_ends
from reconciler.store.runs.conditions import NOT_ENDED, THIS_RUN, Condition
from reconciler.store.runs.rows import STORED
from reconciler.store.runs.runs import usage_columns
from reconciler.store.tables import autopilot, autopilot_run

_R = autopilot_run.c


class RunEnd(NamedTuple):
    """How a run ends: the fields of `Run` that are written, `status` and `completed_at` among them.

    `through_running`: one that has not begun to run does so at the moment of its end.
    """

    run_id: str
    values: Mapping[str, Any]
    through_running: bool = False


class Handles(NamedTuple):
    """What leads to the work of a run, as its row had it when it ended."""

    session_id: str | None
    handle: dict[str, Json] | None
    precheck_handle: dict[str, Json] | None

    def on(self, run: Run) -> Run:
        """The run with these."""
        return replace(
            run,
            session_id=self.session_id,
            handle=self.handle,
            precheck_handle=self.precheck_handle,
        )


class _Ending(NamedTuple):
    """What the end of a run is counted by, as the row has it before."""

    id: str
    status: str
    source: str
    admitted_at: datetime | None
    started_at: datetime | None
    usage: dict[str, Json] | None
    cost_micros: int | None
    autopilot_id: str
    workspace_id: str
    agent: str | None
    spec_digest: str
    session_id: str | None
    handle: dict[str, Json] | None
    precheck_handle: dict[str, Json] | None
    failing_since: datetime | None

    def handles(self) -> Handles:
        return Handles(self.session_id, self.handle, self.precheck_handle)


_ENDING: Select[Any] = select(
    *(_R[name] for name in _Ending._fields[:-1]), autopilot.c.failing_since
).join(autopilot, autopilot.c.id == _R.autopilot_id)
_END = update(autopilot_run).where(THIS_RUN)
_CLEARED = {
    "lease_owner": None,
    "lease_until": None,
    "lease_token": None,
    "waiting_for": None,
    "remaining_ms": None,
    "unjudged_since": None,
}


def end_run(tx: Connection, run_id: str, values: Mapping[str, Any], *where: Condition) -> bool:
    """End a run once, and only where the conditions still hold."""
    return end_runs(tx, [RunEnd(run_id, values)], *where) != [None]


def end_runs(tx: Connection, ends: Sequence[RunEnd], *where: Condition) -> list[Handles | None]:
    """End runs once, and only those for which the conditions still hold.

    Return the handles of each that has ended now, None for the others.
    """
    # The rows are held from here on: what was read of them is what is changed.
    held = _hold(tx, sorted({end.run_id for end in ends}), where)
    failing = {row.autopilot_id: row.failing_since for row in held.values()}
    writes: dict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
    results, told = list[Handles | None](), list[End]()
    for end in ends:
        # Taken out: the same run may be among them twice, and ends once.
        row = held.pop(end.run_id, None)
        values = None if row is None else _values(tx, row, end)
        if row is None or values is None:
            results.append(None)
            continue
        parameters = {STORED[name]: value for name, value in values.items()}
        writes[frozenset(values)].append({"this_run": row.id, **parameters})
        told.append(_counted(tx, row, values, failing))
        results.append(row.handles())
    for rows in writes.values():
        tx.execute(_END, rows)
    if told:
        note_ends(tx, told, max(end.values["completed_at"] for end in ends))
    return results


def _hold(tx: Connection, run_ids: Sequence[str], where: Sequence[Condition]) -> dict[str, _Ending]:
    query = _held_where(*(condition.clause for condition in where))
    parameters: dict[str, Any] = {}
    for condition in where:
        parameters.update(condition.values)
    return {
        row[0]: _Ending._make(row)
        for batch in batches(run_ids)
        for row in tx.execute(query, {**parameters, "ids": batch})
    }


@lru_cache(maxsize=256)
def _held_where(*clauses: ColumnElement[bool]) -> Select[Any]:
    """Made once for the clauses, which are constants. In the order of ids, as everybody does."""
    held = _ENDING.where(_R.id.in_(IDS), NOT_ENDED, *clauses).order_by(_R.id)
    return held.with_for_update(of=autopilot_run)


def _values(tx: Connection, row: _Ending, end: RunEnd) -> dict[str, Any] | None:
    """What is written; None where the table of transitions has no such move."""
    status, now = Status(end.values["status"]), end.values["completed_at"]
    begins = end.through_running and row.status in sources_of(Status.RUNNING)
    if not begins and row.status not in sources_of(status):
        return None
    if begins and row.admitted_at is not None and row.started_at is None:
        note(tx, RunStarted((now - row.admitted_at).total_seconds()))
    began = {"started_at": row.started_at or now} if begins else {}
    return {**end.values, **began, **_CLEARED}


def _counted(
    tx: Connection,
    row: _Ending,
    values: Mapping[str, Any],
    failing: dict[str, datetime | None],
) -> End:
    """Note, book and count an end; return what is told of it."""
    status, reason, now = Status(values["status"]), values.get("reason"), values["completed_at"]
    note(tx, RunEnded(status, Source(row.source), Reason(reason) if reason else None))
    used = row._replace(**{name: values[name] for name in _USED if name in values})
    _count_usage(tx, used, now)
    recovers = _count_streak(tx, row.autopilot_id, failing, status, reason, now)
    whose = (row.autopilot_id, row.workspace_id, row.spec_digest)
    return End(row.id, *whose, status, reason, recovers)


_USED = ("usage", "cost_micros")
_BY_ID = _ENDING.where(THIS_RUN)


def add_usage(tx: Connection, run_id: str, usage: Usage) -> bool:
    """Record, once, what a run has used where its agent told it only after the end."""
    unknown = (_R.id == run_id, _R.completed_at.is_not(None), _R.usage.is_(None))
    if not tx.execute(update(autopilot_run).where(*unknown).values(usage_columns(usage))).rowcount:
        return False
    ended_at = tx.execute(select(_R.completed_at).where(_R.id == run_id)).scalar_one()
    row = tx.execute(_BY_ID, {"this_run": run_id}).one()
    _count_usage(tx, _Ending._make(row), ended_at)
    return True


def _count_usage(tx: Connection, row: _Ending, ended_at: datetime) -> None:
    if (used := reported(row.usage)[0]) is not None:
        note(tx, RunUsed(used))
    if row.cost_micros:
        spent_by = (row.autopilot_id, row.workspace_id, row.agent)
        book(tx, ended_at, row.cost_micros, *spent_by)


_STREAK = (
    update(autopilot)
    .where(autopilot.c.id == bindparam("of_autopilot"))
    .values(failing_since=bindparam("since"))
)


def _count_streak(
    tx: Connection,
    autopilot_id: str,
    failing: dict[str, datetime | None],
    status: Status,
    reason: Reason | None,
    now: datetime,
) -> bool:
    """Note where a failing streak begins and ends; return whether it ends here.

    Beside the breaker's count, which an edit and a resume reset: these do not make a run complete.
    `failing` is since when, by autopilot, after the ends before this one.
    """
    if status is Status.COMPLETED and failing[autopilot_id] is not None:
        since = None
    elif reason in BREAKER_REASONS and failing[autopilot_id] is None:
        since = now
    else:
        return False
    failing[autopilot_id] = since
    tx.execute(_STREAK, {"of_autopilot": autopilot_id, "since": since})
    return status is Status.COMPLETED
