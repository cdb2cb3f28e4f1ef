"""Runs as text: what they used, as far as it is known."""

from typing import Any

import pytest

from reconciler.cli.rendering.runs import run_table, run_text
from reconciler.core.runs.view import run_document
from tests.core.runs.test_view import a_run

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


def test_a_list_shows_costs_and_not_what_is_unknown() -> None:
    runs = [run_document(a_run(usage=usage)) for usage in (USAGE, None)]
    header, known, unknown = run_table(runs).splitlines()
    at = header.index("COST")
    assert (known[at:].split()[0], unknown[at:].split()[0]) == ("$0.25", "-")
