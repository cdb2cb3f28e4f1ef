"""Optional selections: what may be missing is asked for and answered in one expression."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.cel import CONDITION_VARIABLES, EvaluationError, compile_expression, evaluate
from reconciler.core.cel.compiled import is_quick

PAYLOAD: dict[str, Any] = {
    "a": {"b": 1, "x-y": 2},
    "none": None,
    "list": [1, {"b": 2}],
    "text": "t",
    "commits": [{"author": {"name": "ada"}}, {"author": None}, {}],
}


def value(text: str, payload: Any = None) -> Any:
    """What an expression gives."""
    expression = compile_expression(text, variables=CONDITION_VARIABLES)
    variables = {"payload": PAYLOAD if payload is None else payload, "headers": {"x-a": "1"}}
    return evaluate(expression, variables)


VALUES = [
    pytest.param("payload.?a.?b.orValue(9)", 1, id="there"),
    pytest.param("payload.?zz.?b.orValue(9)", 9, id="the first is missing"),
    pytest.param("payload.?a.?zz.orValue(9)", 9, id="the last is missing"),
    pytest.param("payload.?none.?b.orValue(9)", 9, id="null in the way"),
    pytest.param("payload.?text.?b.orValue(9)", 9, id="text in the way"),
    pytest.param("payload.?list.?b.orValue(9)", 9, id="a list in the way"),
    pytest.param("payload.?none.orValue(9)", None, id="null is a value"),
    pytest.param("payload.?zz.b.orValue(9)", 9, id="a plain one behind"),
    pytest.param('payload.?a[?"x-y"].orValue(9)', 2, id="a key in brackets"),
    pytest.param('headers[?"x-b"].orValue("none")', "none", id="a header"),
    pytest.param("payload.list[?1].?b.orValue(9)", 2, id="an index"),
    pytest.param("payload.list[?7].orValue(9)", 9, id="an index beyond"),
    pytest.param("payload.?a.hasValue()", True, id="has"),
    pytest.param("payload.?zz.hasValue()", False, id="has not"),
    pytest.param("payload.?zz.or(payload.?a).hasValue()", True, id="one of two"),
    pytest.param("payload.?zz.or(payload.?a.?b).orValue(9)", 1, id="the second"),
    pytest.param("payload.?zz.or(payload.?yy).orValue(9)", 9, id="neither"),
    pytest.param("payload.?zz.orValue(payload.?a.?b.orValue(9)) + 1", 2, id="inside of another"),
    pytest.param(
        'payload.commits.filter(c, c.?author.?name.orValue("") == "ada").size()', 1, id="in a macro"
    ),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_value(text: str, expected: Any) -> None:
    assert value(text) == expected


def test_a_payload_of_null_has_nothing() -> None:
    expression = compile_expression("payload.?a.orValue(9)", variables=CONDITION_VARIABLES)
    assert evaluate(expression, {"payload": None}) == 9


def test_a_plain_selection_behind_one_that_is_there_must_be_there() -> None:
    with pytest.raises(EvaluationError, match="there is no"):
        value("payload.?a.zz.orValue(9)")


def test_it_is_as_quick_as_asking_with_has() -> None:
    text = 'payload.?a.?b.orValue(9) == 1 && headers[?"x-a"].orValue("") == "1"'
    expression = compile_expression(text, variables=CONDITION_VARIABLES)
    assert is_quick(expression, expression.needed({"payload": PAYLOAD, "headers": {"x-a": "1"}}))


KEYS = st.sampled_from(["a", "b", "c-d"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=3),
    lambda inner: st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=12,
)


@given(JSON, st.lists(KEYS, min_size=1, max_size=4))
def test_it_gives_what_is_there_and_else_the_other_value(payload: Any, path: list[str]) -> None:
    text = "payload" + "".join(f'[?"{key}"]' if "-" in key else f".?{key}" for key in path)
    expected: Any = payload
    for key in path:
        if not isinstance(expected, dict) or key not in expected:
            expected = "nothing"
            break
        expected = expected[key]
    expression = compile_expression(f'{text}.orValue("nothing")', variables=CONDITION_VARIABLES)
    assert evaluate(expression, {"payload": payload}) == expected
