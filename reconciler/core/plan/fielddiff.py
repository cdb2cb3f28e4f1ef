"""What differs between two documents, field by field.

Paths read as people write them: `spec.title`, `metadata.labels.team`, `spec.triggers[ci].cron`.
Triggers are matched by name, so that their order is no difference; any other list is one value.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from reconciler.core.manifest.defaults import without_defaults
from reconciler.core.manifest.state import Document

_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z", re.ASCII)
_HEADER = {"apiVersion", "kind", "metadata.name", "metadata.workspace"}
"""Fields that name an object rather than describe it."""
_SENSITIVE_MAPS = (
    ("spec", "runtime", "env"),
    ("spec", "runtime", "headers"),
    ("spec", "runtime", "request", "headers"),
)
"""Maps whose literal texts may be confidential although references to secrets are offered."""

_Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs; None stands for "not there" (documents hold no nulls).

    `sensitive` values are compared and applied like others, and never shown.
    """

    path: str
    before: Any
    after: Any
    sensitive: bool = False


def field_changes(before: Document, after: Document) -> tuple[FieldChange, ...]:
    """Every field in which two documents differ, in the order in which `after` is written.

    Empty exactly if both have the same `digest_of`. A trigger that was added or removed is one
    change with the whole trigger (without its defaults) as value.
    """
    changes: list[FieldChange] = []
    _compare((), before, after, changes)
    return tuple(changes)


def fields_of_new(document: Document) -> tuple[FieldChange, ...]:
    """What a new object says beyond its name and the defaults."""
    changes = field_changes({}, without_defaults(document))
    return tuple(change for change in changes if change.path not in _HEADER)


def _compare(path: _Path, before: Any, after: Any, changes: list[FieldChange]) -> None:
    if path == ("metadata", "annotations"):
        return  # never a difference, as in `digest_of`
    if path == ("spec", "triggers") and (pair := _by_name(before, after)):
        _compare_named(path, *pair, changes)
    elif _are_maps(before, after):
        old, new = before or {}, after or {}
        for key in {**new, **old} if old else new:
            _compare((*path, key), old.get(key), new.get(key), changes)
    elif _differ(before, after):
        changes.append(FieldChange(_show(path), before, after, _is_sensitive(path)))


def _are_maps(before: Any, after: Any) -> bool:
    """Whether to look inside: two maps, or a map that has something in it and nothing."""
    if isinstance(before, dict) and isinstance(after, dict):
        return True
    return (before is None and isinstance(after, dict) and bool(after)) or (
        after is None and isinstance(before, dict) and bool(before)
    )


def _by_name(before: Any, after: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
    old, new = _named(before), _named(after)
    return None if old is None or new is None or not (old or new) else (old, new)


def _named(items: Any) -> dict[str, Any] | None:
    """The items of a list by their names; None if it is not a list of named maps."""
    if items is None:
        return {}
    if not isinstance(items, list):
        return None
    named = {str(i["name"]): i for i in items if isinstance(i, dict) and "name" in i}
    return named if len(named) == len(items) else None


def _compare_named(
    path: _Path, old: dict[str, Any], new: dict[str, Any], changes: list[FieldChange]
) -> None:
    for name in {**new, **old}:
        inner = (*path[:-1], f"{path[-1]}[{name}]")
        if name in old and name in new:
            _compare(inner, old[name], new[name], changes)
        else:
            changes.append(FieldChange(_show(inner), _brief(old.get(name)), _brief(new.get(name))))


def _brief(trigger: Any) -> Any:
    """A trigger without its defaults and its name, which the path already gives."""
    if trigger is None:
        return None
    short = without_defaults({"kind": "Autopilot", "spec": {"triggers": [trigger]}})
    return {key: value for key, value in short["spec"]["triggers"][0].items() if key != "name"}


def _differ(before: Any, after: Any) -> bool:
    """As JSON: true is not 1, and the order of keys is nothing."""
    if before is None or after is None:
        return before is not after
    if isinstance(before, str) and isinstance(after, str):
        return before != after
    return json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True)


@lru_cache(maxsize=4096)
def _is_sensitive(path: _Path) -> bool:
    # Deeper down stand references to secrets, which are names.
    return any(path[: len(m)] == m and len(path) <= len(m) + 1 for m in _SENSITIVE_MAPS)


@lru_cache(maxsize=4096)
def _show(path: _Path) -> str:
    text = ""
    for part in path:
        if part.startswith("triggers[") or _SIMPLE.match(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part)}]"
    return text
