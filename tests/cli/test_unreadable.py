"""Commands about rows that were edited by hand into nonsense: a sentence, and others go on."""

import sqlite3

import pytest

from tests.support.cli import BOT, Cli, autopilot

TRIGGERS = """\
  triggers:
    - {name: bad, kind: schedule, cron: "0 9 * * *"}
    - {name: good, kind: schedule, cron: "0 9 * * *"}
    - {name: hook, kind: webhook, signature: {scheme: none}}
"""


@pytest.fixture
def applied(cli: Cli) -> Cli:
    """An autopilot with triggers, and one without."""
    cli.write(bot=BOT, triage=autopilot("triage", more=TRIGGERS), other=autopilot("other"))
    cli.apply()
    return cli


def edit(cli: Cli, statement: str, spec: str) -> None:
    """Change the database behind the program's back."""
    connection = sqlite3.connect(cli.database)
    with connection:
        assert connection.execute(statement, [spec]).rowcount == 1
    connection.close()


@pytest.mark.parametrize("spec", ["[]", "{"])
def test_next_shows_the_triggers_that_can_be_read(applied: Cli, spec: str) -> None:
    edit(applied, "UPDATE autopilot_trigger SET spec = ? WHERE name = 'bad'", spec)
    answer = applied("next", "triage", "--count", "1", "--output", "json")
    assert answer.code == 0
    assert [one["trigger"] for one in answer.json] == ["good"]
    assert "trigger bad of triage was edited by hand" in answer.err


def test_the_url_of_a_trigger_that_cannot_be_read(applied: Cli) -> None:
    edit(applied, "UPDATE autopilot_trigger SET spec = ? WHERE name = 'hook'", "[]")
    answer = applied("webhook", "url", "triage/hook")
    assert (answer.code, answer.out) == (1, "")
    assert "trigger triage/hook was edited by hand" in answer.err


@pytest.mark.parametrize("spec", ["[]", "{", "{}"])
def test_an_autopilot_that_cannot_be_read(applied: Cli, spec: str) -> None:
    edit(applied, "UPDATE autopilot SET spec = ? WHERE name = 'triage'", spec)
    refused = applied("run", "triage")
    assert (refused.code, refused.out) == (1, "")
    assert "default/triage was edited by hand" in refused.err
    assert "edited by hand" in applied("why", "triage").out
    for command in ("pause", "resume"):
        everybody = applied(command, "--all")
        assert everybody.code == 0
        assert len(everybody.out.splitlines()) == 2
    assert applied("next", "triage").code == 0
    assert applied("run", "other").code == 0
    applied.apply()
    assert applied("run", "triage").code == 0
