"""Conditions, keys and parts of titles, from whatever an expression gives; and its variables."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.core.cel import (
    CONDITION_VARIABLES,
    TITLE_VARIABLES,
    EvaluationError,
    as_condition,
    as_key,
    as_text,
    event_scope,
    title_scope,
)
from reconciler.core.cel.scope import FIELDS


@pytest.mark.parametrize("value", [True, False])
def test_condition(value: bool) -> None:
    assert as_condition(value) is value


@pytest.mark.parametrize(
    ("value", "found"),
    [
        pytest.param("true", "gave text", id="text is not a condition"),
        pytest.param(1, "gave a whole number", id="nothing is truthy"),
        pytest.param(None, "gave null", id="null"),
        pytest.param([], "gave a list", id="a list"),
        pytest.param(object(), "gave something else", id="what JSON does not have"),
    ],
)
def test_no_condition(value: Any, found: str) -> None:
    with pytest.raises(EvaluationError, match=found):
        as_condition(value)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        pytest.param("main", "main", id="text"),
        pytest.param(42, "42", id="a pull request's number"),
        pytest.param(True, "true", id="a boolean is written as CEL writes it"),
        pytest.param("x" * 256, "x" * 256, id="as long as allowed"),
    ],
)
def test_key(value: Any, key: str) -> None:
    assert as_key(value) == key


@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(1.5, "a double", id="a double"),
        pytest.param(None, "null", id="null would put all that lack it together"),
        pytest.param({}, "a map", id="a map"),
        pytest.param("", "gave 0", id="empty"),
        pytest.param("x" * 257, "gave 257", id="too long"),
    ],
)
def test_no_key(value: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        as_key(value)


MOMENT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("a", "a", id="text"),
        pytest.param(None, "", id="null is nothing"),
        pytest.param(True, "true", id="a boolean"),
        pytest.param(3, "3", id="a whole number"),
        pytest.param(3.0, "3", id="a double that is whole"),
        pytest.param(1e300, "1e+300", id="a double beyond whole numbers"),
        pytest.param(float("nan"), "nan", id="not a number"),
        pytest.param(MOMENT, "2026-03-01T09:30:00Z", id="a timestamp"),
        pytest.param(timedelta(minutes=90), "5400s", id="a duration"),
        pytest.param(
            {"b": 1, "a": [None, MOMENT]}, '{"a":[null,"2026-03-01T09:30:00Z"],"b":1}', id="a map"
        ),
        pytest.param("x" * 50, "x" * 20, id="cut"),
    ],
)
def test_text(value: Any, text: str) -> None:
    assert as_text(value, 200 if text != "x" * 20 else 20) == text


@pytest.mark.parametrize("value", [b"x", [b"x"], {"a": object()}])
def test_no_text(value: Any) -> None:
    with pytest.raises(EvaluationError, match="a title cannot show"):
        as_text(value, 200)


AUTOPILOT = {
    "metadata": {"name": "triage", "workspace": "platform", "labels": {"team": "core"}},
    "spec": {"title": "Triage"},
}
TRIGGER = {"name": "ci", "kind": "webhook", "enabled": True, "when": "true"}


def test_the_variables_of_an_event() -> None:
    scope = event_scope(AUTOPILOT, TRIGGER, payload={"a": 1}, headers={"X-GitHub-Event": "push"})
    assert scope == {
        "payload": {"a": 1},
        "headers": {"x-github-event": "push"},
        "trigger": {"name": "ci", "kind": "webhook", "label": ""},
        "autopilot": {
            "name": "triage",
            "workspace": "platform",
            "title": "Triage",
            "labels": {"team": "core"},
        },
    }


def test_a_run_by_hand_has_no_trigger_payload_or_headers() -> None:
    scope = event_scope(AUTOPILOT, None)
    assert scope["trigger"] == {"name": "", "kind": "manual", "label": ""}
    assert scope["payload"] is None
    assert scope["headers"] == {}


def test_the_variables_are_those_that_expressions_are_checked_against() -> None:
    event = event_scope(AUTOPILOT, TRIGGER)
    local = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
    title = title_scope(
        event, run_id="r1", source="schedule", local=local, scheduled_for="2026-03-01T09:30:00Z"
    )
    assert event.keys() == CONDITION_VARIABLES
    assert title.keys() == TITLE_VARIABLES
    assert {name: title[name].keys() for name in FIELDS} == FIELDS
    assert (title["date"], title["time"]) == ("2026-03-01", "10:30")
