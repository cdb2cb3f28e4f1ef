"""The recipes and the tables of docs/expressions.md are true."""

import re
from pathlib import Path

import pytest

from reconciler.core.cel import (
    CONDITION_VARIABLES,
    EXPECT_VARIABLES,
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_LEVELS,
    MAX_MACRO_DEPTH,
    MAX_NESTING,
    MAX_WEIGHT,
    MOMENT_VARIABLES,
    TITLE_VARIABLES,
    condition_problems,
    problems_of,
)
from reconciler.core.cel.methods import MAX_TEXT
from reconciler.core.cel.scope import FIELDS, LAST_RUN_FIELDS, RUN_FIELDS
from reconciler.core.cel.syntax import MACROS
from reconciler.core.cel.vocabulary import FUNCTIONS, METHODS
from reconciler.core.manifest.template import MAX_PLACEHOLDERS, MAX_TEMPLATE, template_problems
from reconciler.core.runs.prompt import PROMPT_LIMIT

VARIABLES = TITLE_VARIABLES | EXPECT_VARIABLES | MOMENT_VARIABLES
PAGE = (Path(__file__).parents[3] / "docs" / "expressions.md").read_text()


def blocks(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return [line for block in found for line in block.splitlines()]


@pytest.mark.parametrize("text", blocks("cel"))
def test_an_expression_compiles(text: str) -> None:
    assert not problems_of(text, variables=CONDITION_VARIABLES)


@pytest.mark.parametrize("text", blocks("cel-moment"))
def test_a_condition_of_a_schedule_compiles(text: str) -> None:
    assert not condition_problems(text, variables=MOMENT_VARIABLES)


@pytest.mark.parametrize("text", blocks("cel-expect"))
def test_an_expectation_compiles(text: str) -> None:
    assert not condition_problems(text, variables=EXPECT_VARIABLES)


@pytest.mark.parametrize("text", blocks("cel-template"))
def test_a_template_parses(text: str) -> None:
    assert not template_problems(text)


@pytest.mark.parametrize(
    "name",
    sorted({*TITLE_VARIABLES, *EXPECT_VARIABLES, *MOMENT_VARIABLES, *FUNCTIONS, *METHODS, *MACROS}),
)
def test_every_name_is_documented(name: str) -> None:
    if name != "existsOne":  # the other spelling of exists_one
        assert re.search(rf"`{name}\b", PAGE)


@pytest.mark.parametrize(("variable", "fields"), FIELDS.items())
def test_every_field_is_documented(variable: str, fields: frozenset[str]) -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{variable}` |")]
    assert fields <= set(re.findall(r"`(\w+)`", row))


def test_every_field_of_the_run_in_expect_is_documented() -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith("| `run` in `expect` |")]
    assert set(re.findall(r"`(\w+)`", row)) >= RUN_FIELDS


def test_every_field_of_the_last_run_is_documented() -> None:
    (row,) = [line for line in PAGE.splitlines() if line.startswith("| `lastRun` |")]
    assert set(re.findall(r"`(\w+)`", row)) >= LAST_RUN_FIELDS


@pytest.mark.parametrize(
    "limit",
    [
        f"{MAX_LENGTH}; {MAX_TEMPLATE}",
        f"{MAX_PLACEHOLDERS}",
        f"{MAX_NESTING}; {MAX_DEPTH}",
        f"{MAX_MACRO_DEPTH}",
        f"{MAX_WEIGHT:,}",
        f"{MAX_LEVELS}",
        f"{MAX_TEXT:,} characters",
    ],
)
def test_every_limit_is_documented(limit: str) -> None:
    assert f"| {limit} |" in PAGE
    assert f"{PROMPT_LIMIT:,} characters" in PAGE
