"""What a follower of events compares from one look to the next: runs, autopilots, revisions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from reconciler.core.run import Run
from reconciler.core.uuid7 import uuid7
from reconciler.store.batches import batches
from reconciler.store.revisions import Attempt, list_attempts
from reconciler.store.runs import LIGHT, NOT_ENDED, run_of
from reconciler.store.tables import autopilot, autopilot_run

MOST = 10_000
"""Runs of each kind that one look takes in."""

_R = autopilot_run.c
_A = autopilot.c
_MARKS = (
    _A.id, _A.workspace_id, _A.name, _A.applied_digest, _A.status, _A.archived_at, _A.paused_at,
    _A.breaker_opened_at, _A.breaker_probe, _A.updated_at,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AutopilotMark:
    """An autopilot and all that makes it another one for its followers."""

    id: str
    workspace: str
    name: str
    archived: bool
    state: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """The world at one moment. `runs` are open ones and those made since a moment, by id."""

    runs: dict[str, Run]
    autopilots: dict[str, AutopilotMark]
    revisions: list[Attempt]


def look(tx: Connection, since: datetime, known: Sequence[str], after_revision: int) -> Look:
    """What is now. `known` are runs that were open before: they are read even if they ended."""
    recent = LIGHT.where(_R.id > uuid7(since, 0)).order_by(_R.id).limit(MOST)
    open_ = LIGHT.where(NOT_ENDED).order_by(_R.id).limit(MOST)
    runs = {run.id: run for query in (open_, recent) for run in map(run_of, tx.execute(query))}
    for some in batches([one for one in known if one not in runs]):
        rows = tx.execute(LIGHT.where(_R.id.in_(some)))
        runs.update((run.id, run) for run in map(run_of, rows))
    found = (
        AutopilotMark(id_, workspace, name, state[2] is not None, tuple(state))
        for id_, workspace, name, *state in tx.execute(select(*_MARKS))
    )
    newest = list_attempts(tx, limit=50)
    return Look(
        runs,
        {one.id: one for one in found},
        [one for one in reversed(newest) if one.id > after_revision],
    )
