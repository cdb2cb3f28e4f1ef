"""How SQLite would carry out what a function of the store asks of it."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import text

from reconciler.store.engine.database import Database, Tx


def plan_of(database: Database, fn: Callable[[Tx], Any], *, writes: bool = False) -> list[str]:
    """The lines of the plans of every statement that `fn` runs, in order; `writes` are kept."""

    def work(tx: Tx) -> list[str]:
        statements: list[str] = []
        driver: Any = tx.connection.driver_connection
        driver.set_trace_callback(statements.append)
        try:
            fn(tx)
        finally:
            driver.set_trace_callback(None)
        return [line for sql in statements for line in _lines(tx, sql)]

    return database.write(work) if writes else database.read(work)


def _lines(tx: Tx, sql: str) -> Iterator[str]:
    escaped = sql.replace("\\", "\\\\").replace(":", "\\:")
    for row in tx.execute(text(f"EXPLAIN QUERY PLAN {escaped}")):
        yield row.detail
