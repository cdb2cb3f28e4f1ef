"""Texts with a NUL: YAML can write one, but no program takes it and PostgreSQL cannot store it."""

from collections.abc import Iterator
from typing import Any

from reconciler.core.checks.finding import At, Finding, Loc
from reconciler.core.codes import Code

_MESSAGE = "the text holds the character NUL; take it out"


def nul_findings(value: Any, loc: Loc = ()) -> Iterator[Finding]:
    """Every text below a value that holds a NUL, keys included."""
    match value:
        case str():
            if "\0" in value:
                yield Finding(loc, _MESSAGE, Code.TEXT_NUL)
        case dict():
            for key, item in value.items():
                if isinstance(key, str) and "\0" in key:
                    yield Finding((*loc, key), _MESSAGE, Code.TEXT_NUL, At.KEY)
                yield from nul_findings(item, (*loc, key))
        case list():
            for index, item in enumerate(value):
                yield from nul_findings(item, (*loc, index))
