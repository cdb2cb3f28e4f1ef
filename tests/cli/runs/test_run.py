"""`run`: records a run, and says whether a server is there to carry it out."""

import socket
import subprocess
from datetime import UTC, datetime

import pytest

from reconciler.store.engine.database import Database
from reconciler.store.servers import Server, register
from tests.support.cli import BOT, Cli, autopilot

NOBODY = "no server is running"


@pytest.fixture
def applied(cli: Cli) -> Cli:
    """An autopilot that can be run."""
    cli.write(bot=BOT, triage=autopilot("triage", more="  concurrencyPolicy: queue\n"))
    cli.apply()
    return cli


def heard_of(cli: Cli, pid: int, host: str = "") -> None:
    """A server of this database was heard of just now."""
    now = datetime.now(UTC)
    one = Server("one", host or socket.gethostname(), pid, "http://127.0.0.1:1", now, now)
    with Database.open(f"sqlite:///{cli.database}") as database:
        database.write(lambda tx: register(tx, one))


def killed() -> int:
    """The pid of a process that has ended."""
    with subprocess.Popen(["/bin/true"]) as process:
        pass
    return process.pid


def test_without_a_server_it_is_recorded_and_that_is_said(applied: Cli) -> None:
    answer = applied("run", "triage", "--output", "json")
    assert answer.code == 0
    assert answer.json["status"] == "pending"
    assert NOBODY in answer.err
    assert answer.json["id"] in answer.err
    assert "reconciler serve" in answer.err


def test_a_run_that_has_ended_already_needs_no_server(cli: Cli) -> None:
    cli.write(bot=BOT, triage=autopilot("triage"))
    cli.apply()
    cli("run", "triage")
    skipped = cli("run", "triage")
    assert (skipped.code, NOBODY in skipped.err) == (1, False)


def test_nothing_to_do_is_no_failure_of_a_script(cli: Cli) -> None:
    never = "  triggers: [{name: release, kind: api, when: 'false'}]\n"
    cli.write(bot=BOT, triage=autopilot("triage", more=never))
    cli.apply()
    answer = cli("run", "triage", "--trigger", "release")
    assert answer.code == 0
    assert "nothing_to_do" in answer.out


def test_where_a_server_is_nothing_is_said(applied: Cli) -> None:
    heard_of(applied, pid=1, host="elsewhere")
    answer = applied("run", "triage")
    assert (answer.code, answer.err) == (0, "")


@pytest.mark.parametrize("more", [[], ["--wait"]])
def test_a_server_that_was_killed_a_moment_ago_is_none(applied: Cli, more: list[str]) -> None:
    heard_of(applied, pid=killed())
    answer = applied("run", "triage", *more)
    assert answer.code == (1 if more else 0)
    assert NOBODY in answer.err
    (run,) = applied("runs", "--output", "json").json
    assert run["status"] == "pending"
