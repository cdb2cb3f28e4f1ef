"""The newest runs and missed intervals of autopilots, read by index, without payloads."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, Table, select

from reconciler.core.runs.run import MissedInterval, Run
from reconciler.store.engine.batches import batches
from reconciler.store.runs.missed import interval_of
from reconciler.store.runs.rows import LIGHT, read_runs
from reconciler.store.tables import autopilot, autopilot_run, missed_interval

_R = autopilot_run.c
_M = missed_interval.c
_NEWEST_FIRST: dict[Table, tuple[Any, ...]] = {
    autopilot_run: (_R.id.desc(),),
    missed_interval: (_M.first_at.desc(), _M.id.desc()),
}


def newest_runs(tx: Connection, autopilot_ids: Sequence[str], most: int) -> dict[str, list[Run]]:
    """The newest runs of each autopilot, newest first, without payload and result."""
    newest: dict[str, list[Run]] = defaultdict(list)
    for ids in newest_run_ids(tx, autopilot_ids, most):
        query = LIGHT.where(_R.id.in_(ids))
        for run in read_runs(tx, query):
            newest[run.autopilot_id].append(run)
    return {id_: sorted(runs, key=_by_id, reverse=True) for id_, runs in newest.items()}


def newest_missed(
    tx: Connection, autopilot_ids: Sequence[str], most: int
) -> dict[str, list[MissedInterval]]:
    """The newest missed intervals of each autopilot, newest first."""
    newest: dict[str, list[MissedInterval]] = defaultdict(list)
    for ids in _newest(tx, missed_interval, autopilot_ids, most):
        for row in tx.execute(select(missed_interval).where(_M.id.in_(ids))):
            newest[row.autopilot_id].append(interval_of(row))
    return {
        id_: sorted(intervals, key=_by_first, reverse=True) for id_, intervals in newest.items()
    }


# Sorted here: asked for an order too, SQLite would rather read all there are in that order.
def _by_id(run: Run) -> str:
    return run.id


def _by_first(interval: MissedInterval) -> tuple[datetime, int]:
    return interval.first, interval.id or 0


def newest_run_ids(
    tx: Connection, autopilot_ids: Sequence[str], most: int
) -> Iterator[Sequence[str]]:
    """The ids of the newest runs of each autopilot, in pieces that fit one statement."""
    return _newest(tx, autopilot_run, autopilot_ids, most)


def _newest(
    tx: Connection, table: Table, autopilot_ids: Sequence[str], most: int
) -> Iterator[Sequence[Any]]:
    """The ids of the newest rows of these autopilots, in pieces that fit one statement."""
    query = _places(table, most)
    for batch in batches(autopilot_ids):
        rows = tx.execute(query.where(autopilot.c.id.in_(batch)))
        yield from batches([id_ for row in rows for id_ in row if id_ is not None])


@lru_cache
def _places(table: Table, most: int) -> Select[Any]:
    """A row for each autopilot: its newest, its second newest and so on.

    Each is found in the index. One statement that numbers the rows would begin with the first row
    that the autopilot ever had.
    """
    mine = select(table.c.id).where(table.c.autopilot_id == autopilot.c.id)
    newest_first = mine.order_by(*_NEWEST_FIRST[table]).correlate(autopilot).limit(1)
    places = [newest_first.offset(place).scalar_subquery() for place in range(most)]
    return select(*(place.label(f"place_{n}") for n, place in enumerate(places))).select_from(
        autopilot
    )
