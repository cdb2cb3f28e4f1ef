"""A way to stop reading: a function that is called often and ends the load by raising."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Checkpoint = Callable[[], None]
"""Returns to go on; whatever it raises passes through `load`, which keeps nothing."""
OFTEN = 500
"""Items between two calls: some milliseconds of work."""

T = TypeVar("T")


def proceed() -> None:
    """Never stop."""


def checked_often(items: Iterable[T], checkpoint: Checkpoint) -> Iterator[T]:
    """Yield the items, with a call of `checkpoint` before each 500 of them."""
    for number, item in enumerate(items):
        if number % OFTEN == 0:
            checkpoint()
        yield item
