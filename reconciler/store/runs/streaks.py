"""The runs of a failing streak, read no further back than it goes."""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from reconciler.core.runs.run import Run
from reconciler.core.runs.streak import Streak, streak_of
from reconciler.store.runs.lists import RunFilter, find_runs

_FIRST_PAGE = 20
_PAGE = 500


def read_streak(tx: Connection, autopilot_id: str, newest: Sequence[Run] = ()) -> Streak | None:
    """The failing streak of an autopilot, without the author of its revision.

    `newest` are its newest runs, newest first, where they are known already.
    """
    return streak_of(_newest_first(tx, RunFilter(autopilot_id=autopilot_id), newest))


def _newest_first(tx: Connection, where: RunFilter, newest: Sequence[Run]) -> Iterator[Run]:
    yield from newest
    before, limit = newest[-1].id if newest else None, _FIRST_PAGE
    while page := find_runs(tx, where, limit=limit, before=before):
        yield from page
        before, limit = page[-1].id, _PAGE
