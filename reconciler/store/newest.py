"""The newest runs and missed intervals of autopilots, read by index, without payloads."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from reconciler.core.run import MissedInterval, MissedReason, Run
from reconciler.store.runs import LIGHT, run_of
from reconciler.store.tables import autopilot_run, missed_interval

# One statement for all would number the runs of an autopilot from its first one on.
_RUNS = (
    LIGHT.where(autopilot_run.c.autopilot_id == bindparam("autopilot"))
    .order_by(autopilot_run.c.id.desc())
    .limit(bindparam("most"))
)
_M = missed_interval.c
_MISSED = (
    select(missed_interval)
    .where(_M.autopilot_id == bindparam("autopilot"))
    .order_by(_M.first_at.desc(), _M.id.desc())
    .limit(bindparam("most"))
)


def newest_runs(tx: Connection, autopilot_ids: Sequence[str], most: int) -> dict[str, list[Run]]:
    """The newest runs of each autopilot, newest first, without payload and result."""
    found: dict[str, list[Run]] = {}
    for one in autopilot_ids:
        rows = tx.execute(_RUNS, {"autopilot": one, "most": most})
        found[one] = [run_of(row) for row in rows]
    return found


def newest_missed(
    tx: Connection, autopilot_ids: Sequence[str], most: int
) -> dict[str, list[MissedInterval]]:
    """The newest missed intervals of each autopilot, newest first."""
    found: dict[str, list[MissedInterval]] = {}
    for one in autopilot_ids:
        rows = tx.execute(_MISSED, {"autopilot": one, "most": most})
        found[one] = [
            MissedInterval(
                row.trigger_id,
                row.autopilot_id,
                MissedReason(row.reason),
                row.first_at,
                row.last_at,
                row._mapping["count"],  # noqa: SLF001 - documented; `row.count` is a method
                row.exact,
                row.detail,
                row.id,
            )
            for row in rows
        ]
    return found
