"""Drift: rows that were edited, deleted, archived or given away by hand, on both databases."""

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, delete, func, select, text, update

from reconciler.control.apply.inventory import drift
from reconciler.control.apply.reconcile import (
    Applied,
    ApplyRequest,
    apply_once,
    plan_once,
)
from reconciler.core.base.errors import Blocked
from reconciler.core.manifest.state import Declared, Desired, FileDigest
from reconciler.store.engine.database import Database
from reconciler.store.revisions.revisions import Via
from reconciler.store.tables import agent as agent_table
from reconciler.store.tables import autopilot as autopilot_table
from reconciler.store.tables import autopilot_trigger
from tests.support.applying import NOON, rows_of, token_hash
from tests.support.worlds import agent, autopilot, desired, schedule

HOURLY = schedule("hourly", "0 * * * *")
DAILY = schedule("daily", "0 9 * * *")


def source(*objects: Declared, name: str = "default") -> Desired:
    """A source whose files say which objects they declare, as the loader gives them."""
    wanted = desired(*objects, source=name)
    files = tuple(
        FileDigest(declared.origin.path, declared.digest, (declared.key,)) for declared in objects
    )
    return replace(wanted, files=files)


WANTED = source(agent(), agent("idle"), autopilot("x", triggers=[HOURLY, DAILY]))


def apply(database: Database, wanted: Desired = WANTED, *, self_heal: bool = True) -> Applied:
    request = ApplyRequest(actor="ada", via=Via.CLI, self_heal=self_heal)
    return apply_once(database, wanted, request, token_hash=token_hash)


def drifted(database: Database, source_id: str | None = None) -> list[tuple[str, str]]:
    """Each object that drifted, and how."""
    return [(entry.key.name, entry.state.value) for entry in drift(database, source_id)]


EDITS = [
    pytest.param(delete(agent_table), "gone", id="deleted"),
    pytest.param(update(agent_table).values(archived_at=NOON), "archived", id="archived"),
    pytest.param(update(agent_table).values(source_id=None), "disowned", id="without a source"),
    pytest.param(
        update(agent_table).values(source_id="theirs"), "disowned", id="of a foreign source"
    ),
    pytest.param(
        update(agent_table).values(applied_digest=None), "unrecorded", id="without a digest"
    ),
    pytest.param(update(agent_table).values(max_concurrency=99), "changed", id="edited"),
    pytest.param(update(agent_table).values(name="other"), "changed", id="renamed"),
]


@pytest.mark.parametrize(("edit", "state"), EDITS)
def test_every_edit_by_hand_shows_once(database: Database, edit: object, state: str) -> None:
    apply(database)
    assert drifted(database) == drifted(database, "default") == []
    statement = edit.where(agent_table.c.name == "idle")  # type: ignore[attr-defined]
    database.write(lambda tx: tx.execute(statement))
    (entry,) = drift(database)
    assert entry.state == state
    assert drifted(database, "default") == [(entry.key.name, state)]
    assert drift(database, "another") == ()
    assert entry.origin is not None
    assert entry.origin.path == "agents/idle.yaml"
    assert entry.message() or entry.fields


@pytest.mark.parametrize(("edit", "state"), EDITS)
def test_the_next_apply_puts_it_back_or_says_what_to_do(
    database: Database, edit: object, state: str
) -> None:
    apply(database)
    statement = edit.where(agent_table.c.name == "idle")  # type: ignore[attr-defined]
    database.write(lambda tx: tx.execute(statement))
    if state == "disowned":  # whose row it is nobody can know: somebody has to say so
        with pytest.raises(Blocked):
            apply(database)
    else:
        apply(database)
        assert drifted(database) == []
        assert plan_once(database, WANTED).is_empty


@pytest.mark.parametrize("state", ["gone", "archived"])
def test_without_self_healing_it_stays_until_its_file_changes(
    database: Database, state: str
) -> None:
    apply(database)
    idle = agent_table.c.name == "idle"
    edit = delete(agent_table) if state == "gone" else update(agent_table).values(archived_at=NOON)
    database.write(lambda tx: tx.execute(edit.where(idle)))
    assert apply(database, self_heal=False).plan.is_empty
    assert drifted(database) == [("idle", state)]
    apply(database, source(agent(), agent("idle", limit=3)), self_heal=False)
    assert drifted(database) == []


def delete_autopilots_only(database: Database, url: str) -> None:
    """Delete the rows of autopilots and leave what refers to them, as a careless script does."""
    if database.name == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as rows:
            rows.execute("DELETE FROM autopilot")
            rows.commit()
        return
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(delete(autopilot_table))
    engine.dispose()


def test_triggers_that_outlived_their_autopilot_are_taken_up_again(
    database: Database, database_url: str
) -> None:
    apply(database)
    before = {row["name"]: row["id"] for row in rows_of(database, autopilot_trigger)}
    delete_autopilots_only(database, database_url)
    assert drifted(database) == [("x", "gone")]
    only_hourly = source(agent(), agent("idle"), autopilot("x", triggers=[HOURLY]))
    apply(database, only_hourly)
    rows = {row["name"]: row for row in rows_of(database, autopilot_trigger)}
    assert {name: row["id"] for name, row in rows.items()} == before
    assert rows["hourly"]["removed_at"] is None
    assert rows["daily"]["removed_at"] is not None
    assert drifted(database) == []
    assert plan_once(database, only_hourly).is_empty
    apply(database)
    assert plan_once(database, WANTED).is_empty


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"hourly": "daily", "daily": "hourly"}, id="swapped"),
        pytest.param({"hourly": "other"}, id="renamed"),
        pytest.param({"daily": None, "hourly": "daily"}, id="named as one that was deleted"),
    ],
)
def test_triggers_that_were_renamed_by_hand_get_their_names_back(
    database: Database, edit: dict[str, str | None]
) -> None:
    apply(database)
    before = {row["id"]: row["name"] for row in rows_of(database, autopilot_trigger)}
    t = autopilot_trigger
    ids = {name: id_ for id_, name in before.items()}

    def scramble(tx: object) -> None:
        for name, new in edit.items():
            row = t.c.id == ids[name]
            temporary = update(t).where(row).values(name=f"tmp-{name}")
            tx.execute(delete(t).where(row) if new is None else temporary)  # type: ignore[attr-defined]
        for name, new in edit.items():
            tx.execute(update(t).where(t.c.id == ids[name]).values(name=new or name))  # type: ignore[attr-defined]

    database.write(scramble)
    apply(database)
    assert {row["id"]: row["name"] for row in rows_of(database, autopilot_trigger)} == before
    assert drifted(database) == []
    assert database.read(lambda tx: tx.execute(select(func.count()).select_from(t)).scalar()) == 2
