"""The newest run of an autopilot that was worked on to its end: what later runs may build on."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, literal_column, select

from reconciler.core.runs.context import LastCompleted
from reconciler.core.runs.run import Run, Status
from reconciler.store.runs.runs import get_run, get_runs
from reconciler.store.tables import WORKED_ON, autopilot_run

_R = autopilot_run.c
_IS_WORKED_ON: ColumnElement[bool] = literal_column(f"({WORKED_ON})")


def read_last_completed(
    tx: Connection, autopilot_ids: Iterable[str]
) -> dict[str, LastCompleted | None]:
    """The newest run of each autopilot that completed, by when it ended; None where none did."""
    columns = (_R.triggered_at, _R.completed_at, _R.result)
    newest: dict[str, LastCompleted | None] = {}
    for autopilot_id in autopilot_ids:
        row = _newest(tx, autopilot_id, columns, _R.status == Status.COMPLETED)
        newest[autopilot_id] = LastCompleted(*row) if row is not None else None
    return newest


def read_last_worked_on(tx: Connection, autopilot_ids: Iterable[str]) -> dict[str, Run | None]:
    """The newest run of each autopilot that completed or failed, by when it ended."""
    newest = {id_: _newest(tx, id_, (_R.id,)) for id_ in autopilot_ids}
    runs = get_runs(tx, [row.id for row in newest.values() if row is not None])
    return {id_: runs.get(row.id) if row is not None else None for id_, row in newest.items()}


def read_last_before(tx: Connection, autopilot_id: str, at: datetime) -> Run | None:
    """The newest run of an autopilot that had completed or failed by a moment."""
    row = _newest(tx, autopilot_id, (_R.id,), _R.completed_at <= at)
    return get_run(tx, row.id) if row is not None else None


def _newest(
    tx: Connection, autopilot_id: str, columns: Sequence[Any], *where: ColumnElement[bool]
) -> Any:
    # By an index of those worked on alone: quiet nights leave thousands of skipped runs between.
    query = select(*columns).where(_R.autopilot_id == autopilot_id, _IS_WORKED_ON, *where)
    return tx.execute(query.order_by(_R.completed_at.desc(), _R.id.desc()).limit(1)).first()
