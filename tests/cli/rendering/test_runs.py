"""Runs as text: what they used, as far as it is known."""

from datetime import timedelta
from typing import Any

import pytest

from reconciler.cli.rendering.runs import run_table, run_text
from reconciler.core.runs.view import run_document
from tests.core.runs.test_view import AT, a_run

USAGE = {"costUsd": 0.25, "inputTokens": 1200, "outputTokens": 80, "turns": 2, "model": "opus"}


@pytest.mark.parametrize(
    ("usage", "line"),
    [
        pytest.param(
            USAGE, "$0.25, input tokens 1,200, output tokens 80, turns 2, opus", id="everything"
        ),
        pytest.param({"costUsd": 0.0}, "$0.00", id="it cost nothing"),
        pytest.param({"turns": 1}, "turns 1", id="no cost"),
    ],
)
def test_a_run_says_what_it_used(usage: dict[str, Any], line: str) -> None:
    assert f"  usage:          {line}" in run_text(run_document(a_run(usage=usage))).splitlines()


def test_a_run_says_when_its_agent_got_it_and_since_when_it_has_its_session() -> None:
    later = {"dispatched_at": AT + timedelta(seconds=3), "session_at": AT + timedelta(seconds=5)}
    lines = run_text(run_document(a_run(**later))).splitlines()
    assert "  dispatched at:  2026-11-02T08:00:03.250000Z" in lines
    assert "  session at:     2026-11-02T08:00:05.250000Z" in lines
    assert "dispatched" not in run_text(run_document(a_run()))


def test_a_run_of_a_server_of_an_older_version_is_shown_without_what_it_does_not_know() -> None:
    known = run_document(a_run(session_at=AT))
    older = {name: value for name, value in known.items() if name != "sessionAt"}
    assert run_text(older) == run_text(run_document(a_run()))


def test_a_list_shows_costs_and_not_what_is_unknown() -> None:
    runs = [run_document(a_run(usage=usage)) for usage in (USAGE, None)]
    header, known, unknown = run_table(runs).splitlines()
    at = header.index("COST")
    assert (known[at:].split()[0], unknown[at:].split()[0]) == ("$0.25", "-")
