"""Long lists in pieces that fit one statement."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

SIZE = 500
"""Far below the bound of variables of both databases."""


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """The items in order, at most `SIZE` at a time."""
    for start in range(0, len(items), SIZE):
        yield items[start : start + SIZE]
