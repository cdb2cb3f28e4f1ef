"""What a follower of events compares from one poll to the next: runs, autopilots, revisions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from reconciler.core.base.uuid7 import uuid7
from reconciler.core.runs.run import Run
from reconciler.store.engine.batches import batches
from reconciler.store.engine.paging import Aside
from reconciler.store.revisions.revisions import Attempt, list_attempts
from reconciler.store.runs.conditions import NOT_ENDED
from reconciler.store.runs.rows import LIGHT, read_runs
from reconciler.store.tables import autopilot, autopilot_run

MOST = 10_000
"""Runs of each kind that one poll reads."""

_R = autopilot_run.c
_A = autopilot.c
_MARKS = (
    _A.id, _A.workspace_id, _A.name, _A.applied_digest, _A.status, _A.archived_at, _A.paused_at,
    _A.breaker_opened_at, _A.breaker_probe, _A.updated_at,
)  # fmt: skip
# What the server changes of an autopilot is a moment or the id of a run, and both only grow.
_SEAL = select(
    func.count(),
    *(f(column) for f in (func.count, func.max)
      for column in (_A.updated_at, _A.paused_at, _A.breaker_opened_at, _A.breaker_probe)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AutopilotMark:
    """An autopilot and every value whose change its followers see."""

    id: str
    workspace: str
    name: str
    archived: bool
    state: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Marks:
    """Every autopilot by its id, as of a moment whose `seal` says whether they are still so."""

    seal: tuple[object, ...]
    by_id: dict[str, AutopilotMark]


@dataclass(frozen=True, slots=True)
class FeedState:
    """The world at one moment. `runs` are open ones and those made since a moment, by id."""

    runs: dict[str, Run]
    autopilots: Marks
    revisions: list[Attempt]


def read_feed(
    tx: Connection,
    since: datetime,
    known: Sequence[str],
    after_revision: int,
    before: Marks | None = None,
) -> FeedState:
    """Read the state of now. `known` are runs that were open before, read even if they ended.

    `before` are the marks of the last poll, which are reused while their seal holds.
    """
    recent = LIGHT.where(_R.id > uuid7(since, 0)).order_by(_R.id).limit(MOST)
    # Asked for the plain order of the ids, SQLite would read every run that there ever was.
    open_ = LIGHT.where(NOT_ENDED).order_by(Aside(_R.id)).limit(MOST)
    runs = {run.id: run for query in (open_, recent) for run in read_runs(tx, query)}
    for batch in batches([run_id for run_id in known if run_id not in runs]):
        ended = read_runs(tx, LIGHT.where(_R.id.in_(batch)))
        runs.update((run.id, run) for run in ended)
    newest = list_attempts(tx, limit=50)
    return FeedState(
        runs,
        _marks(tx, before),
        [attempt for attempt in reversed(newest) if attempt.id > after_revision],
    )


def _marks(tx: Connection, before: Marks | None) -> Marks:
    """Rows are only made of a hundred thousand autopilots when something of one has changed."""
    seal = tuple(tx.execute(_SEAL).one())
    if before is not None and before.seal == seal:
        return before
    marks = (
        AutopilotMark(id_, workspace, name, state[2] is not None, tuple(state))
        for id_, workspace, name, *state in tx.execute(select(*_MARKS))
    )
    return Marks(seal, {mark.id: mark for mark in marks})
