"""Each column either belongs to the manifest, and an edit shows, or to the runtime, and none does.

A column that is added to a table has to be entered here.
"""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, insert, update

from reconciler.core.manifest.state import Desired
from reconciler.core.plan.drift import drift_of
from reconciler.core.plan.plan import make_plan
from reconciler.store.engine.database import Database
from reconciler.store.tables import (
    agent,
    autopilot,
    autopilot_run,
    autopilot_trigger,
    missed_interval,
    squad,
)
from tests.support.applying import NOON, apply, current_of, rows_of
from tests.support.health import SHARED_FIXTURE
from tests.support.worlds import agent as an_agent
from tests.support.worlds import autopilot as an_autopilot
from tests.support.worlds import desired, schedule
from tests.support.worlds import squad as a_squad

HOOK = {"name": "hook", "kind": "webhook", "signature": {"scheme": "none"}}
WANTED: Desired = desired(
    an_agent(), a_squad("team", "bot"), an_autopilot("x", triggers=[schedule("s"), HOOK])
)

MEANING: dict[str, dict[str, Any]] = {
    "agent": {
        "name": "other", "workspace_id": "other", "labels": {"a": "b"}, "max_concurrency": 77,
        "spec": {}, "former_names": ["z"], "budget": {"perDay": "7"},
    },
    "squad": {
        "name": "other", "workspace_id": "other", "labels": {"a": "b"}, "spec": {"members": []},
        "former_names": ["z"],
    },
    "autopilot": {
        "name": "other", "workspace_id": "other", "labels": {"a": "b"}, "title": "Other",
        "description": "Other", "assignee_type": "squad", "assignee_id": "other",
        "execution_mode": "run_only", "concurrency_policy": "queue",
        "issue_title_template": "{{ date }}", "status": "paused", "spec": {"maxActive": 3},
        "former_names": ["z"],
    },
    "autopilot_trigger": {
        "name": "other", "kind": "api", "enabled": False, "label": "Other",
        "cron_expression": "1 1 1 1 1", "timezone": "Asia/Tokyo", "webhook_secret": [{"file": "x"}],
        "spec": {}, "removed_at": NOON,
    },
}  # fmt: skip
"""Columns that say what an object means, each with a value that it does not have."""

NOTES = {"source_id", "origin_path", "origin_line", "origin_column", "origin_revision",
         "applied_digest", "archived_at", "annotations"}  # fmt: skip
"""Columns of apply itself: whose the row is, what it was compared with, and what never is."""

RUNTIME: dict[str, dict[str, Any]] = {
    "agent": {"unavailable_until": NOON, "unavailable_reason": "down", "out_of_quota": True},
    "squad": {"turn": 7},
    "autopilot": {
        "last_run_at": NOON, "paused_at": NOON, "paused_by": "eve", "pause_reason": "?",
        "in_force_since": NOON, "failures": 5, "breaker_opened_at": NOON, "breaker_probe": "r",
        "failing_since": NOON,
    },
    "autopilot_trigger": {
        "next_run_at": NOON, "next_scheduled_for": NOON, "cursor": NOON, "last_fired_at": NOON,
        "zone_rules": "2099z", "decides_after": NOON, "stalled_at": NOON, "stalled_reason": "?",
        "webhook_token": None, "token_generation": 3, "previous_token": "p",
        "previous_token_until": NOON, "position": 9,
    },
}  # fmt: skip
"""Columns of the server, each with a value that it may take."""

FIXED = {"id", "created_by", "created_at", "updated_at"}
TRIGGER_FIXED = {"id", "autopilot_id", "created_at", "updated_at"}
TABLES: dict[str, Table] = {
    each.name: each for each in (agent, squad, autopilot, autopilot_trigger)
}


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_one_or_the_other(name: str) -> None:
    fixed = TRIGGER_FIXED if name == "autopilot_trigger" else FIXED | NOTES
    known = {*MEANING[name], *RUNTIME[name], *fixed}
    assert {column.name for column in TABLES[name].c} == known


def edit(database: Database, name: str, values: dict[str, Any]) -> None:
    table = TABLES[name]
    statement = update(table).values(values)
    if name == "autopilot_trigger":
        statement = statement.where(table.c.name == ("hook" if "webhook" in str(values) else "s"))
    database.write(lambda tx: tx.execute(statement))


@pytest.mark.parametrize(
    ("name", "column"),
    [pytest.param(n, c, id=f"{n}.{c}") for n, columns in MEANING.items() for c in columns],
)
def test_an_edit_of_the_meaning_shows_as_drift_and_is_put_back(
    database: Database, name: str, column: str
) -> None:
    apply(database, WANTED)
    edit(database, name, {column: MEANING[name][column]})
    current = current_of(database)
    if column == "workspace_id":  # then it is another object, and the manifest's is not there
        assert not make_plan(current, WANTED).is_empty
        return
    assert [drift.key.kind for drift in drift_of(current)] == [
        "Autopilot" if name == "autopilot_trigger" else name.capitalize()
    ]
    assert not make_plan(current, WANTED).is_empty
    apply(database, WANTED)
    assert make_plan(current_of(database), WANTED).is_empty


@settings(max_examples=30, deadline=None, suppress_health_check=SHARED_FIXTURE)
@given(data=st.data())
def test_no_runtime_change_is_ever_a_diff(database: Database, data: st.DataObject) -> None:
    apply(database, WANTED)
    for name, columns in RUNTIME.items():
        chosen = data.draw(st.lists(st.sampled_from(sorted(columns)), unique=True))
        if chosen:
            edit(database, name, {column: columns[column] for column in chosen})
    current = current_of(database)
    plan = make_plan(current, WANTED)
    assert (plan.changes, plan.refreshes, plan.drift) == ((), (), ())


def test_runs_and_missed_intervals_are_no_diff(database: Database) -> None:
    apply(database, WANTED)
    (row,), (_, trigger) = rows_of(database, autopilot), rows_of(database, autopilot_trigger)
    run = {
        "id": "r", "autopilot_id": row["id"], "trigger_id": trigger["id"],
        "workspace_id": "default", "source": "schedule", "status": "skipped", "reason": "overlap",
        "title": "A title", "spec_digest": row["applied_digest"], "scheduled_for": NOON,
        "triggered_at": NOON, "completed_at": NOON, "created_at": NOON,
    }  # fmt: skip
    missed = {
        "trigger_id": trigger["id"], "autopilot_id": row["id"], "reason": "missed",
        "first_at": NOON, "last_at": NOON + timedelta(hours=1), "count": 2, "created_at": NOON,
    }  # fmt: skip
    database.write(lambda tx: tx.execute(insert(autopilot_run), run))
    database.write(lambda tx: tx.execute(insert(missed_interval), missed))
    assert make_plan(current_of(database), WANTED).is_empty
