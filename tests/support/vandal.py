"""Somebody edits rows of the database by hand until nothing can be made of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Integer,
    Table,
    literal_column,
    text,
    update,
)

from reconciler.store.engine.database import Tx
from reconciler.store.tables import Instant, agent, autopilot, autopilot_trigger, squad
from tests.support.rig import Rig

TABLES = {
    "autopilot": autopilot, "trigger": autopilot_trigger, "agent": agent, "squad": squad,
}  # fmt: skip
MISTYPED = {
    "timeout": "1h", "queueTtl": "1h", "maxConcurrency": "x", "maxActive": None, "queueLimit": {},
    "pauseAfterFailures": "x", "concurrencyKey": 5, "limits": {"perHour": "x"},
    "budget": {"perRun": "x"},
}  # fmt: skip
SPECS = [
    pytest.param([], id="a list"),
    pytest.param("x", id="a text"),
    pytest.param(None, id="null"),
    pytest.param({}, id="nothing in it"),
    pytest.param({"timeout": 5, "queueTtl": [], "limits": []}, id="other types"),
    pytest.param(MISTYPED, id="types that do not reckon"),
]
"""What an autopilot's `spec` may be after somebody was at it."""


def scribble(rig: Rig, table: str, column: str, value: Any, name: str | None = None) -> None:
    """Set a JSON column of the rows of this name, or of all."""
    there = TABLES[table]
    statement = update(there).values({column: value})
    _write(rig, statement if name is None else statement.where(there.c.name == name))


def tear(rig: Rig, table: str, column: str, name: str) -> None:
    """Leave half of the JSON of these rows; SQLite does not mind, PostgreSQL would refuse."""
    there = TABLES[table]
    torn = update(there).values({column: literal_column("'{'")})
    _write(rig, torn.where(there.c.name == name))


def _write(rig: Rig, statement: Any) -> None:
    def write(tx: Tx) -> None:
        assert tx.execute(statement).rowcount

    rig.database.write(write)


_TEXTS = ["'whim'", "x'ff'", "CAST(x'e9' AS TEXT)"]
"""The last one is text in another encoding."""
_READ = {"title", "queue", "cancel_reason", "cron_expression"}
"""Text that is more than text, or of which each one that is read is read like the others."""


def garbage(column: Column[Any], database: str) -> list[str]:
    """What somebody may write into a column of this type, as SQL, and nothing can be made of."""
    loose = database == "sqlite"  # which keeps anything in any column
    match column.type:
        case Instant():
            # What sorts after, and before, all that is a moment.
            return ["'soon'", "'0'"] if loose else ["'infinity'", "'-infinity'"]
        case JSON():
            return ["'[1]'", "'{'"] if loose else ["'[1]'"]
        case Boolean():
            return ["'x'"] if loose else []
        case BigInteger():
            return ["'x'", str(2**63 - 1)] if loose else [str(2**63 - 1)]
        case Integer():
            return ["'x'", str(2**31 - 1)] if loose else [str(2**31 - 1)]
        case _:
            return [*_TEXTS] if loose and column.name in _READ else _TEXTS[:1]


def break_column(rig: Rig, column: Column[Any], value: str, id_: str | int) -> None:
    """Write this SQL into one column of one row."""
    statement = f"UPDATE {column.table.name} SET {column.name} = {value} WHERE id = :id"  # noqa: S608
    _write(rig, text(statement).bindparams(id=id_))


@contextmanager
def refused(rig: Rig, table: Table, condition: str) -> Iterator[None]:
    """Let the database refuse every change of the rows for which this SQL over OLD is true."""
    name, undo = table.name, [f"DROP TRIGGER refuse ON {table.name}", "DROP FUNCTION refuse()"]
    on_row = f"FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION refuse()"
    body = "$$ BEGIN RAISE EXCEPTION 'refused'; END $$"
    statements = [
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS {body}",
        f"CREATE TRIGGER refuse BEFORE UPDATE ON {name} {on_row}",
    ]
    if rig.database.name == "sqlite":
        undo = ["DROP TRIGGER refuse"]
        body = "BEGIN SELECT RAISE(ABORT, 'refused'); END"
        statements = [f"CREATE TRIGGER refuse BEFORE UPDATE ON {name} WHEN {condition} {body}"]
    _execute(rig, statements)
    try:
        yield
    finally:
        _execute(rig, undo)


def _execute(rig: Rig, statements: Sequence[str]) -> None:
    for statement in statements:
        rig.database.write(lambda tx, sql=statement: tx.execute(text(sql)))  # type: ignore[misc]
