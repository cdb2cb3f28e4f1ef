"""Documents to YAML that people like to read and that loads as the same documents."""

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.defaults import without_defaults
from reconciler.core.state import Document
from reconciler.manifest.quoting import literal, scalar

_STEP = 2
_WIDTH = 80
_LONGEST_KEY = 120
"""Longer keys are written with `?`: YAML takes keys of at most 1,024 characters without it."""
_ORDER = ("apiVersion", "kind", "metadata", "spec")
_TRIGGER_ORDER = ("name", "kind")
_FLOW_ENTRIES = 3


def to_yaml(document: Document) -> str:
    """The manifest of a canonical document, defaults left out; ends with a line break.

    Loading it gives the same document again.
    """
    shown = _ordered(without_defaults(document), _ORDER)
    shown.setdefault("spec", {})
    if triggers := shown["spec"].get("triggers"):
        ordered = [_ordered(trigger, _TRIGGER_ORDER) for trigger in triggers]
        shown["spec"] = {**shown["spec"], "triggers": ordered}
    return "".join(f"{line}\n" for line in _mapping(shown, 0))


def block(value: Any, indent: int) -> list[str]:
    """A value as the lines of a block, each indented; scalars and flow are one line."""
    if isinstance(value, dict) and value:
        return list(_mapping(value, indent))
    if isinstance(value, list) and value:
        return list(_sequence(value, indent))
    return [" " * indent + inline(value)]


def inline(value: Any, *, flow: bool = False) -> str:
    """A value on one line: a scalar, or a flow collection."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case str():
            return scalar(value, flow=flow)
        case Mapping():
            pairs = (f"{scalar(k, flow=True)}: {inline(v, flow=True)}" for k, v in value.items())
            return "{" + ", ".join(pairs) + "}"
        case _:
            return "[" + ", ".join(inline(item, flow=True) for item in value) + "]"


def entry(key: str, value: Any, indent: int) -> list[str]:
    """One key of a block mapping with its value, as lines."""
    start = " " * indent + scalar(key)
    if len(start) > _LONGEST_KEY:
        return [f"{' ' * indent}? {scalar(key)}", *_after(f"{' ' * indent}:", value, indent)]
    return _after(f"{start}:", value, indent)


def _after(start: str, value: Any, indent: int) -> list[str]:
    if isinstance(value, str):
        if (text := literal(value, indent + _STEP)) is not None:
            head, *lines = text.split("\n")
            return [f"{start} {head}", *lines]
        return [f"{start} {scalar(value)}"]
    if not isinstance(value, dict | list) or _fits_in_line(value, len(start)):
        return [f"{start} {inline(value)}"]
    return [start, *block(value, indent + _STEP)]


def _mapping(value: Mapping[str, Any], indent: int) -> Iterator[str]:
    for key, item in value.items():
        yield from entry(key, item, indent)


def _sequence(value: list[Any], indent: int) -> Iterator[str]:
    for item in value:
        yield from list_item(item, indent)


def list_item(item: Any, indent: int) -> list[str]:
    """One item of a block list, as lines."""
    dash = " " * indent + "-"
    if not isinstance(item, dict | list) or _fits_in_line(item, len(dash)):
        return _after(dash, item, indent)
    first, *rest = block(item, indent + _STEP)
    return [f"{dash} {first.lstrip(' ')}", *rest]


def _fits_in_line(value: dict[str, Any] | list[Any], used: int) -> bool:
    """Whether a collection is small enough for braces: few scalars, all of them short."""
    items = list(value.values()) if isinstance(value, dict) else value
    if any(isinstance(item, dict | list) and item for item in items):
        return False
    if isinstance(value, dict) and ("kind" in value or len(value) > _FLOW_ENTRIES):
        return False
    if any(isinstance(item, str) and "\n" in item for item in items):
        return False
    return used + 1 + len(inline(value)) <= _WIDTH


def _ordered(document: Document, order: tuple[str, ...]) -> Document:
    first = {key: document[key] for key in order if key in document}
    return {**first, **document}
