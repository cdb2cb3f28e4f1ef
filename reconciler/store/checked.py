"""Rows as values of a class, checked: one that somebody edited by hand holds up no other.

A list leaves such a row out, and the log says so once; whoever asks for that row itself is told why
(docs/runs.md#rows-that-cannot-be-read).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any, Generic, TypeVar

from reconciler.core.base.errors import Conflict
from reconciler.core.base.typed import mistyped, out_of_range, types_of

T = TypeVar("T")


def moment_of(value: object) -> datetime | None:
    """The moment that a column holds; None as well where somebody edited it by hand into none."""
    return value if isinstance(value, datetime) else None


class UnreadableRow(Conflict):
    """A row holds what no value of its kind can be: somebody edited it by hand."""

    def __init__(self, what: str, id_: object, column: str, value: object) -> None:
        self.id = str(id_)
        self.why = f"its column {column} holds {value!r:.80}"
        self.fix = "put that column right in the database"
        edited = f"the row of {what} {id_} was edited by hand and cannot be read"
        super().__init__(f"{edited}: {self.why}; {self.fix}", reason="row-unreadable")


class Checked(Generic[T]):
    """What the rows of one kind are read as: values of a class whose fields have their types.

    `what` names the kind in sentences and `highest` bounds numbers. `columns` are the names of
    columns that are others than those of their fields, `items` the types of what is in the mappings
    and lists of JSON.
    """

    def __init__(
        self,
        of: type[T],
        what: str,
        highest: int = 10**9,
        *,
        columns: Mapping[str, str] | None = None,
        items: Mapping[str, type] | None = None,
    ) -> None:
        self._of, self._what, self._columns, self._items = of, what, columns or {}, items or {}
        self._types = types_of(of)
        self._enums = {
            name: kind
            for name, kinds in self._types.items()
            for kind in kinds
            if issubclass(kind, Enum)
        }
        self._moments = tuple(name for name, kinds in self._types.items() if datetime in kinds)
        self._most = {name: highest for name, kinds in self._types.items() if int in kinds}

    def read(self, fields: Mapping[str, Any]) -> T:
        """The value with these fields; the field `id` names the row. Raises UnreadableRow."""
        values = dict(fields)
        for name, enum in self._enums.items():
            if values[name] is not None:
                try:
                    values[name] = enum(values[name])
                except ValueError:
                    raise self.unreadable(fields, name) from None
        wrong = (
            mistyped(values.items(), self._types)
            or out_of_range(values, self._moments, self._most)
            or self._mixed(values)
        )
        if wrong is not None:
            raise self.unreadable(fields, wrong)
        return self._of(**values)

    def _mixed(self, values: Mapping[str, Any]) -> str | None:
        for name, kind in self._items.items():
            items = values[name].values() if isinstance(values[name], dict) else values[name]
            if any(type(item) is not kind for item in items):
                return name
        return None

    def readable(self, rows: Iterable[Mapping[str, Any]]) -> list[T]:
        """The values of these rows, without those that cannot be read."""
        values = []
        for fields in rows:
            try:
                values.append(self.read(fields))
            except UnreadableRow as error:
                tell(str(error))
        return values

    def unreadable(self, fields: Mapping[str, Any], name: str) -> UnreadableRow:
        """The error for a row whose field of this name is wrong."""
        column = self._columns.get(name, name)
        return UnreadableRow(self._what, fields["id"], column, fields[name])


@lru_cache(maxsize=16_384)  # with fewer than there are such rows, each round would log all of them
def tell(why: str) -> None:
    """Log, once: rounds and pages come to the same row again and again."""
    # Plans and the process that writes deliveries are spared what logging brings along.
    import structlog

    structlog.get_logger(__name__).error("a row cannot be read, nothing is done with it", why=why)
