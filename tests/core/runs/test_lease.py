"""Leases of workers: their bounds, and what a worker's words become."""

from datetime import timedelta

import pytest

from reconciler.core.runs.lease import LONGEST, SHORTEST, lease_of, outcome_of
from reconciler.core.runs.run import Completed, Failed, Json, Reason


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(-1, SHORTEST, id="a negative time is the shortest lease"),
        pytest.param(0, SHORTEST, id="no time is the shortest lease"),
        pytest.param(5, timedelta(seconds=5), id="the shortest itself"),
        pytest.param(7.5, timedelta(seconds=7, milliseconds=500), id="a part of a second counts"),
        pytest.param(3600, timedelta(hours=1), id="the longest itself"),
        pytest.param(3601, LONGEST, id="more is the longest"),
    ],
)
def test_a_lease_is_kept_within_its_bounds(seconds: float, expected: timedelta) -> None:
    assert lease_of(seconds) == expected


@pytest.mark.parametrize("result", [None, "done", {"labels": 3}, [1, 2], ""])
def test_completed_keeps_the_result(result: Json) -> None:
    assert outcome_of("completed", result) == Completed(result)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        pytest.param("no rights", "no rights", id="a text is the sentence"),
        pytest.param("x" * 5000, "x" * 2000, id="a long text is cut"),
        pytest.param("", "the agent reported a failure", id="an empty text says nothing"),
        pytest.param({"code": 3}, "the agent reported a failure", id="neither does an object"),
        pytest.param(None, "the agent reported a failure", id="nor nothing at all"),
    ],
)
def test_failed_is_the_agents_failure_with_its_result(result: Json, message: str) -> None:
    assert outcome_of("failed", result) == Failed(Reason.AGENT_FAILED, message, result)
