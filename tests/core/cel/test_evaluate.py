"""What an expression gives, what it reads, and how its failures read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.cel import (
    CONDITION_VARIABLES,
    MAX_LEVELS,
    MAX_WEIGHT,
    EvaluationError,
    Expression,
    compile_expression,
    evaluate,
    library,
)

VARIABLES: dict[str, Any] = {
    "payload": {
        "ref": "refs/heads/main",
        "n": 7,
        "list": [3, 1, 2],
        "deep": {"a": {"b": "c"}},
        "empty": None,
        "commits": [{"id": "1", "added": ["x.py", "y.md"]}, {"id": "2", "added": []}],
    },
    "headers": {"x-github-event": "push"},
    "trigger": {"name": "ci", "kind": "webhook", "label": ""},
    "autopilot": {"name": "triage", "workspace": "platform", "title": "T", "labels": {}},
}


def compiled(text: str) -> Expression:
    return compile_expression(text, variables=CONDITION_VARIABLES)


VALUES = [
    pytest.param('headers["x-github-event"] == "push"', True, id="a header"),
    pytest.param("payload.deep.a.b", "c", id="a nested field"),
    pytest.param('payload["deep"]["a"].b', "c", id="a nested field in brackets"),
    pytest.param("has(payload.missing)", False, id="a missing key, asked for"),
    pytest.param("has(payload.empty)", True, id="a key that is null is there"),
    pytest.param('"missing" in payload', False, id="a missing key, in"),
    pytest.param("payload.missing || payload.n == 7", True, id="or forgives a failing side"),
    pytest.param("payload.missing && false", False, id="and forgives a failing side"),
    pytest.param("payload.n == 7.0", True, id="numbers compare across types"),
    pytest.param("payload.list.map(x, x * 2)", [6, 2, 4], id="map"),
    pytest.param("payload.list.filter(x, x > 1)", [3, 2], id="filter"),
    pytest.param("payload.list.exists(x, x > 2)", True, id="exists"),
    pytest.param(
        "payload.commits.exists(c, c.added.exists(f, f.endsWith('.md')))", True, id="nested"
    ),
    pytest.param("payload.list.all(payload, payload > 0)", True, id="a shadowed variable"),
    pytest.param("payload.ref.replace('refs/heads/', '')", "main", id="replace"),
    pytest.param(
        "payload.ref.split('/').map(p, p.upperAscii()).join('.')", "REFS.HEADS.MAIN", id="split"
    ),
    pytest.param(
        "' a '.trim() + 'abc'.substring(1) + 'abc'.substring(0, 1)", "abca", id="substring"
    ),
    pytest.param("'ÀB'.lowerAscii()", "Àb", id="lowerAscii leaves other letters"),
    pytest.param("['a', 'b'].join()", "ab", id="join with nothing between"),
    pytest.param("'abc'.split('')", ["a", "b", "c"], id="split into characters"),
    pytest.param("string(payload.n) + '!'", "7!", id="conversion"),
    pytest.param("type(payload.n) == int", True, id="types"),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_value(text: str, value: Any) -> None:
    assert evaluate(compiled(text), VARIABLES) == value


FAILURES = [
    pytest.param("payload.missing == 1", "there is no 'missing'", id="a missing key"),
    pytest.param("payload.n / 0", "division by zero", id="division by zero"),
    pytest.param("9223372036854775807 + payload.n", "Arithmetic overflow", id="an overflow"),
    pytest.param("payload.list[9]", "index out of bounds", id="an index beyond the end"),
    pytest.param("payload.ref + 1", "string + int", id="text and number"),
    pytest.param("payload.n.ref", "payload.n is a number", id="a field of a number"),
    pytest.param(
        "payload.empty.x",
        "payload.empty is null, it has no 'x'; write payload.?empty.?x.orValue",
        id="a field of null",
    ),
    pytest.param("payload.list.ref", "Unexpected type", id="a field of a list"),
    pytest.param("payload.ref.matches('(')", "not a valid regex", id="a pattern that is none"),
    pytest.param("size(payload.n)", "'size' is not there, or does not take", id="a wrong argument"),
    pytest.param("int('x')", "invalid digit", id="no number"),
    pytest.param(
        "timestamp('0000-01-01T00:00:00Z')",
        "a moment that does not exist",
        id="a year that Python has not",
    ),
    pytest.param("payload.ref.substring(99)", "leaves a text of", id="a substring beyond the end"),
    pytest.param("payload.n.trim()", "trim works on text", id="a text method on a number"),
    pytest.param("payload.list.join(',')", "join works on text", id="a join of numbers"),
    pytest.param("payload.list.split(',')", "split works on text", id="a split of a list"),
    pytest.param("payload.ref.join(',')", "join works on a list", id="a join of a text"),
    pytest.param("payload.ref.substring('a')", "whole numbers", id="a substring from a text"),
]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("text", "message"), FAILURES)
def test_failure(text: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(compiled(text), VARIABLES)
    assert message in caught.value.message
    assert len(caught.value.message) <= 320


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("payload.s.replace('a', payload.s)", id="replace multiplies"),
        pytest.param("payload.l.join(payload.s)", id="join multiplies"),
    ],
)
def test_text_methods_are_bounded(text: str) -> None:
    values = {"payload": {"s": "a" * 2000, "l": ["a"] * 2000}}
    with pytest.raises(EvaluationError, match="at most 1000000 are allowed"):
        evaluate(compiled(text), values)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        pytest.param(nested(MAX_LEVELS + 1), "nested more than", id="too deep"),
        pytest.param(nested(200_000), "nested more than", id="deep enough to overflow a stack"),
        pytest.param([0] * (MAX_WEIGHT + 1), "too large", id="too many values"),
        pytest.param("x" * (MAX_WEIGHT * 33), "too large", id="too much text"),
    ],
)
def test_values_beyond_bounds_are_not_handed_over(payload: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        evaluate(compiled("payload == 1"), {"payload": payload})


def test_what_is_not_read_does_not_count() -> None:
    payload = {"ref": "main", "rest": nested(5000), "more": [0] * (MAX_WEIGHT + 1)}
    assert evaluate(compiled("payload.ref == 'main'"), {"payload": payload}) is True


NEEDED = [
    pytest.param("payload.a.b", {"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, id="a path"),
    pytest.param(
        "payload.a.b + payload.a.c",
        {"a": {"b": 1, "c": 2, "d": 3}},
        {"a": {"b": 1, "c": 2}},
        id="two",
    ),
    pytest.param(
        "payload.a.b + size(payload.a)", {"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 2}}, id="all"
    ),
    pytest.param(
        "has(payload.x.y)", {"x": {"z": 1}, "a": 1}, {"x": {}}, id="a missing key stays missing"
    ),
    pytest.param(
        "payload.a[0].b", {"a": [{"b": 1}], "c": 1}, {"a": [{"b": 1}]}, id="an index keeps all"
    ),
    pytest.param("payload.a.b", {"a": [1, 2, 3]}, {"a": []}, id="a list where a map was meant"),
    pytest.param("payload.l.map(x, x.b)", {"l": [1], "b": 2}, {"l": [1]}, id="a macro's variable"),
]


@pytest.mark.parametrize(("text", "payload", "needed"), NEEDED)
def test_only_what_is_read_is_handed_over(text: str, payload: Any, needed: Any) -> None:
    assert compiled(text).needed({"payload": payload, "headers": {"a": "b"}}) == {"payload": needed}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=10,
)
TEXTS = st.sampled_from(
    [
        "payload.a.b",
        "payload.a == payload.b",
        "has(payload.a.b) && payload.a.b",
        "'a' in payload.b",
        "payload['a'][0].b",
        "payload.a.map(x, x.b)",
        "payload.a.exists(a, a == payload.b.a)",
        "size(payload.a) + size(payload.b)",
        "payload.a + payload.b",
        "payload.b.contains(payload.a)",
    ]
)


@given(TEXTS, JSON)
def test_leaving_out_what_is_not_read_changes_nothing(text: str, payload: Any) -> None:
    expression = compiled(text)

    def outcome(variables: dict[str, Any]) -> str:
        try:
            return repr(library.execute(expression.translation, variables, expression.methods))
        except EvaluationError as error:
            return error.message

    whole = {"payload": payload}
    assert outcome(expression.needed(whole)) == outcome(whole)


@pytest.mark.parametrize(
    ("payload", "text", "value"),
    [
        pytest.param("a\ud800b", "payload", "a?b", id="a lone surrogate"),
        pytest.param({"\ud800": 1}, "size(payload)", 1, id="a lone surrogate in a key"),
        pytest.param(10**400, "payload > 1.0", True, id="an integer beyond every double"),
        pytest.param([-(10**400)], "payload[0] < 1.0", True, id="the same below zero"),
        pytest.param(2**64, "payload > 1.0", True, id="an integer beyond 64 bits is a double"),
        pytest.param("a\x00b", "size(payload)", 3, id="a NUL"),
    ],
)
def test_values_that_the_library_cannot_hold(payload: Any, text: str, value: Any) -> None:
    assert evaluate(compiled(text), {"payload": payload}) == value
