"""Which parts of its variables an expression can read, so that only those are handed over.

A payload may be megabytes and a condition look at one field of it. What is handed to the library
is copied there while the GIL is held, so what is not read is left out first.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.cel.errors import EvaluationError
from reconciler.core.cel.tree import Index, Literal, Name, Node, Select, children

Json = Any
Path = tuple[str, ...]
"""A variable's name and the keys below it."""
Trie = dict[str, "Trie | None"]
"""Paths by their first key; None: everything from here on."""


def paths(tree: Node) -> frozenset[Path]:
    """The paths through which a tree reads variables; each reads all that is below it.

    Names that macros bind are not told apart: at worst too much is handed over.
    """
    return frozenset(_paths(tree))


def _paths(node: Node) -> Iterator[Path]:
    path = _path(node)
    if path is not None:
        yield path
        return
    for child in children(node):
        yield from _paths(child)


def _path(node: Node) -> Path | None:
    match node:
        case Name(name=name):
            return (name,)
        case (
            Select(operand=operand, field=key) | Index(operand=operand, key=Literal(text=str(key)))
        ):
            above = _path(operand)
            return None if above is None else (*above, key)
        case _:
            return None


def plain_path(tree: Node) -> Path | None:
    """The path that a whole expression is, without optional selections; None for all else."""
    node = tree
    while isinstance(node, Select | Index):
        if node.optional:
            return None
        node = node.operand
    return _path(tree)


def look_up(path: Path, variables: Mapping[str, Json]) -> Json:
    """Return what stands at a path: what the library would give, without handing it a copy.

    Raises EvaluationError.
    """
    value: Json = dict(variables)
    for place, key in enumerate(path):
        if not isinstance(value, dict) and place:
            raise EvaluationError(_stuck(path[:place], key, value))
        if key not in value:
            raise EvaluationError(f"there is no {key!r}")
        value = value[key]
    return value


def prune(variables: Mapping[str, Json], wanted: frozenset[Path]) -> dict[str, Json]:
    """A copy of the variables with only what the paths reach; shares what it keeps.

    Missing keys stay missing. What is not a mapping where a path goes on keeps its type, because
    the error that follows depends on it; a list loses its elements.
    """
    root: Trie = {}
    for path in sorted(wanted):
        _add(root, path)
    return {
        key: _restricted(variables[key], below) for key, below in root.items() if key in variables
    }


def _add(trie: Trie, path: Path) -> None:
    """Shorter paths come first, as sorting puts them: they swallow the longer ones."""
    for key in path[:-1]:
        below = trie.setdefault(key, {})
        if below is None:
            return
        trie = below
    trie[path[-1]] = None


def _restricted(value: Json, wanted: Trie | None) -> Json:
    if wanted is None:
        return value
    if isinstance(value, dict):
        return {
            key: _restricted(value[key], below) for key, below in wanted.items() if key in value
        }
    return [] if isinstance(value, list) else value


def dead_end(reads: frozenset[Path], variables: Mapping[str, Json]) -> str | None:
    """Which path goes on where there is nothing to go on into: `payload.a is null, …`."""
    for path in sorted(reads):
        value: Json = variables.get(path[0], {})
        for place, key in enumerate(path[1:], start=1):
            if not isinstance(value, dict | list):
                return _stuck(path[:place], key, value)
            if isinstance(value, list) or key not in value:
                break
            value = value[key]
    return None


def _stuck(path: Path, key: str, value: Json) -> str:
    shown = path[0] + "".join(map(_selection, path[1:]))
    if value is None:
        instead = path[0] + "".join(_optional(each) for each in (*path[1:], key))
        return f"{shown} is null, it has no {key!r}; write {instead}.orValue(…)"
    kind = {bool: "a boolean", str: "text", list: "a list"}.get(type(value), "a number")
    return f"{shown} is {kind}, it has no {key!r}"


def _selection(key: str) -> str:
    return f".{key}" if key.isidentifier() else f"[{json.dumps(key)}]"


def _optional(key: str) -> str:
    return f".?{key}" if key.isidentifier() else f"[?{json.dumps(key)}]"
