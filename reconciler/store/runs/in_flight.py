"""The runs in flight: those that an agent, or the start of its work, is busy with."""

from collections import Counter
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Connection, Select, func, or_, select

from reconciler.core.runs.run import Status, WaitingFor
from reconciler.store.runs.conditions import NOT_ENDED
from reconciler.store.runs.runs import IS_CLAIMABLE
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c
_BEGUN = _R.status.in_((Status.SESSION_CREATED, Status.RUNNING))
_AWAY = _R.waiting_for.in_((WaitingFor.QUOTA, WaitingFor.AGENT))


def _counted(*where: ColumnElement[bool]) -> Select[Any]:
    query = select(_R.workspace_id, _R.agent, func.count()).where(*where)
    return query.group_by(_R.agent, _R.workspace_id)


_LEASED = _counted(NOT_ENDED, _R.lease_owner.is_not(None))
_UNLEASED = _counted(_BEGUN, _R.lease_owner.is_(None), or_(_R.waiting_for.is_(None), ~_AWAY))
# Two halves, one for each index: of all runs that are pending there may be thousands.
_IN_FLIGHT = _LEASED.union_all(_UNLEASED)
_OFFERED = _counted(IS_CLAIMABLE)


def count_in_flight(tx: Connection) -> Counter[tuple[str, str]]:
    """Return the number of runs in flight by (workspace, agent).

    In flight is what is leased, and what began and is between two servers. A run that waits for a
    worker, for its next attempt, for a quota or for an agent that is down is not: it holds nobody's
    place.
    """
    return _count(tx, _IN_FLIGHT)


def count_offered(tx: Connection) -> Counter[tuple[str, str]]:
    """Return the number of runs that wait for a worker to claim them, by (workspace, agent)."""
    return _count(tx, _OFFERED)


def _count(tx: Connection, counted: Select[Any] | CompoundSelect[Any]) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for workspace, agent, count in tx.execute(counted):
        counts[workspace, agent or ""] += count
    return counts
