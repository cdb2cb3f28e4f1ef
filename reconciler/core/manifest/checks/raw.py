"""Reading documents that may be malformed: what is not of the expected type is not there.

The checks run on every document, also where its structure is wrong elsewhere, so that everything
is reported at once. Structure itself is reported by the models.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.manifest.checks.finding import Loc

Raw = Mapping[str, Any]


def mapping(value: Any) -> Raw:
    """The mapping, or an empty one."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str | None:
    """The text, or None."""
    return value if isinstance(value, str) else None


def texts(value: Any) -> Iterator[tuple[int, str]]:
    """The texts of a list with their indexes."""
    if isinstance(value, list):
        yield from ((i, item) for i, item in enumerate(value) if isinstance(item, str))


def mappings(value: Any) -> Iterator[tuple[int, Raw]]:
    """The mappings of a list with their indexes."""
    if isinstance(value, list):
        yield from ((i, item) for i, item in enumerate(value) if isinstance(item, dict))


def workspace_of(document: Raw) -> str:
    """The workspace that a document belongs to."""
    return text(mapping(document.get("metadata")).get("workspace", "default")) or ""


def triggers_of(document: Raw) -> list[tuple[Loc, Raw]]:
    """The triggers of an autopilot with their places."""
    triggers = mapping(document.get("spec")).get("triggers")
    if not isinstance(triggers, list):
        return []
    return [
        (("spec", "triggers", index), trigger)
        for index, trigger in enumerate(triggers)
        if isinstance(trigger, dict)
    ]
