"""Many new rows of one table at once."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Dialect, Table

from reconciler.store.backend import Tx
from reconciler.store.documents import Values


def insert_rows(tx: Tx, table: Table, rows: Sequence[Values], *, keep_known: bool = False) -> None:
    """Insert rows that all give the same columns; with `keep_known` those that are there stay.

    On SQLite values are converted column by column and handed to the driver: SQLAlchemy would work
    through every value of every row by itself, which takes several times as long as writing them.
    """
    if not rows:
        return
    if tx.dialect.name != "sqlite":
        tx.execute(_insert(table, keep_known=keep_known), rows)
        return
    names = list(rows[0])
    columns = [_converted(table, name, [row[name] for row in rows], tx.dialect) for name in names]
    statement = _statement(table, names, keep_known=keep_known)
    tx.exec_driver_sql(statement, list(zip(*columns, strict=True)))


def _insert(table: Table, *, keep_known: bool) -> Any:
    # The dialect takes a while to import, which SQLite's users need not wait for.
    from sqlalchemy.dialects.postgresql import insert

    statement = insert(table)
    return statement.on_conflict_do_nothing() if keep_known else statement


def _converted(table: Table, name: str, values: Iterable[Any], dialect: Dialect) -> Iterable[Any]:
    convert: Callable[[Any], Any] | None = (
        table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
    )
    return values if convert is None else map(convert, values)


def _statement(table: Table, names: Sequence[str], *, keep_known: bool) -> str:
    columns = ", ".join(f'"{table.c[name].name}"' for name in names)
    places = ", ".join("?" * len(names))
    known = " ON CONFLICT DO NOTHING" if keep_known else ""
    return f'INSERT INTO "{table.name}" ({columns}) VALUES ({places}){known}'  # noqa: S608 - ours
