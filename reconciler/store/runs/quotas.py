"""Runs that wait for the quota of their agent."""

from datetime import datetime

from sqlalchemy import Connection, update

from reconciler.core.runs.run import WaitingFor
from reconciler.store.runs.conditions import NOT_ENDED
from reconciler.store.runs.runs import IS_QUEUED
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c


def ask_at_once(tx: Connection, workspace: str, agent: str, now: datetime) -> None:
    """Let the runs that wait for the quota of an agent be tried now.

    Those of squads too, whichever member they wait for: who finds no quota waits on.
    """
    waits = (_R.workspace_id == workspace, _R.waiting_for == WaitingFor.QUOTA)
    # Two statements, one for each index: what waits in a queue, and what has been with the agent.
    for where in ((IS_QUEUED,), (NOT_ENDED, _R.agent == agent)):
        tx.execute(update(autopilot_run).where(*waits, *where).values(next_attempt_at=now))
