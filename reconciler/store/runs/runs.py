"""Runs: inserting, reading and moving them along. Every write is a compare-and-swap."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    literal_column,
    select,
)

from reconciler.core.runs.run import Reason, Run, Status
from reconciler.core.runs.usage import Usage
from reconciler.store.engine.batches import IDS
from reconciler.store.engine.bulk import insert_tuples
from reconciler.store.engine.facts import RunEnded, RunStarted, note
from reconciler.store.notify.outbox import End, note_ends
from reconciler.store.runs.conditions import (
    NOT_ENDED,
    THIS_RUN,
    Condition,
    sources_for,
    update_of,
)
from reconciler.store.runs.rows import (
    FIELDS,
    FIRST,
    JOINED,
    LIGHT,
    STORED,
    TOLD,
    WHOLE,
    Listing,
    Which,
    read_runs,
    run_of,
)
from reconciler.store.tables import CLAIMABLE, QUEUED, autopilot_run

_OWN = tuple(name for name in FIELDS if name not in JOINED)
_INSERTED = tuple(STORED[name] for name in _OWN)
_values_of: Callable[[Run], tuple[Any, ...]] = attrgetter(*_OWN)

ACTIVE = and_(autopilot_run.c.admitted_at.is_not(None), NOT_ENDED)
# Whoever waits has a time at which it expires: said again, it names the index of those who wait.
_EXPIRES = autopilot_run.c.expires_at.is_not(None)
WAITING = and_(autopilot_run.c.admitted_at.is_(None), NOT_ENDED, _EXPIRES)
IS_QUEUED: ColumnElement[bool] = literal_column(f"({QUEUED})")
IS_CLAIMABLE: ColumnElement[bool] = literal_column(f"({CLAIMABLE})")
STILL_QUEUED = Condition(IS_QUEUED)

_BY_ID = WHOLE.where(THIS_RUN)
_HANDLES = select(
    autopilot_run.c.session_id, autopilot_run.c.handle, autopilot_run.c.precheck_handle
).where(THIS_RUN)
_STATUS = select(autopilot_run.c.status).where(THIS_RUN)
_BY_IDS = WHOLE.where(autopilot_run.c.id.in_(IDS))
_TO_TELL = TOLD.where(autopilot_run.c.id.in_(IDS))
_HELD_WAITING = (
    LIGHT.where(autopilot_run.c.id.in_(IDS), WAITING)
    .order_by(autopilot_run.c.id)
    .with_for_update(of=autopilot_run)
)


def insert_runs(tx: Connection, runs: Sequence[Run]) -> None:
    """Insert new runs. Raises IntegrityError of `uq_run_occurrence` for an occurrence used up."""
    insert_tuples(tx, autopilot_run, _INSERTED, [_values_of(run) for run in runs])
    ended = Counter((run.status, run.source, run.reason) for run in runs if run.ended)
    for (status, source, reason), count in ended.items():
        note(tx, RunEnded(status, source, reason, count))
    if ended:
        ends = (
            End(r.id, r.autopilot_id, r.workspace, r.spec_digest, r.status, r.reason)
            for r in runs
            if r.ended
        )
        note_ends(tx, ends, runs[0].created_at)


def get_run(tx: Connection, run_id: str) -> Run | None:
    """One run, whole. Raises UnreadableRow."""
    row = tx.execute(_BY_ID, {"this_run": run_id}).one_or_none()
    return run_of(row) if row else None


def status_of(tx: Connection, run_id: str) -> Status | None:
    """Where a run is in its life; None where there is no such run."""
    status = tx.execute(_STATUS, {"this_run": run_id}).scalar_one_or_none()
    return Status(status) if status is not None else None


def with_handles(tx: Connection, run: Run) -> Run | None:
    """The run with the handles that its row has now; None where there is no such run any more."""
    row = tx.execute(_HANDLES, {"this_run": run.id}).one_or_none()
    if row is None:
        return None
    session_id, handle, precheck_handle = row
    return replace(run, session_id=session_id, handle=handle, precheck_handle=precheck_handle)


def get_runs(tx: Connection, run_ids: Sequence[str]) -> dict[str, Run]:
    """Several runs, whole, by id."""
    runs = read_runs(tx, _BY_IDS, {"ids": list(run_ids)}) if run_ids else ()
    return {run.id: run for run in runs}


def hold_waiting(tx: Connection, run_ids: Sequence[str]) -> dict[str, Run]:
    """Those of these runs that wait to be admitted, held until the transaction ends.

    Without what may be megabytes: payload, result and context.
    """
    runs = read_runs(tx, _HELD_WAITING, {"ids": list(run_ids)})
    return {run.id: run for run in runs}


def get_runs_to_tell(tx: Connection, run_ids: Sequence[str]) -> dict[str, Run]:
    """Runs by id without their payloads, which may be megabytes and are told to nobody."""
    runs = read_runs(tx, _TO_TELL, {"ids": list(run_ids)})
    return {run.id: run for run in runs}


def run_of_occurrence(tx: Connection, trigger_id: str, scheduled_for: datetime) -> Run | None:
    """The run that an occurrence became. Raises UnreadableRow."""
    r = autopilot_run.c
    where = and_(r.trigger_id == trigger_id, r.scheduled_for == scheduled_for)
    row = tx.execute(LIGHT.where(where)).one_or_none()
    return run_of(row) if row else None


def open_runs_of(tx: Connection, autopilot_id: str, limit: int) -> list[Run]:
    """The oldest runs of an autopilot that have not ended."""
    query = LIGHT.where(autopilot_run.c.autopilot_id == autopilot_id, NOT_ENDED)
    ordered = query.order_by(autopilot_run.c.id).limit(bindparam("most"))
    return read_runs(tx, ordered, {"most": limit})


def used_occurrences(
    tx: Connection, trigger_id: str, moments: Sequence[datetime]
) -> frozenset[datetime]:
    """Return those of these nominal moments of a trigger for which there is a run."""
    r = autopilot_run.c
    query = select(r.scheduled_for).where(
        r.trigger_id == trigger_id, r.scheduled_for.in_(list(moments))
    )
    return frozenset(tx.execute(query).scalars())


def change_run(tx: Connection, run_id: str, values: Mapping[str, Any], *where: Condition) -> bool:
    """Change a run that has not ended, and only where the conditions still hold.

    `values` are named as the fields of `Run`; a `status` among them is a move, made only where the
    table of transitions has it (docs/runs.md#status). Return whether the row was changed: False
    means that somebody else was first, or that there is no such move.
    """
    admitted = _admitted_and_not_started(tx, run_id) if values.get("started_at") else None
    changed = tx.execute(*_written(run_id, values, sources_for(values), where)).rowcount == 1
    if changed and admitted is not None:
        note(tx, RunStarted((values["started_at"] - admitted).total_seconds()))
    return changed


def change_runs(
    tx: Connection, changes: Sequence[tuple[str, Mapping[str, Any], Sequence[Condition]]]
) -> int:
    """Change runs that have not ended, each where its conditions hold; return their number.

    Each is given by its id, the values as for `change_run`, without a move, and its conditions.
    """
    writes: dict[tuple[Update, frozenset[str]], list[dict[str, Any]]] = defaultdict(list)
    for run_id, values, where in changes:
        statement, parameters = _written(run_id, values, None, where)
        writes[statement, frozenset(parameters)].append(parameters)
    return sum(tx.execute(statement, rows).rowcount for (statement, _), rows in writes.items())


def _written(
    run_id: str,
    values: Mapping[str, Any],
    sources: frozenset[Status] | None,
    where: Sequence[Condition],
) -> tuple[Update, dict[str, Any]]:
    statement = update_of(sources, *(condition.clause for condition in where))
    parameters: dict[str, Any] = {"this_run": run_id}
    for condition in where:
        parameters.update(condition.values)
    parameters.update((STORED[name], value) for name, value in values.items())
    return statement, parameters


_UNSTARTED = select(autopilot_run.c.admitted_at).where(
    THIS_RUN, autopilot_run.c.started_at.is_(None)
)


def _admitted_and_not_started(tx: Connection, run_id: str) -> datetime | None:
    return tx.execute(_UNSTARTED, {"this_run": run_id}).scalar_one_or_none()


def usage_columns(usage: Usage) -> dict[str, Any]:
    """The fields of a run that hold its usage, for `change_run` and `end_run`."""
    return {
        "usage": usage.document() or None,
        "cost_micros": usage.cost_micros,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
    }


_USED_SO_FAR = (
    select(autopilot_run.c.usage, autopilot_run.c.cost_micros).where(THIS_RUN).with_for_update()
)


def used_so_far(tx: Connection, run: Run) -> Run:
    """The run with the usage of its row, which stays as it is until the transaction ends.

    A report of a worker, or by the run's own token, may have come since the run was read.
    """
    row = tx.execute(_USED_SO_FAR, {"this_run": run.id}).one_or_none()
    return run if row is None else replace(run, usage=row.usage, cost_micros=row.cost_micros)


_UNASKED = Condition(autopilot_run.c.cancel_requested_at.is_(None))


def request_cancel(
    tx: Connection,
    run_id: str,
    now: datetime,
    reason: Reason,
    note: str,
    *where: Condition,
    replaced_by: str | None = None,
) -> bool:
    """Ask an active run to stop where the conditions hold; the first request stands."""
    values = {
        "cancel_requested_at": now,
        "cancel_reason": reason,
        "cancel_note": note,
        "replaced_by": replaced_by,
    }
    return change_run(tx, run_id, values, _UNASKED, *where)


_EXPIRED_WAITERS = Listing.of(
    and_(WAITING, autopilot_run.c.expires_at <= bindparam("now")), autopilot_run.c.expires_at
)
_WITH_WAITERS = select(autopilot_run.c.autopilot_id).where(WAITING)


def expired_waiters(tx: Connection, now: datetime, which: Which = FIRST) -> list[Run]:
    """Waiting runs whose `queueTtl` has passed."""
    return _EXPIRED_WAITERS.read(tx, {"now": now}, which)


def autopilots_with_waiters(tx: Connection) -> list[str]:
    """The autopilots that have waiting runs."""
    return sorted(set(tx.execute(_WITH_WAITERS).scalars()))
