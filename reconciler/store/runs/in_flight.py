"""The runs in flight: those that an agent, or the start of its work, is busy with."""

from collections import Counter

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from reconciler.core.runs.run import Status, WaitingFor
from reconciler.store.runs.runs import IS_CLAIMABLE, NOT_ENDED
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c
_BEGUN = _R.status.in_((Status.SESSION_CREATED, Status.RUNNING))
_LEASED = and_(NOT_ENDED, _R.lease_owner.is_not(None))


def count_in_flight(tx: Connection) -> Counter[tuple[str, str]]:
    """Return the number of runs in flight by (workspace, agent).

    In flight is what is leased, and what began and is between two servers. A run that waits for a
    worker, for its next attempt, for a quota or for an agent that is down is not: it holds nobody's
    place.
    """
    # Two statements, one for each index: of all runs that are pending there may be thousands.
    away = _R.waiting_for.in_((WaitingFor.QUOTA, WaitingFor.AGENT))
    unleased = and_(_BEGUN, _R.lease_owner.is_(None), or_(_R.waiting_for.is_(None), ~away))
    return _count(tx, _LEASED) + _count(tx, unleased)


def count_offered(tx: Connection) -> Counter[tuple[str, str]]:
    """Return the number of runs that wait for a worker to claim them, by (workspace, agent)."""
    return _count(tx, IS_CLAIMABLE)


def _count(tx: Connection, where: ColumnElement[bool]) -> Counter[tuple[str, str]]:
    query = select(_R.workspace_id, _R.agent, func.count()).where(where)
    rows = tx.execute(query.group_by(_R.agent, _R.workspace_id))
    return Counter({(workspace, agent or ""): count for workspace, agent, count in rows})
