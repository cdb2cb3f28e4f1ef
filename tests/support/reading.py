"""What a piece of code reads of an SQLite database: the plans of its statements, and their steps.

Steps are instructions of SQLite's virtual machine: unlike time they are the same on every machine
and every day, and grow with each row that is looked at.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event

from reconciler.store.engine.database import Database, Tx


@dataclass
class Reading:
    """Filled while it is watched."""

    plans: list[str] = field(default_factory=list)
    steps: int = 0


@contextmanager
def watched(database: Database) -> Iterator[Reading]:
    """Watch the connection with which this thread reads; nobody else may read meanwhile."""
    reading, explaining = Reading(), False

    def count() -> int:
        reading.steps += not explaining
        return 0

    def explain(_tx: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        nonlocal explaining
        explaining = True
        rows = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        reading.plans += [row[3] for row in rows]
        explaining = False

    engine, connection = database.read(_behind)
    event.listen(engine, "before_cursor_execute", explain)
    connection.set_progress_handler(count, 1)
    try:
        yield reading
    finally:
        connection.set_progress_handler(None, 0)
        event.remove(engine, "before_cursor_execute", explain)


def _behind(tx: Tx) -> tuple[Engine, Any]:
    return tx.engine, tx.connection.driver_connection
