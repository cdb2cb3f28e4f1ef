"""The bound of the work: above what is done, close to what is cheap, found in no time."""

from typing import Any

import pytest

from reconciler.core.cel import (
    CONDITION_VARIABLES,
    MAX_COST,
    EvaluationError,
    compile_expression,
    is_quick,
    require_affordable,
)
from reconciler.core.cel.cost import estimate

COMMITS = [{"id": str(n), "added": [f"{n}-{m}" for m in range(20)]} for n in range(20)]
PAYLOAD: dict[str, Any] = {
    "ref": "main",
    "l": list(range(1000)),
    "s": "x" * 5000,
    "commits": COMMITS,
}


def steps(text: str, payload: Any = PAYLOAD) -> int:
    expression = compile_expression(text, variables=CONDITION_VARIABLES)
    return estimate(expression.tree, expression.needed({"payload": payload}))


BOUNDS = [
    pytest.param("payload.ref == 'main'", 0, 50, id="a comparison costs next to nothing"),
    pytest.param("payload.l.exists(x, x < 0)", 1_000, 20_000, id="a macro goes through once"),
    pytest.param("payload.l.map(x, x)", 1_000_000, 2_000_000, id="map is quadratic"),
    pytest.param(
        "payload.l.all(x, payload.l.all(y, x < y))", 1_000_000, 20_000_000, id="a product"
    ),
    pytest.param(
        "payload.commits.exists(c, c.added.exists(f, f == ''))", 400, 40_000, id="a path inside"
    ),
    pytest.param("payload.s.contains('a')", 100, 3_000, id="text counts by its length"),
    pytest.param("[1].all(x, [1, 2].all(y, x == y))", 4, 100, id="literal lists"),
]


@pytest.mark.parametrize(("text", "least", "most"), BOUNDS)
def test_bound(text: str, least: int, most: int) -> None:
    assert least <= steps(text) <= most


@pytest.mark.parametrize(
    ("payload", "quick"),
    [
        pytest.param({"ref": "main", "rest": [0] * 10_000}, True, id="the rest does not matter"),
        pytest.param({"ref": "x" * 300_000}, False, id="a long text is not cheap"),
        pytest.param({"ref": [[]] * 10_000}, False, id="nor is a long list"),
    ],
)
def test_quick_depends_on_what_is_read(payload: Any, quick: bool) -> None:
    expression = compile_expression("payload.ref == 'main'", variables=CONDITION_VARIABLES)
    assert is_quick(expression, expression.needed({"payload": payload})) is quick


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("payload.ref.matches('^main$')", id="a pattern may be expensive to build"),
        pytest.param("payload.ref.trim() == 'main'", id="a method in Python"),
        pytest.param("payload.ref.indexOf('m') == 0", id="a place in a text"),
        pytest.param("timestamp(payload.ref) < timestamp(0)", id="a time"),
        pytest.param("timestamp(0).getHours('UTC') == 0", id="a time in a zone"),
        pytest.param("string(payload.l) == ''", id="a conversion that fails"),
        pytest.param("payload.?l.orValue([]).map(x, x) == []", id="a macro over an optional"),
    ],
)
def test_never_quick(text: str) -> None:
    expression = compile_expression(text, variables=CONDITION_VARIABLES)
    assert not is_quick(expression, expression.needed({"payload": PAYLOAD}))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("payload.l.map(x, payload.l.map(y, payload.l.map(z, x)))", id="three deep"),
        pytest.param("payload.l" + ".map(x, payload.l)" * 40, id="a row of maps"),
        pytest.param("['a']" + ".map(a, a + a)" * 60, id="a text that doubles"),
        pytest.param("[[1]]" + ".map(a, [a, a])" * 60, id="a list that doubles"),
    ],
)
def test_hopeless_work_is_refused_before_it_starts(text: str) -> None:
    expression = compile_expression(text, variables=CONDITION_VARIABLES)
    needed = expression.needed({"payload": {**PAYLOAD, "l": list(range(5000))}})
    with pytest.raises(EvaluationError, match="nest fewer macros"):
        require_affordable(expression, needed)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("string(payload.ref) == 'main'", id="a conversion by the library"),
        pytest.param("payload.?ref.orValue('') == 'main'", id="an optional"),
        pytest.param("payload.?a.?b.?c.?d.?e.orValue('') == 'main'", id="five in a row"),
    ],
)
def test_quick_all_the_same(text: str) -> None:
    expression = compile_expression(text, variables=CONDITION_VARIABLES)
    assert is_quick(expression, expression.needed({"payload": PAYLOAD}))


def test_ordinary_work_over_a_large_payload_is_affordable() -> None:
    payload = {"commits": COMMITS * 20}
    text = "payload.commits.exists(c, c.added.exists(f, f.startsWith('docs/')))"
    assert steps(text, payload) < MAX_COST
