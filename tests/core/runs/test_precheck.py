"""What a precheck's answer means."""

import pytest

from reconciler.core.runs.precheck import (
    OUTPUT_LIMIT,
    GoOn,
    NothingToDo,
    answer_of,
    precheck_failed,
    verdict_of,
)
from reconciler.core.runs.run import BREAKER_REASONS, Failed, Reason


@pytest.mark.parametrize(
    ("status", "output", "verdict"),
    [
        pytest.param(0, "", GoOn(""), id="go on, without a word"),
        pytest.param(0, "two\nlines\n", GoOn("two\nlines\n"), id="go on, with all of its output"),
        pytest.param(10, "a\nnone new\n\n", NothingToDo("precheck: none new"), id="its last line"),
        pytest.param(10, " \n", NothingToDo("its precheck sees nothing to do"), id="no words"),
    ],
)
def test_the_verdict(status: int, output: str, verdict: GoOn | NothingToDo) -> None:
    assert verdict_of(answer_of(status, output)) == verdict


def test_a_long_output_is_cut_at_its_end() -> None:
    verdict = verdict_of(answer_of(0, "a" * OUTPUT_LIMIT + "bb"))
    assert verdict == GoOn("a" * OUTPUT_LIMIT + "\n[cut: 2 more characters]")


def test_the_sentence_is_one_visible_line() -> None:
    verdict = verdict_of(answer_of(10, "all \x1b[31mdone\u202e\n"))
    assert verdict == NothingToDo("precheck: all [31mdone")


def test_whatever_went_wrong_is_a_failure_of_the_precheck() -> None:
    failed = precheck_failed(Failed(Reason.LOST, "its host died", "tail"))
    assert failed.reason in BREAKER_REASONS
    assert failed == Failed(
        Reason.PRECHECK_FAILED,
        "the precheck failed, and no agent was asked: its host died",
        "tail",
    )
