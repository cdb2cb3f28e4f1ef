"""Leased runs on their way to their agents: what is noted of each before and after it has it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from reconciler.core.runs.run import Run, Status, may_become
from reconciler.store.engine.batches import IDS, batches
from reconciler.store.engine.facts import RunStarted, note
from reconciler.store.runs.conditions import NOT_ENDED, OWNED, THIS_RUN, UNEXPIRED
from reconciler.store.runs.rows import STORED
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c


class Step(NamedTuple):
    """What is written of a leased run, by the fields of `Run`.

    `reach` is the state that it has come to, with `moving` beside it: neither is written where an
    earlier attempt has come as far. `stamps` are fields that get the moment of the transaction
    where anything is written.
    """

    run: Run
    values: Mapping[str, Any]
    reach: Status | None = None
    moving: Mapping[str, Any] = {}
    stamps: Sequence[str] = ()


class _Row(NamedTuple):
    id: str
    attempts: int
    status: str
    admitted_at: datetime | None
    started_at: datetime | None


_HELD = (
    select(*(_R[name] for name in _Row._fields))
    .where(_R.id.in_(IDS), NOT_ENDED, OWNED, UNEXPIRED)
    .order_by(_R.id)
    .with_for_update()
)
_STEP = update(autopilot_run).where(THIS_RUN)


def take_steps(tx: Connection, steps: Sequence[Step], owner: str, now: datetime) -> list[bool]:
    """Write the steps of runs that `owner` holds; False for each whose lease it has lost.

    An owner that stalled until its lease expired must not begin: whoever reads the row at this
    moment may be about to give the run to an agent as well.
    """
    held = {
        row[0]: _Row._make(row)
        for batch in batches(sorted({step.run.id for step in steps}))
        for row in tx.execute(_HELD, {"ids": batch, "held_by": owner, "now": now})
    }
    # The rows are held: what was read of them is what is changed.
    writes: dict[frozenset[str], list[dict[str, Any]]] = defaultdict(list)
    results = []
    for step in steps:
        row = held.get(step.run.id)
        # The owner's name alone would not do: it may have lost the run and taken it again.
        results.append(row is not None and row.attempts == step.run.attempts)
        if row is None or not results[-1]:
            continue
        if values := {**step.values, **_moved(tx, step, row, now)}:
            values |= dict.fromkeys(step.stamps, now)
            parameters = {STORED[name]: value for name, value in values.items()}
            writes[frozenset(values)].append({"this_run": row.id, **parameters})
    for rows in writes.values():
        tx.execute(_STEP, rows)
    return results


def _moved(tx: Connection, step: Step, row: _Row, now: datetime) -> dict[str, Any]:
    if step.reach is None or not may_become(Status(row.status), step.reach):
        return {}
    if step.reach is not Status.RUNNING:
        return {**step.moving, "status": step.reach}
    if row.admitted_at is not None and row.started_at is None:
        note(tx, RunStarted((now - row.admitted_at).total_seconds()))
    return {**step.moving, "status": step.reach, "started_at": now}
