"""Texts with a NUL: YAML can write one, but no program takes it and PostgreSQL cannot store it."""

from collections.abc import Iterator
from typing import Any

from pydantic_core import to_json

from reconciler.core.base.codes import Code
from reconciler.core.manifest.checks.finding import At, Finding, Loc

_MESSAGE = "the text holds the character NUL; take it out"
_WRITTEN = rb"\u0000"
"""A NUL as JSON writes it, or a text that looks like one."""


def nul_findings(value: Any) -> Iterator[Finding]:
    """Every text below a value that holds a NUL, keys included."""
    if _may_hold_one(value):  # hardly ever: then it is worth searching where
        yield from _below(value, ())


def _may_hold_one(value: Any) -> bool:
    """Whether the value as JSON looks like it: one pass in C, for documents by the ten thousand."""
    try:
        return _WRITTEN in to_json(value)
    except ValueError:  # half of a surrogate pair is no JSON
        return True


def _below(value: Any, loc: Loc) -> Iterator[Finding]:
    match value:
        case str():
            if "\0" in value:
                yield Finding(loc, _MESSAGE, Code.TEXT_NUL)
        case dict():
            for key, item in value.items():
                if isinstance(key, str) and "\0" in key:
                    yield Finding((*loc, key), _MESSAGE, Code.TEXT_NUL, At.KEY)
                yield from _below(item, (*loc, key))
        case list():
            for index, item in enumerate(value):
                yield from _below(item, (*loc, index))
