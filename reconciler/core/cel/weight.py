"""How large a value is: the unit in which expressions are bounded."""

from typing import Any

from reconciler.core.cel.errors import EvaluationError

Json = Any
MAX_WEIGHT = 200_000
"""How much of its variables an expression may read, in the units of `weigh`."""
MAX_LEVELS = 100
"""Levels of a value; the library walks values recursively and dies of thousands."""
CHARACTERS = 32
"""Characters of text that weigh 1."""


class TooHeavy(EvaluationError):
    """The values are larger or deeper than allowed."""


def weigh(value: Json, limit: int = MAX_WEIGHT) -> int:
    """The size of a value: 1 per value and key, and 1 per 32 characters of text.

    Stops with TooHeavy beyond `limit` or `MAX_LEVELS`, so that the walk is bounded too.
    """
    total, pending = 0, [(value, 1)]
    while pending:
        current, level = pending.pop()
        total += 1
        match current:
            case str():
                total += len(current) // CHARACTERS
            case dict():
                _require(len(current), total, limit, level)
                total += sum(1 + len(str(key)) // CHARACTERS for key in current)
                pending.extend((child, level + 1) for child in current.values())
            case list() | tuple():
                _require(len(current), total, limit, level)
                pending.extend((child, level + 1) for child in current)
            case _:
                pass
        _require(0, total, limit, level)
    return total


def _require(children: int, total: int, limit: int, level: int) -> None:
    if level > MAX_LEVELS:
        raise TooHeavy(f"the event is nested more than {MAX_LEVELS} levels deep")
    if total + children > limit:
        raise TooHeavy("the part of the event that the expression reads is too large")
