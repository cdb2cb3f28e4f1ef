"""The expressions of the manual, over the payloads that GitHub really sends."""

import re
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.cel import (
    CONDITION_VARIABLES,
    EvaluationError,
    as_condition,
    as_text,
    compile_expression,
    evaluate,
    is_quick,
)
from reconciler.core.manifest.template import parse_template
from tests.support.github_examples import github_examples

PAGE = Path("docs/expressions.md").read_text(encoding="utf-8")
(RECIPES,) = re.findall(r"Conditions:\n\n```cel\n(.*?)```", PAGE, re.DOTALL)
TITLES = ("Review #{{ payload.pull_request.number }}: {{ payload.pull_request.title }}",)


def variables(event: str, payload: Any) -> dict[str, Any]:
    """What a condition reads."""
    return {
        "payload": payload,
        "headers": {"x-github-event": event},
        "trigger": {},
        "autopilot": {},
    }


@pytest.mark.parametrize("text", RECIPES.splitlines())
def test_a_recipe_gives_an_answer_or_a_sentence_for_every_event(text: str) -> None:
    expression = compile_expression(text, variables=CONDITION_VARIABLES)
    failures: set[str] = set()
    for event, payloads in github_examples().items():
        for payload in payloads:
            try:
                as_condition(evaluate(expression, variables(event, payload)))
            except EvaluationError as error:
                failures.add(error.message)
    assert not [message for message in failures if "the types do not fit" in message]


COUNTS = [
    pytest.param(
        'headers["x-github-event"] == "pull_request" && payload.action == "opened"',
        "pull_request",
        id="a pull request that was opened",
    ),
    pytest.param(
        'headers["x-github-event"] == "push" && payload.ref.startsWith("refs/")', "push", id="push"
    ),
    pytest.param(
        'payload.?head_commit.?author.?username.orValue("") != ""', "push", id="who made the head"
    ),
    pytest.param(
        'payload.?issue.?labels.orValue([]).exists(l, l.name == "bug")', "issues", id="a label"
    ),
]


@pytest.mark.parametrize(("text", "event"), COUNTS)
def test_a_condition_chooses_among_real_events(text: str, event: str) -> None:
    expression = compile_expression(text, variables=CONDITION_VARIABLES)
    chosen = {
        name
        for name, payloads in github_examples().items()
        for payload in payloads
        if as_condition(evaluate(expression, variables(name, payload)))
    }
    assert event in chosen
    assert len(chosen) < len(github_examples()) / 2


def test_optionals_over_real_events_stay_cheap() -> None:
    text = 'payload.?pull_request.?head.?ref.orValue("") == "main"'
    expression = compile_expression(text, variables=CONDITION_VARIABLES)
    for event, payloads in github_examples().items():
        for payload in payloads:
            needed = expression.needed(variables(event, payload))
            assert is_quick(expression, needed)


@pytest.mark.parametrize("template", TITLES)
def test_titles_of_real_pull_requests(template: str) -> None:
    for payload in github_examples()["pull_request"]:
        for expression in parse_template(template).expressions:
            assert as_text(evaluate(expression, variables("pull_request", payload)), 200)
