"""Pages of long tables, newest first, each read along one index however far it is.

The ids of what is paged sort by time, and every index that a list is read by ends in the id.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Row, Select, Table, select, union_all
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

T = TypeVar("T")

MERGED = 50
"""Workspaces whose rows are merged; beyond, rows of others are read and left out."""


def newest_page(
    selection: Select[Any],
    table: Table,
    equal: Mapping[str, object],
    workspaces: Collection[str] | None,
    *conditions: ColumnElement[bool],
    order: Iterable[str],
    limit: int,
) -> Select[Any]:
    """The statement of one page: rows of `table` that are `equal` in some columns.

    `order` are the columns by whose index to read, the one with the fewest rows to expect first;
    `workspace_id` is among them. `conditions` concern the id.
    """
    compared = {*equal, *(["workspace_id"] if workspaces is not None else [])}
    lead = next((name for name in order if name in compared), None)
    newest_first, spaces = table.c.id.desc(), sorted(workspaces or ())
    where = [_by(table.c[name], lead) == value for name, value in equal.items()] + [*conditions]
    if lead == "workspace_id" and 1 < len(spaces) <= MERGED:
        where = [table.c.id.in_(newest_of_each(table, "workspace_id", spaces, where, limit))]
    elif workspaces is not None:
        where.append(_by(table.c.workspace_id, lead if len(spaces) == 1 else None).in_(spaces))
    return selection.where(*where).order_by(newest_first).limit(limit)


def _by(column: Column[Any], lead: str | None) -> ColumnElement[Any]:
    return column if column.name == lead else Aside(column)


def newest_of_each(
    table: Table,
    column: str,
    values: Sequence[str],
    where: Sequence[ColumnElement[bool]],
    limit: int,
) -> Select[Any]:
    """The ids of the newest of the newest rows of each value, which stand in the column's index;
    all of all of them would have to be sorted."""
    newest = select(table.c.id).where(*where).order_by(table.c.id.desc()).limit(limit)
    each = (newest.where(table.c[column] == value).subquery() for value in values)
    together = union_all(*map(select, each)).subquery()
    return select(together.c.id).order_by(together.c.id.desc()).limit(limit)


class Aside(FunctionElement[Any]):
    """A column whose index SQLite is not to read. Without statistics it takes every index for as
    good, and may read a million failed runs for those of one autopilot. PostgreSQL knows better."""

    inherit_cache = True

    def __init__(self, column: Column[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(Aside)
def _plain(element: Aside, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(Aside, "sqlite")
def _by_no_index(element: Aside, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"


def filled(
    read: Callable[[int], Sequence[Row[Any]]],
    made: Callable[[Sequence[Row[Any]]], list[T]],
    most: int,
) -> list[T]:
    """What is made of the first rows, at most so many; `read` gives that many rows.

    Rows of which nothing can be made take nobody's place: behind them there may be others, and
    whoever gets fewer than they asked for takes that for all.
    """
    asked = most
    while True:
        rows = read(asked)
        values = made(rows)
        if len(values) >= most or len(rows) < asked:
            return values[:most]
        # Twice as many as failed: read again for each, a thousand would take a thousand reads.
        asked = most + 2 * (len(rows) - len(values))
