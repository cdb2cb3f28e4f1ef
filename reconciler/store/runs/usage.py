"""Sums of what runs used, by an index that holds all of it: payloads and results are not read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, Connection, Select, case, cast, func, literal_column, select

from reconciler.core.base.uuid7 import uuid7
from reconciler.store.engine.batches import IDS, batches
from reconciler.store.tables import WORKED, autopilot, autopilot_run

_R = autopilot_run.c
By = Literal["autopilot", "agent", "workspace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSum:
    """What some runs used together.

    `without_cost` of the `runs` have no known cost, so that `cost_micros` is less than the truth.
    Tokens are those of the runs that told them.
    """

    runs: int = 0
    without_cost: int = 0
    cost_micros: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


def _sum(name: str) -> Any:
    # A sum of BIGINT is NUMERIC on PostgreSQL, and nothing on no rows.
    return cast(func.coalesce(func.sum(_R[name]), 0), BigInteger)


_SUMS = (
    func.count(),
    func.coalesce(func.sum(case((_R.cost_micros.is_(None), 1), else_=0)), 0),
    _sum("cost_micros"),
    _sum("input_tokens"),
    _sum("output_tokens"),
    _sum("cached_tokens"),
)
_GROUPS: Mapping[By, tuple[Any, ...]] = {
    "autopilot": (_R.workspace_id, _R.autopilot_id),
    "agent": (_R.workspace_id, _R.agent),
    "workspace": (_R.workspace_id,),
}


def _between(
    query: Select[Any], start: datetime, end: datetime, workspaces: frozenset[str] | None
) -> Select[Any]:
    query = query.where(_R.completed_at >= start, _R.completed_at < end, literal_column(WORKED))
    return query if workspaces is None else query.where(_R.workspace_id.in_(sorted(workspaces)))


def sum_usage(
    tx: Connection, start: datetime, end: datetime, workspaces: frozenset[str] | None
) -> UsageSum:
    """The sum over the runs that ended from `start` up to `end`, after their work had begun."""
    query = _between(select(*_SUMS).select_from(autopilot_run), start, end, workspaces)
    return _usage(tx.execute(query).one())


def sum_usage_by(
    tx: Connection, by: By, start: datetime, end: datetime, workspaces: frozenset[str] | None
) -> dict[tuple[str | None, ...], UsageSum]:
    """The same by (workspace, autopilot's id), (workspace, agent) or (workspace,)."""
    group = _GROUPS[by]
    query = _between(select(*group, *_SUMS), start, end, workspaces).group_by(*group)
    rows = tx.execute(query).all()
    return {tuple(row[: len(group)]): _usage(row[len(group) :]) for row in rows}


def autopilot_names(tx: Connection, ids: list[str]) -> dict[str, str]:
    """The names of autopilots, archived ones too, by id."""
    rows = tx.execute(select(autopilot.c.id, autopilot.c.name).where(autopilot.c.id.in_(ids)))
    return {row.id: row.name for row in rows}


def _usage(row: Any) -> UsageSum:
    runs, without_cost, cost, input_, output, cached = map(int, row)
    return UsageSum(
        runs=runs,
        without_cost=without_cost,
        cost_micros=cost,
        input_tokens=input_,
        output_tokens=output,
        cached_tokens=cached,
    )


def usage_of(tx: Connection, ids: Sequence[str], start: datetime) -> dict[str, UsageSum]:
    """What the runs that were triggered since `start` used, of each autopilot that has any.

    Read along the key of each autopilot, so that what others ran costs nothing.
    """
    query = (
        select(_R.autopilot_id, *_SUMS)
        .where(_R.autopilot_id.in_(IDS), _R.id >= uuid7(start, 0), literal_column(WORKED))
        .group_by(_R.autopilot_id)
    )
    return {
        row[0]: _usage(row[1:])
        for batch in batches(ids)
        for row in tx.execute(query, {"ids": batch})
    }
