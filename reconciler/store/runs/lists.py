"""Lists of runs, newest first: which ones, and page by page.

Each page is read along one index, however many runs there are and however far the page is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from reconciler.core.base.uuid7 import uuid7
from reconciler.core.runs.run import ENDED, Run, Status
from reconciler.store.engine.paging import newest_page
from reconciler.store.runs.rows import LIGHT, WHOLE, read_most
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c
_OTHER = autopilot_run.alias().c
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPEN = frozenset(Status) - ENDED
_ORDER = ("autopilot_id", "reason", "agent", "workspace_id", "source", "status")
_FEW_OPEN = ("autopilot_id", "status")
"""Few runs have not ended, of whatever workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs a list shows; None does not filter. Times bound `triggeredAt`."""

    autopilot_id: str | None = None
    workspaces: frozenset[str] | None = None
    status: str | None = None
    source: str | None = None
    reason: str | None = None
    agent: str | None = None
    is_open: bool = False
    since: datetime | None = None
    until: datetime | None = None

    @property
    def equal(self) -> dict[str, str]:
        """Columns that must have just this value."""
        names = ("autopilot_id", "status", "source", "reason", "agent")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def list_runs(
    tx: Connection, where: RunFilter, *, limit: int = 50, before: str | None = None
) -> list[Run]:
    """Runs, newest first; `before` is the last id seen."""
    return _page(tx, WHOLE, where, limit, before)


def find_runs(
    tx: Connection, where: RunFilter, *, limit: int, before: str | None = None
) -> list[Run]:
    """As `list_runs`, without payload and result: for tables, which show neither."""
    return _page(tx, LIGHT, where, limit, before)


def _page(
    tx: Connection, selection: Select[Any], where: RunFilter, limit: int, before: str | None
) -> list[Run]:
    # As many as were asked for: whoever gets fewer takes it for the last page.
    return read_most(lambda most: tx.execute(run_page(selection, where, most, before)).all(), limit)


def run_page(
    selection: Select[Any], where: RunFilter, limit: int, before: str | None = None
) -> Select[Any]:
    """The statement of one page."""
    equal, bounds = where.equal, _bounds(where, before)
    order = _FEW_OPEN if where.status in _OPEN else () if where.is_open else _ORDER
    return newest_page(
        selection, autopilot_run, equal, where.workspaces, *bounds, order=order, limit=limit
    )


def _bounds(where: RunFilter, before: str | None) -> Iterator[ColumnElement[bool]]:
    """An id is of the microsecond of its `triggeredAt`, so times are places in the key."""
    if where.since is not None:
        yield _R.id >= uuid7(max(where.since, _EPOCH), 0)
    if where.until is not None:
        yield _R.id < _after(where.until)
    if before is not None:
        yield _R.id < before
    if where.is_open:  # few, whatever else is asked for; each status is read along its index
        yield _R.id.in_(select(_OTHER.id).where(_OTHER.status.in_(sorted(_OPEN))))


def _after(moment: datetime) -> str:
    """The first id of the next microsecond."""
    if moment < _EPOCH:
        return uuid7(_EPOCH, 0)
    try:
        return uuid7(moment + timedelta(microseconds=1), 0)
    except OverflowError:
        return "g"
