"""Two people change one manifest: their changes together, and where they contradict.

Documents are compared value by value; triggers by their names, wherever they stand. Lists of
anything else are one value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.manifest.state import Document

Path = tuple[str, ...]


class _Missing:
    """Stands for "not there"."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()
"""The value of a path that a document does not have."""


@dataclass(frozen=True, slots=True)
class Differing:
    """A value that somebody else changed: as it was, as theirs is now, and as mine is."""

    path: Path
    was: Any
    theirs: Any
    mine: Any

    @property
    def contradicts(self) -> bool:
        """Whether I changed it to something else."""
        return bool(self.mine not in (self.was, self.theirs))


def merged(was: Document, theirs: Document, mine: Document) -> Document:
    """The changes of both. Where they contradict mine stand; `differing` tells of them."""
    both = _merge(_named(was), _named(theirs), _named(mine), ())
    return _listed(both)


def differing(was: Document, theirs: Document, mine: Document) -> list[Differing]:
    """Every value that is another one in theirs than it was, by path."""
    return list(_differing(_named(was), _named(theirs), _named(mine), ()))


def with_value(document: Document, path: Path, value: Any) -> Document:
    """The document with one value replaced, or taken away where it is MISSING."""
    return _listed(_with(_named(document), path, value))


def _merge(was: Any, theirs: Any, mine: Any, path: Path) -> Any:
    if mine == was:
        return theirs
    if theirs == was or mine == theirs or not _are_maps(theirs, mine):
        return mine
    before = was if isinstance(was, Mapping) else {}
    both = {}
    for key in _keys(mine, theirs):
        value = _merge(_at(before, key), _at(theirs, key), _at(mine, key), (*path, key))
        if value is not MISSING:
            both[key] = value
    return both


def _differing(was: Any, theirs: Any, mine: Any, path: Path) -> Iterator[Differing]:
    if was == theirs:
        return
    if not _are_maps(was, theirs, mine):
        yield Differing(path, was, theirs, mine)
        return
    for key in _keys(was, theirs):
        yield from _differing(_at(was, key), _at(theirs, key), _at(mine, key), (*path, key))


def _with(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    changed = dict(value) if isinstance(value, Mapping) else {}
    inner = _with(changed.get(path[0], MISSING), path[1:], new)
    if inner is MISSING:
        changed.pop(path[0], None)
    else:
        changed[path[0]] = inner
    return changed


def _are_maps(*values: Any) -> bool:
    return all(isinstance(value, Mapping) for value in values)


def _keys(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys([*first, *second]))


def _at(value: Mapping[str, Any], key: str) -> Any:
    return value.get(key, MISSING)


def _named(document: Document) -> Document:
    """The document with its triggers by name. Those that share one keep only the last."""
    spec = document.get("spec", {})
    by_name = {str(trigger.get("name", "")): trigger for trigger in spec.get("triggers", ())}
    return {**document, "spec": {**spec, "triggers": by_name}}


def _listed(document: Document) -> Document:
    spec = document.get("spec", {})
    return {**document, "spec": {**spec, "triggers": list(spec.get("triggers", {}).values())}}
