"""Lists of runs, newest first: which ones, and page by page (contract 8).

Each page is read along one index, however many runs there are and however far the page is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, select, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from reconciler.core.run import ENDED, Run, Status
from reconciler.core.uuid7 import uuid7
from reconciler.store.runs import LIGHT, WHOLE, run_of
from reconciler.store.tables import autopilot_run

_R = autopilot_run.c
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPEN = frozenset(Status) - ENDED
_MERGED = 50
"""Workspaces whose runs are merged; beyond, runs of others are read and left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs a list shows; None does not filter. Times bound `triggeredAt`."""

    autopilot_id: str | None = None
    workspaces: frozenset[str] | None = None
    status: str | None = None
    source: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def equal(self) -> dict[str, str]:
        """Columns that must have just this value."""
        names = ("autopilot_id", "status", "source", "reason")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def list_runs(
    tx: Connection, where: RunFilter, *, limit: int = 50, before: str | None = None
) -> list[Run]:
    """Runs, newest first; `before` is the last id seen."""
    return [run_of(row) for row in tx.execute(run_page(WHOLE, where, limit, before))]


def find_runs(
    tx: Connection, where: RunFilter, *, limit: int, before: str | None = None
) -> list[Run]:
    """As `list_runs`, without payload and result: for tables, which show neither."""
    return [run_of(row) for row in tx.execute(run_page(LIGHT, where, limit, before))]


def run_page(
    selection: Select[Any], where: RunFilter, limit: int, before: str | None = None
) -> Select[Any]:
    """The statement of one page."""
    newest_first, lead, spaces = _R.id.desc(), _lead(where), sorted(where.workspaces or ())
    rest = [*_equalities(where, lead), *_bounds(where, before)]
    if lead == "workspace_id" and 1 < len(spaces) <= _MERGED:
        rest = [_R.id.in_(_merged(spaces, rest, limit))]
    elif where.workspaces is not None:
        space = _R.workspace_id
        led = lead == "workspace_id" and len(spaces) == 1
        rest.append((space if led else _Aside(space)).in_(spaces))
    return selection.where(*rest).order_by(newest_first).limit(limit)


def _merged(
    workspaces: Sequence[str], where: Sequence[ColumnElement[bool]], limit: int
) -> Select[Any]:
    """The newest of the newest of each workspace, which stand in the index; all of all of them
    would have to be sorted."""
    newest = select(_R.id).where(*where).order_by(_R.id.desc()).limit(limit)
    each = (newest.where(_R.workspace_id == one).subquery() for one in workspaces)
    together = union_all(*map(select, each)).subquery()
    return select(together.c.id).order_by(together.c.id.desc()).limit(limit)


def _lead(where: RunFilter) -> str | None:
    """The column whose index is read: the one of which the fewest runs may be expected."""
    if where.status in _OPEN and where.autopilot_id is None:
        return "status"
    order = ("autopilot_id", "reason", "workspace_id", "source", "status")
    given = {*where.equal, *(["workspace_id"] if where.workspaces is not None else [])}
    return next((name for name in order if name in given), None)


def _equalities(where: RunFilter, lead: str | None) -> Iterator[ColumnElement[bool]]:
    for name, value in where.equal.items():
        yield (_R[name] if name == lead else _Aside(_R[name])) == value


def _bounds(where: RunFilter, before: str | None) -> Iterator[ColumnElement[bool]]:
    """An id is of the microsecond of its `triggeredAt`, so times are places in the key."""
    if where.since is not None:
        yield _R.id >= uuid7(max(where.since, _EPOCH), 0)
    if where.until is not None:
        yield _R.id < _after(where.until)
    if before is not None:
        yield _R.id < before


def _after(moment: datetime) -> str:
    """The first id of the next microsecond."""
    if moment < _EPOCH:
        return uuid7(_EPOCH, 0)
    try:
        return uuid7(moment + timedelta(microseconds=1), 0)
    except OverflowError:
        return "g"


class _Aside(FunctionElement[Any]):
    """A column whose index SQLite is not to read. Without statistics it takes every index for as
    good, and may read a million failed runs for those of one autopilot. PostgreSQL knows better."""

    inherit_cache = True

    def __init__(self, column: Column[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(_Aside)
def _plain(element: _Aside, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_Aside, "sqlite")
def _by_no_index(element: _Aside, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"
