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
    return frozenset(get_origin(part) or part for part in parts)


def mistyped(values: Iterable[tuple[str, object]], types: Types) -> str | None:
    """The first of these named values whose type is another one."""
    for name, value in values:
        if (allowed := types.get(name)) is not None and type(value) not in allowed:
            return name
    return None
