"""Texts with a NUL: YAML can write one, but no program takes it and PostgreSQL cannot store it."""

from collections.abc import Iterator
from typing import Any

from reconciler.core.base.codes import Code
from reconciler.core.manifest.checks.finding import At, Finding, Loc

_MESSAGE = "the text holds the character NUL; take it out"
_WRITTEN = r"\x00"
"""A NUL as `repr` writes it, or a text that looks like one."""


def nul_findings(value: Any) -> Iterator[Finding]:
    """Every text below a value that holds a NUL, keys included."""
    if _WRITTEN in repr(value):  # hardly ever: then it is worth looking where
        yield from _below(value, ())


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
