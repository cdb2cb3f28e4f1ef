"""What the library is given means what was written."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.core.cel import (
    CONDITION_VARIABLES,
    MAX_MACRO_DEPTH,
    EvaluationError,
    compile_expression,
    library,
)
from reconciler.core.cel.methods import IMPLEMENTATIONS

PAYLOAD: dict[str, Any] = {"a": 3, "b": -2, "t": "x", "l": [1, 2, 3], "m": {"k": 1}, "f": True}

LEAVES = st.sampled_from(
    (
        *(
            "1",
            "2.5",
            "-3",
            "0x1F",
            '"é\\n"',
            "'q'",
            'r"\\d"',
            "true",
            "null",
            "[1, 2]",
            "{'a': 1}",
        ),
        *("payload.a", "payload.b", "payload.t", "payload.l", 'payload["m"].k', "payload.l[0]"),
    )
)
BINARY = st.sampled_from(
    ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "in", "&&", "||"]
)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger expressions, with and without brackets."""
    return st.one_of(
        st.tuples(inner, BINARY, inner).map(" ".join),
        st.tuples(inner, BINARY, inner, BINARY, inner).map(" ".join),
        inner.map("({})".format),
        st.tuples(st.sampled_from(["!", "-", "!!", "--"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]}) ? ({t[1]}) : {t[2]}"),
        inner.map("payload.l.map(x, {})".format),
        inner.map("payload.l.exists(x, x == {})".format),
        inner.map("({}).size()".format),
        inner.map("type({}) == int".format),
    )


EXPRESSIONS = st.recursive(LEAVES, grown, max_leaves=8)


@given(EXPRESSIONS)
def test_it_gives_the_same(text: str) -> None:
    assume(text.count("(x, ") <= MAX_MACRO_DEPTH)
    expression = compile_expression(text, variables=CONDITION_VARIABLES)
    assert outcome(expression.translation) == outcome(text)


def outcome(text: str) -> str:
    """What the library makes of a text."""
    functions = frozenset(IMPLEMENTATIONS)
    try:
        return repr(library.execute(text, {"payload": PAYLOAD}, functions))
    except EvaluationError as error:
        return error.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("'a-b-c'.split('-', 2)", ["a", "b-c"], id="split into two"),
        pytest.param("'a-b-c'.split('-', 0)", [], id="split into none"),
        pytest.param("'a-b-c'.split('-', -1)", ["a", "b", "c"], id="split into all"),
        pytest.param("'abc'.split('', 2)", ["a", "bc"], id="split characters"),
        pytest.param("'a-b'.replace('-', '+', 0)", "a-b", id="replace none"),
        pytest.param("'a-b-c'.replace('-', '+', 1)", "a+b-c", id="replace one"),
        pytest.param("'tacocat'.indexOf('a')", 1, id="indexOf"),
        pytest.param("'tacocat'.indexOf('a', 3)", 5, id="indexOf from"),
        pytest.param("'tacocat'.indexOf('none')", -1, id="indexOf nothing"),
        pytest.param("'tacocat'.indexOf('')", 0, id="indexOf of nothing"),
        pytest.param("'tacocat'.lastIndexOf('at')", 5, id="lastIndexOf"),
        pytest.param("'tacocat'.lastIndexOf('a', 3)", 1, id="lastIndexOf before"),
        pytest.param("'tacocat'.lastIndexOf('')", 7, id="lastIndexOf of nothing"),
        pytest.param("'ta©o©αT'.indexOf('©')", 2, id="characters, not bytes"),
        pytest.param("'ta©o©αT'.lastIndexOf('©')", 4, id="from the end"),
        pytest.param("[1, 2, 1].indexOf(1)", 0, id="indexOf in a list"),
        pytest.param("[1, 2, 1].lastIndexOf(1)", 2, id="lastIndexOf in a list"),
        pytest.param("[1, 0].indexOf(true)", -1, id="true is no number"),
        pytest.param("'tacocat'.charAt(3)", "o", id="charAt"),
        pytest.param("'tacocat'.charAt(7)", "", id="charAt the end"),
        pytest.param("string(true) + string(payload.f)", "truetrue", id="string of booleans"),
        pytest.param("string(payload.a) + string(1.5) + string(1e3)", "31.51000", id="of numbers"),
        pytest.param(
            "string(1.5) + string(1e3) + string(timestamp(0))",
            "1.510001970-01-01T00:00:00Z",
            id="of numbers beside times",
        ),
    ],
)
def test_what_kubernetes_has(text: str, value: Any) -> None:
    expression = compile_expression(text, variables=CONDITION_VARIABLES)
    assert (
        library.execute(expression.translation, {"payload": PAYLOAD}, expression.methods) == value
    )
