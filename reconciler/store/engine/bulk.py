"""Many new rows of one table at once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import chain, islice, repeat
from operator import is_
from typing import Any

from sqlalchemy import Dialect, Table

from reconciler.store.engine.backend import Tx

Column = Sequence[Any]
Values = dict[str, Any]
"""A row by column name."""

MOST = 64
"""Rows that one statement inserts."""
AT_ONCE = 1024
"""Rows that are held at a time."""


class Known(Enum):
    """What becomes of a row whose primary key is there already."""

    REFUSED = 0
    """The statement fails."""
    UNCHANGED = 1
    """It stays as it is."""
    REPLACED = 2
    """It gets the new values."""


def insert_rows(
    tx: Tx, table: Table, rows: Iterable[Values], *, known: Known = Known.REFUSED
) -> None:
    """Insert rows that all give the same columns; they may be made while they are taken."""
    iterator = iter(rows)
    while part := list(islice(iterator, AT_ONCE)):
        names = tuple(part[0])
        tuples = [tuple([row[name] for name in names]) for row in part]
        insert_tuples(tx, table, names, tuples, known=known)


def insert_tuples(
    tx: Tx,
    table: Table,
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    known: Known = Known.REFUSED,
) -> None:
    """Insert rows whose values stand in the order of the columns' names."""
    if not rows:
        return
    if tx.dialect.name == "sqlite":
        _insert_by_column(tx, table, names, rows, known)
        return
    values = [dict(zip(names, row, strict=True)) for row in rows]
    tx.execute(_insert(table, names, known), values)


def _insert_by_column(
    tx: Tx, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]], known: Known
) -> None:
    """Convert values column by column and hand them to the driver, many rows in each statement.

    SQLAlchemy would work through every value of every row by itself, which takes several times as
    long as writing them. The driver lets other threads in with every statement and has to wait for
    its next turn, so there are few.
    """
    writers = _writers(table, tuple(names), tx.dialect)
    columns = [
        write(column) for write, column in zip(writers, zip(*rows, strict=True), strict=True)
    ]
    named = zip(names, columns, strict=True)
    filled = {name: column for name, column in named if column is not None}
    values, start = list(zip(*filled.values(), strict=True)), 0
    for size in _pieces(len(values)):
        statement = _statement(table, tuple(filled), size) + _on_conflict(table, names, known)
        parameters = tuple(chain.from_iterable(values[start : start + size]))
        tx.exec_driver_sql(statement, parameters)
        start += size


def _pieces(rows: int) -> Iterator[int]:
    """Rows of each statement: powers of two, so that there are few statements to prepare."""
    while rows:
        size = min(MOST, 1 << rows.bit_length() - 1)
        yield size
        rows -= size


@dataclass(frozen=True, slots=True)
class _Writer:
    convert: Callable[[Any], Any] | None
    has_default: bool

    def __call__(self, values: Column) -> Column | None:
        """The values to bind. None for a column that may as well not be named: it gets NULL then.

        Where one value fills the whole column it is converted once.
        """
        first = values[0]
        if not all(map(is_, values, repeat(first))):
            return self._converted(values)
        (value,) = self._converted([first])
        if value is None and not self.has_default:
            return None
        return [value] * len(values)

    def _converted(self, values: Column) -> Column:
        if self.convert is not None:
            return list(map(self.convert, values))
        if _NATIVE.issuperset(map(type, values)):
            return values
        return [_plain(value) for value in values]


_NATIVE = frozenset({str, int, float, bytes, type(None)})
"""What the driver takes as it is."""


def _plain(value: Any) -> Any:
    """A member of an enum as its word: the driver is slow at adapting one."""
    return value.value if isinstance(value, Enum) else value


@lru_cache(maxsize=64)
def _writers(table: Table, names: tuple[str, ...], dialect: Dialect) -> list[_Writer]:
    """What makes of each column what the driver gets, in the order of the names."""
    columns = [table.c[name] for name in names]
    return [
        _Writer(
            column.type.dialect_impl(dialect).bind_processor(dialect),
            has_default=column.server_default is not None,
        )
        for column in columns
    ]


def _insert(table: Table, names: Sequence[str], known: Known) -> Any:
    # The dialect takes a while to import, which SQLite's users need not wait for.
    from sqlalchemy.dialects.postgresql import insert

    statement = insert(table)
    match known:
        case Known.REFUSED:
            return statement
        case Known.UNCHANGED:
            return statement.on_conflict_do_nothing()
        case Known.REPLACED:
            new = {name: statement.excluded[name] for name in names}
            return statement.on_conflict_do_update(index_elements=table.primary_key, set_=new)


@lru_cache(maxsize=256)
def _statement(table: Table, names: Sequence[str], rows: int) -> str:
    row = f"({', '.join('?' * len(names))})"
    columns = ", ".join(f'"{name}"' for name in names)
    return f'INSERT INTO "{table.name}" ({columns}) VALUES {", ".join([row] * rows)}'  # noqa: S608 - ours


def _on_conflict(table: Table, names: Sequence[str], known: Known) -> str:
    match known:
        case Known.REFUSED:
            return ""
        case Known.UNCHANGED:
            return " ON CONFLICT DO NOTHING"
        case Known.REPLACED:
            keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
            new = ", ".join(f'"{name}" = excluded."{name}"' for name in names)
            return f" ON CONFLICT ({keys}) DO UPDATE SET {new}"
