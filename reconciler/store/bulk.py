"""Many new rows of one table at once."""

from collections.abc import Sequence
from enum import Enum
from itertools import repeat
from operator import is_
from typing import Any

from sqlalchemy import Dialect, Table

from reconciler.store.backend import Tx
from reconciler.store.documents import Values

Column = Sequence[Any]


class Known(Enum):
    """What becomes of a row whose primary key is there already."""

    REFUSED = 0
    """The statement fails."""
    KEPT = 1
    """It stays as it is."""
    REPLACED = 2
    """It gets the new values."""


def insert_rows(
    tx: Tx, table: Table, rows: Sequence[Values], *, known: Known = Known.REFUSED
) -> None:
    """Insert rows that all give the same columns."""
    if rows:
        names = tuple(rows[0])
        tuples = [tuple([row[name] for name in names]) for row in rows]
        insert_tuples(tx, table, names, tuples, known=known)


def insert_tuples(
    tx: Tx,
    table: Table,
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    known: Known = Known.REFUSED,
) -> None:
    """Insert rows whose values stand in the order of the columns' names.

    On SQLite values are converted column by column and handed to the driver: SQLAlchemy would work
    through every value of every row by itself, which takes several times as long as writing them.
    """
    if not rows:
        return
    if tx.dialect.name != "sqlite":
        values = [dict(zip(names, row, strict=True)) for row in rows]
        tx.execute(_insert(table, names, known), values)
        return
    columns = {
        name: _converted(table, name, column, tx.dialect)
        for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }
    given = {name: column for name, column in columns.items() if not _left_out(table, name, column)}
    statement = _statement(table, list(given)) + _on_conflict(table, names, known)
    tx.exec_driver_sql(statement, list(zip(*given.values(), strict=True)))


def _left_out(table: Table, name: str, column: Column) -> bool:
    """Whether the column may as well not be named: NULL is what it gets then."""
    return table.c[name].server_default is None and _all_are(column, None)


def _all_are(column: Column, value: Any) -> bool:
    return all(map(is_, column, repeat(value)))


def _insert(table: Table, names: Sequence[str], known: Known) -> Any:
    # The dialect takes a while to import, which SQLite's users need not wait for.
    from sqlalchemy.dialects.postgresql import insert

    statement = insert(table)
    match known:
        case Known.REFUSED:
            return statement
        case Known.KEPT:
            return statement.on_conflict_do_nothing()
        case Known.REPLACED:
            new = {name: statement.excluded[name] for name in names}
            return statement.on_conflict_do_update(index_elements=table.primary_key, set_=new)


def _converted(table: Table, name: str, values: Column, dialect: Dialect) -> Column:
    """What the driver gets; where one value fills the whole column it is converted once."""
    convert = table.c[name].type.dialect_impl(dialect).bind_processor(dialect) or _plain
    if _all_are(values, values[0]):
        return [convert(values[0])] * len(values)
    return list(map(convert, values))


def _plain(value: Any) -> Any:
    """A member of an enum as its word: the driver asks around for long how to adapt one."""
    return value.value if isinstance(value, Enum) else value


def _statement(table: Table, names: Sequence[str]) -> str:
    places = ", ".join("?" * len(names))
    columns = ", ".join(f'"{name}"' for name in names)
    return f'INSERT INTO "{table.name}" ({columns}) VALUES ({places})'  # noqa: S608 - ours


def _on_conflict(table: Table, names: Sequence[str], known: Known) -> str:
    match known:
        case Known.REFUSED:
            return ""
        case Known.KEPT:
            return " ON CONFLICT DO NOTHING"
        case Known.REPLACED:
            keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
            new = ", ".join(f'"{name}" = excluded."{name}"' for name in names)
            return f" ON CONFLICT ({keys}) DO UPDATE SET {new}"
