"""Compiled SQL that all engines of a test process share.

A server compiles a statement once and keeps it; each test opens databases of its own and would
compile them all again, which is a third of what a test with a database costs.
"""

from typing import Any

from sqlalchemy import Dialect, Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache

_SIZE = 10_000
"""Statements that are kept: more than there are."""


class _Shared:
    """In the place of the cache that each engine has: one for each kind of database."""

    def __init__(self) -> None:
        self._caches: dict[type[Dialect], LRUCache[Any, Any]] = {}

    def __get__(self, engine: Engine, _: type[Engine]) -> LRUCache[Any, Any]:
        kind = type(engine.dialect)
        if kind not in self._caches:
            self._caches[kind] = LRUCache(_SIZE)
        return self._caches[kind]

    def __set__(self, engine: Engine, cache: object) -> None:
        """An engine brings its own, which is not used."""


def share_compiled_statements() -> None:
    """Share them from now on: the dialect is a part of what a statement is found by."""
    Engine._compiled_cache = _Shared()  # type: ignore[assignment]
    DefaultDialect.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
    DefaultDialect.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]
