"""Results as `expect` reads them, and the sentence about one that is not what was expected."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.invisible import INVISIBLE
from reconciler.core.runs.expectation import parsed, unmet
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.core.runs.usage import Usage


@pytest.mark.parametrize(
    ("result", "value"),
    [
        pytest.param({"a": 1}, {"a": 1}, id="JSON stays"),
        pytest.param('{"a": 1}\n', {"a": 1}, id="a text that is an object"),
        pytest.param("[1, 2]", [1, 2], id="a text that is a list"),
        pytest.param('```json\n{"a": 1}\n```\n', {"a": 1}, id="a code block"),
        pytest.param("42", "42", id="a number is text as it was written"),
        pytest.param("done: {}", "done: {}", id="prose"),
        pytest.param('{"a": NaN}', '{"a": NaN}', id="what JSON does not have"),
        pytest.param("[" * 100_000, "[" * 100_000, id="nested without end"),
        pytest.param('{"a": 1', '{"a": 1', id="cut JSON"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_a_text_that_is_json_is_read_as_such(result: Any, value: Any) -> None:
    assert parsed(result) == value


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_any_object_is_read_back(value: dict[str, Any]) -> None:
    assert parsed(json.dumps(value)) == value


@given(st.text() | st.dictionaries(st.text(), st.text()), st.text(min_size=1))
def test_the_sentence_is_one_short_visible_line_and_the_result_stays(
    result: Any, expression: str
) -> None:
    failed = unmet(expression, Completed(result))
    assert (failed.reason, failed.result) == (Reason.EXPECTATION_UNMET, result)
    assert len(failed.message) < 500
    assert not INVISIBLE.search(failed.message)


def test_the_sentence_names_expression_problem_and_value() -> None:
    assert unmet("result.n > 0", Completed({"n": 0})) == Failed(
        Reason.EXPECTATION_UNMET,
        'expect is not met: result.n > 0 is false; the result is {"n": 0}',
        {"n": 0},
    )
    broken = unmet("result.n > 0", Completed(""), "'result' is text").message
    assert broken == (
        "expect is not met: result.n > 0 could not be evaluated: 'result' is text; "
        "the result is empty"
    )


def test_what_the_work_used_stays() -> None:
    usage = Usage(cost_micros=250_000)
    assert unmet("false", Completed("done", usage)).usage == usage
