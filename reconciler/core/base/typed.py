"""Whether values have the types that a class says of its fields: what a database gives may not.

SQLite keeps text in a column of numbers, and people edit rows by hand.
"""

from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

Types = Mapping[str, frozenset[type]]
"""The types that each field may have; without those that may have any."""


def types_of(of_class: type) -> Types:
    """The types of a class's fields, by its annotations."""
    hints = get_type_hints(of_class).items()
    return {name: _types(hint) for name, hint in hints if hint is not Any}


def _types(hint: Any) -> frozenset[type]:
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    types = (get_origin(part) or part for part in parts)
    return frozenset(dict if of_class is Mapping else of_class for of_class in types)


_YEARS = range(1000, 9000)
"""Of moments; beyond these nothing can be added to one, nor taken away."""


def out_of_range(
    values: Mapping[str, Any], moments: Iterable[str], most: Mapping[str, int]
) -> str | None:
    """The first of these moments, and of numbers by the most of each, with which none can reckon.

    Their types are right.
    """
    for name in moments:
        if (moment := values[name]) is not None and moment.year not in _YEARS:
            return name
    for name, highest in most.items():
        if (number := values[name]) is not None and not -highest <= number <= highest:
            return name
    return None


def mistyped(values: Iterable[tuple[str, object]], types: Types) -> str | None:
    """The first of these named values whose type is another one."""
    for name, value in values:
        if (allowed := types.get(name)) is not None and type(value) not in allowed:
            return name
    return None
