"""What waits for agents: how many admitted runs stand in each queue, and since when."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from reconciler.core.runs.queue import Queue
from reconciler.core.runs.run import Status
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c


@dataclass(frozen=True, slots=True)
class Backlog:
    """`waiting` runs were admitted and have no agent yet; the oldest `since` then."""

    waiting: int
    since: datetime | None


def read_backlogs(tx: Connection, workspaces: frozenset[str] | None = None) -> dict[Queue, Backlog]:
    """The backlog of each agent and squad that has one. Reads what is pending, and no more."""
    query = (
        select(_R.queue, func.count(), func.min(_R.admitted_at))
        .where(_R.status == Status.PENDING, _R.admitted_at.is_not(None), _R.queue != "")
        .group_by(_R.queue)
    )
    if workspaces is not None:
        query = query.where(_R.workspace_id.in_(sorted(workspaces)))
    return {Queue.parse(name): Backlog(count, since) for name, count, since in tx.execute(query)}


def read_at_work(
    tx: Connection, workspaces: frozenset[str] | None = None
) -> dict[tuple[str, str], int]:
    """How many runs each agent, by workspace and name, has at work: begun, and not ended."""
    query = (
        select(_R.workspace_id, _R.agent, func.count())
        .where(_R.status.in_([Status.SESSION_CREATED, Status.RUNNING]), _R.agent.is_not(None))
        .group_by(_R.workspace_id, _R.agent)
    )
    if workspaces is not None:
        query = query.where(_R.workspace_id.in_(sorted(workspaces)))
    return {(workspace, agent): count for workspace, agent, count in tx.execute(query)}
