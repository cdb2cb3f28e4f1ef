"""What is a condition, and what can never be one; what `expect` may read."""

import pytest

from reconciler.core.cel import CONDITION_VARIABLES, EXPECT_VARIABLES, condition_problems
from reconciler.core.cel.scope import RUN_FIELDS, expect_scope
from reconciler.core.runs.view import run_document
from tests.core.runs.test_view import a_run


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("payload.draft", id="a field may be a boolean"),
        pytest.param("!payload.draft && payload.n > 1", id="operators of conditions"),
        pytest.param("payload.l.exists(x, x > 1)", id="a macro that gives a boolean"),
        pytest.param("payload.a ? payload.b : true", id="a choice"),
        pytest.param("size(payload.l) == 0", id="a number that is compared"),
        pytest.param("payload.?a.orValue(false)", id="an optional"),
    ],
)
def test_is_a_condition(text: str) -> None:
    assert not condition_problems(text, variables=CONDITION_VARIABLES)


@pytest.mark.parametrize(
    ("text", "offset", "kind"),
    [
        pytest.param('"yes"', 0, "text", id="a text"),
        pytest.param("1", 0, "a number", id="a number"),
        pytest.param("size(payload.l)", 0, "a number", id="a size"),
        pytest.param("payload.l.filter(x, x > 1)", 10, "a list", id="a list"),
        pytest.param("payload.a && size(payload.l)", 13, "a number", id="one side of &&"),
        pytest.param("!string(payload.a)", 1, "text", id="what is negated"),
        pytest.param('payload.a ? "yes" : true', 12, "text", id="one side of a choice"),
        pytest.param("payload.a + 1", 10, "a number", id="a sum"),
        pytest.param("headers", 0, "a map", id="a map of ours"),
    ],
)
def test_can_never_be_a_condition(text: str, offset: int, kind: str) -> None:
    (problem,) = condition_problems(text, variables=CONDITION_VARIABLES)
    assert (problem.offset, problem.code) == (offset, "expression-invalid")
    assert f"this gives {kind}" in problem.message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("reslut.ok", "did you mean 'result'?", id="a misspelt variable"),
        pytest.param("run.sorce == 'manual'", "did you mean 'source'?", id="a misspelt field"),
        pytest.param("payload.ok", "the payload is 'run.payload'", id="the payload"),
        pytest.param("result.ok == True", "CEL writes 'true'", id="Python's true"),
        pytest.param("date == result.date", "'date' is known in titles only", id="a title's"),
    ],
)
def test_what_expect_does_not_know(text: str, told: str) -> None:
    (problem,) = condition_problems(text, variables=EXPECT_VARIABLES)
    assert told in problem.message


def test_result_is_known_in_expect_only() -> None:
    (problem,) = condition_problems("result.ok", variables=CONDITION_VARIABLES)
    assert "'result' is known in expect only" in problem.message


def test_every_field_of_the_run_is_there() -> None:
    scope = expect_scope(run_document(a_run()), {"ok": True})
    assert scope.keys() == EXPECT_VARIABLES
    assert scope["run"].keys() == RUN_FIELDS
