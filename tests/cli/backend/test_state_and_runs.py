"""What is there, runs and switches: the same with a database and through a server."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cli import BOT, Cli, autopilot

TRIGGERS = """\
  triggers:
    - {name: clock, kind: schedule, cron: "0 9 * * *"}
    - {name: hook, kind: webhook, signature: {scheme: none}}
    - {name: off, kind: schedule, enabled: false, every: 1h}
"""


@pytest.fixture
def full(way: Cli) -> Cli:
    """Two autopilots and their agent, applied."""
    way.write(agent=BOT, one=autopilot("one", more=TRIGGERS), two=autopilot("two"))
    way.apply()
    return way


def execute(path: Path, statement: str) -> None:
    """Change the database by hand."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


Written = tuple[int, str, str]


def both(cli: Cli, *arguments: str) -> tuple[Written, Written]:
    """What the command writes on this way, and with the database.

    Again where that moves on meanwhile, as a server gives runs to agents and clocks go on.
    """
    while True:
        before, way = written_locally(cli, *arguments), written(cli, *arguments)
        if way in (before, after := written_locally(cli, *arguments)):
            return way, way
        if before == after:  # it stood still around the other one
            return way, after


def written_locally(cli: Cli, *arguments: str) -> Written:
    """What the command writes with the database."""
    return written(cli, *arguments, "--database", f"sqlite:///{cli.database}")


def written(cli: Cli, *arguments: str) -> Written:
    """What the command writes."""
    answer = cli(*arguments)
    return answer.code, answer.out, answer.err


READING = [
    ("drift",),
    ("drift", "-o", "json", "--source", "default"),
    ("export",),
    ("export", "-o", "json", "--all"),
    ("history",),
    ("history", "-o", "json", "--problems"),
    ("runs",),
    ("runs", "one", "-o", "json", "--status", "pending"),
    ("runs", "nobody"),
    ("runs", "show", "no-id/../x"),
    ("runs", "cancel", "00000000-0000-0000-0000-000000000000"),
    ("runs", "approve", "00000000-0000-0000-0000-000000000000"),
    ("runs", "reject", "no-id"),
    ("notify", "resend", "no-id"),
    ("notify", "resend", "00000000-0000-0000-0000-000000000000"),
    ("why", "one", "--at", "2026-01-02T00:00:00Z"),
    ("why", "one", "--at", "2026-01-02T00:00:00Z", "-o", "json"),
    ("why", "default/nobody"),
    ("why", "platform/one"),
    ("next", "one"),
    ("next", "one", "-o", "json", "--count", "300"),
    ("next", "one", "--after", "2026-01-01T00:00:00Z"),
    ("next", "two"),
    ("next", "nobody"),
    ("webhook", "url", "one/hook"),
    ("webhook", "url", "one/clock"),
    ("audit", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z"),
    ("audit", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z", "-o", "json"),
    ("audit", "--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"),
    ("audit", "--from", "9000-01-01T00:00:00Z", "--to", "9001-01-01T00:00:00Z"),
    ("simulate", ".", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-03T00:00:00Z"),
    (
        "simulate",
        ".",
        "--from",
        "2026-01-01T00:00:00Z",
        "--to",
        "2026-01-03T00:00:00Z",
        "-o",
        "json",
    ),
    ("simulate", ".", "--from", "2026-01-03T00:00:00Z", "--to", "2026-01-03T00:00:00Z"),
    ("simulate", "nowhere", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-03T00:00:00Z"),
    ("pause", "nobody"),
    ("adopt", "agent", "nobody"),
    ("adopt", "agent", "bot", "--source", "other"),
    ("run", "nobody"),
    ("run", "one", "--trigger", "nothing"),
]


def test_what_is_read_and_refused_is_the_same(full: Cli) -> None:
    execute(full.database, "UPDATE agent SET max_concurrency = 3")
    for arguments in READING:
        way, local = both(full, *arguments)
        assert way == local, arguments


def test_a_name_in_another_workspace_is_a_near_miss(full: Cli) -> None:
    answer = full("next", "platform/two")
    assert answer.code == 1
    assert "there is no autopilot platform/two; did you mean default/two?" in answer.err
    assert "is it applied?" in full("next", "platform/nobody").err


def test_export_writes_what_plans_as_nothing(full: Cli) -> None:
    assert full("export", "-d", "copy").code == 0
    assert full("plan", "copy").out.startswith("No changes.")


def test_a_run_is_started_listed_shown_and_cancelled(full: Cli) -> None:
    made = full("run", "one", "--payload", '{"a": 1.0}', "-o", "json").json
    assert (made["status"], made["payload"]) == ("pending", {"a": 1.0})
    assert [run["id"] for run in full("runs", "one", "-o", "json").json] == [made["id"]]
    assert full("runs", "show", made["id"], "-o", "json").json["id"] == made["id"]
    way, local = both(full, "runs", "show", made["id"])
    assert way == local
    skipped = full("run", "one")
    assert (skipped.code, "skipped (overlap)" in skipped.out) == (1, True)
    execute(
        full.database,
        "INSERT INTO approval (run_id, question, answer_at, reported, asked_at) "
        "SELECT id, 'push?', '', 0, '2026-01-01T00:00:00.000000Z' FROM autopilot_run "
        "WHERE status = 'pending'",
    )
    unasked = full("runs", "approve", made["id"])
    assert (unasked.code, unasked.out) == (64, "")
    assert f"run {made['id']} asks: push?" in unasked.err
    assert "give --yes to answer" in unasked.err
    approved = full("runs", "approve", made["id"], "--yes", "-o", "json").json
    assert approved["note"].startswith("approved by ")
    assert approved["note"].endswith(": push?")
    refused = full("runs", "reject", made["id"], "--yes")
    assert (refused.code, "has approved this already" in refused.err) == (1, True)
    assert full("runs", "cancel", made["id"]).code == 0
    assert len(full("runs", "-o", "json", "--limit", "1").json) == 1


def test_pause_and_resume_one_and_all(full: Cli) -> None:
    (paused,) = full("pause", "one", "--reason", "a rest", "-o", "json").json
    assert (paused["name"], paused["pauseReason"], paused["status"]) == ("one", "a rest", "active")
    refused = full("run", "one")
    assert (refused.code, "paused" in refused.err) == (1, True)
    way, local = both(full, "next", "one")
    assert way == local
    assert "takes no work now" in way[2]
    assert len(full("pause", "--all", "-o", "json").json) == 2
    resumed = full("resume", "--all")
    assert resumed.out == "default/one: takes work\ndefault/two: takes work\n"
    assert full("pause").code == 64


def test_adopting_gives_an_object_without_owner_to_this_source(full: Cli) -> None:
    execute(full.database, "UPDATE agent SET source_id = NULL")
    answer = full("adopt", "agent", "bot")
    assert (answer.code, answer.out) == (0, "Agent default/bot belongs to source 'default'\n")
    execute(full.database, "UPDATE agent SET source_id = NULL")
    adopted = full("adopt", "agent", "bot", "-o", "json").json
    assert {**adopted, "id": ""} == {
        "id": "",
        "kind": "Agent",
        "workspace": "default",
        "name": "bot",
        "sourceId": "default",
    }
