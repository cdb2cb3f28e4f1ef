"""Somebody edits rows of the database by hand until nothing can be made of them."""

from typing import Any

import pytest
from sqlalchemy import literal_column, update

from reconciler.store.engine.database import Tx
from reconciler.store.tables import agent, autopilot, autopilot_trigger, squad
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
