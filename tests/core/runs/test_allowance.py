"""A run that has cost more than it may has failed for that, and says by how much."""

from typing import Any

import pytest

from reconciler.core.runs.allowance import held_to_allowance, over_allowance
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason
from reconciler.core.runs.usage import Usage
from tests.core.runs.test_view import a_run

DOLLAR = 1_000_000
DEAR, CHEAP = Usage(cost_micros=600_000), Usage(cost_micros=500_000)
WHY = "it has cost $0.60, $0.10 more than budget.perRun of $0.50"


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        pytest.param(Completed("x", CHEAP), Completed("x", CHEAP), id="all that it may"),
        pytest.param(Completed("x"), Completed("x"), id="not known"),
        pytest.param(
            Completed("x", DEAR, "a note"),
            Failed(Reason.OVER_BUDGET, WHY, "x", DEAR, "a note"),
            id="done, and too dear",
        ),
        pytest.param(
            Failed(Reason.AGENT_FAILED, "gave up", "x", DEAR),
            Failed(Reason.OVER_BUDGET, WHY, "x", DEAR),
            id="the agent gave up",
        ),
        pytest.param(
            Failed(Reason.OVER_BUDGET, "when it was asked to stop", "x", DEAR),
            Failed(Reason.OVER_BUDGET, WHY, "x", DEAR),
            id="what it cost in the end",
        ),
        pytest.param(
            Failed(Reason.TIMED_OUT, "late", "x", DEAR),
            Failed(Reason.TIMED_OUT, "late", "x", DEAR),
            id="it was stopped for something else",
        ),
        pytest.param(
            Failed(Reason.EXPECTATION_UNMET, "no", "x", DEAR),
            Failed(Reason.EXPECTATION_UNMET, "no", "x", DEAR),
            id="its result is not what was expected",
        ),
    ],
)
def test_how_it_ends(outcome: Outcome, expected: Outcome) -> None:
    assert held_to_allowance(a_run(allowance_micros=DOLLAR // 2), outcome) == expected


@pytest.mark.parametrize("free", [{}, {"allowance_micros": 0}])
def test_without_per_run_any_cost_is_fine(free: dict[str, Any]) -> None:
    assert held_to_allowance(a_run(**free), Completed("x", DEAR)) == Completed("x", DEAR)


def test_what_was_reported_while_it_worked_counts_too() -> None:
    run = a_run(allowance_micros=DOLLAR // 2, cost_micros=600_000, usage={"costUsd": 0.6})
    assert held_to_allowance(run, Completed("x")) == Failed(Reason.OVER_BUDGET, WHY, "x")


def test_a_cost_that_is_not_known_is_over_nothing() -> None:
    assert over_allowance(DOLLAR, None) is None
