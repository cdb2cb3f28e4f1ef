"""Long lists in pieces that fit one statement, and rows that one statement can change."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import BindParameter, bindparam

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V", bound=Hashable)

IDS: BindParameter[Any] = bindparam("ids", expanding=True)
"""A list bound when the statement runs: `column.in_(IDS)` and `{"ids": batch}`. A list passed to
`in_` itself is compiled element by element."""

SIZE = 1000
"""Far below the bound of variables of both databases."""


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in order, at most `SIZE` at a time."""
    for start in range(0, len(items), SIZE):
        yield items[start : start + SIZE]


def alike(values: Mapping[K, V]) -> Iterator[tuple[V, Sequence[K]]]:
    """The keys of equal values together, in batches: rows that get the same take one statement."""
    groups: dict[V, list[K]] = defaultdict(list)
    for key, value in values.items():
        groups[value].append(key)
    for value, keys in groups.items():
        for batch in batches(keys):
            yield value, batch


def by_first(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The second halves of pairs by the first, each once: a statement for each of the first.

    Asked for pairs themselves, SQLite uses no index and reads every row there is.
    """
    grouped: dict[str, dict[str, None]] = defaultdict(dict)
    for first, second in pairs:
        grouped[first][second] = None
    return {first: list(seconds) for first, seconds in grouped.items()}
