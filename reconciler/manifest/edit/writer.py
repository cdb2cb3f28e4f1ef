"""Values to lines of YAML: blocks as people write them, small collections in braces."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from reconciler.manifest.edit.quoting import literal, scalar

_WIDTH = 80
_LONGEST_KEY = 120
"""Longer keys are written with `?`: YAML takes keys of at most 1,024 characters without it."""
_FLOW_ENTRIES = 3


def as_yaml(value: Any) -> str:
    """A JSON value as YAML that reads the same under 1.1 and 1.2; ends in a line break."""
    return "".join(f"{line}\n" for line in Writer().block(value, 0))


@dataclass(frozen=True, slots=True)
class Writer:
    """How deep things are indented.

    step    a mapping or a text below its key, 1 to 9
    offset  a list below its key; 0 puts the dashes under the key
    """

    step: int = 2
    offset: int = 2

    def entry(self, key: str, value: Any, indent: int) -> list[str]:
        """One key of a block mapping with its value, as lines."""
        start = " " * indent + scalar(key)
        if len(start) <= _LONGEST_KEY:
            return self.after(f"{start}:", value, indent, self.offset)
        return [
            f"{' ' * indent}? {scalar(key)}",
            *self.after(f"{' ' * indent}:", value, indent, self.offset),
        ]

    def item(self, value: Any, indent: int) -> list[str]:
        """One item of a block list, as lines."""
        dash = " " * indent + "-"
        if not isinstance(value, dict | list) or _fits_in_line(value, len(dash)):
            return self.after(dash, value, indent, self.step)
        first, *others = self.block(value, indent + 2)
        return [f"{dash} {first.lstrip(' ')}", *others]

    def block(self, value: Any, indent: int) -> list[str]:
        """A value on lines of its own, each indented."""
        if isinstance(value, dict) and value:
            return [line for key, item in value.items() for line in self.entry(key, item, indent)]
        if isinstance(value, list) and value:
            return [line for item in value for line in self.item(item, indent)]
        return [" " * indent + inline(value)]

    def after(self, start: str, value: Any, indent: int, offset: int) -> list[str]:
        """A value behind `key:` or `-`, which stands at `indent`; a list is `offset` deeper."""
        if isinstance(value, str):
            block = literal(value, indent + self.step, self.step)
            return (
                [f"{start} {scalar(value)}"]
                if block is None
                else [f"{start} {block[0]}", *block[1:]]
            )
        if not isinstance(value, dict | list) or _fits_in_line(value, len(start)):
            return [f"{start} {inline(value)}"]
        deeper = offset if isinstance(value, list) else self.step
        return [start, *self.block(value, indent + deeper)]


def inline(value: Any, *, flow: bool = False) -> str:
    """A value on one line: a scalar, or a flow collection. `flow`: inside of one."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return _double(value)
        case str():
            return scalar(value, flow=flow)
        case Mapping():
            return "{" + ", ".join(_pairs(value)) + "}"
        case _:
            return "[" + ", ".join(inline(item, flow=True) for item in value) + "]"


def _double(value: float) -> str:
    """A double that YAML 1.1 knows as one: it wants a point, and a sign of the exponent."""
    if not isfinite(value):
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    digits, exponent, power = repr(value).partition("e")
    digits = digits if "." in digits else f"{digits}.0"
    sign = "" if power.startswith("-") else "+"
    return f"{digits}e{sign}{power.lstrip('+')}" if exponent else digits


def _pairs(value: Mapping[str, Any]) -> Iterator[str]:
    for key, item in value.items():
        shown = scalar(key, flow=True)
        mark = "? " if len(shown) > _LONGEST_KEY else ""
        yield f"{mark}{shown}: {inline(item, flow=True)}"


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
