"""The models: defaults, documents, ids, and what one field takes."""

from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.core.manifest.model import MODELS, AnyManifest
from reconciler.core.manifest.state import digest_of
from tests.support.builders import (
    Document,
    a_schedule,
    a_squad,
    a_webhook,
    an_agent,
    an_autopilot,
)


def model_of(document: Document) -> AnyManifest:
    return MODELS[document["kind"]].model_validate(document, by_alias=True, by_name=False)


def refused(document: Document) -> list[str]:
    with pytest.raises(ValidationError) as invalid:
        model_of(document)
    return [str(error["type"]) for error in invalid.value.errors()]


def test_the_defaults_of_an_autopilot() -> None:
    document = model_of(an_autopilot(triggers=...)).document()
    assert document["spec"] == {
        "title": "Nightly issue triage",
        "description": "",
        "assignee": {"type": "agent", "id": "triage-bot"},
        "executionMode": "create_session",
        "concurrencyPolicy": "skip",
        "maxConcurrency": 1,
        "maxActive": 10,
        "queueLimit": 10,
        "queueTtl": "1d",
        "status": "active",
        "timeout": "1h30m",
        "retry": {"limit": 0, "backoff": "30s", "maxBackoff": "10m"},
        "pauseAfterFailures": 5,
        "limits": {},
        "deletionPolicy": "archive",
        "triggers": [],
    }


def test_the_defaults_of_triggers() -> None:
    document = model_of(an_autopilot(triggers=[a_schedule(), a_webhook()])).document()
    schedule, webhook = document["spec"]["triggers"]
    assert schedule == {
        "name": "weekdays",
        "kind": "schedule",
        "enabled": True,
        "cron": "0 9 * * MON-FRI",
        "timezone": "UTC",
        "jitter": "0s",
        "catchUp": "latest",
        "catchUpWindow": "1h",
    }
    defaults = {k: webhook[k] for k in ("maxBody", "replayWindow", "tokenGeneration", "tokenGrace")}
    assert defaults == {
        "maxBody": "1MiB",
        "replayWindow": "10m",
        "tokenGeneration": 1,
        "tokenGrace": "1d",
    }


def test_the_workspace_is_default_and_an_agent_takes_ten() -> None:
    document = an_agent(metadata={"labels": {"team": "core"}})
    del document["metadata"]["workspace"]
    canonical = model_of(document).document()
    assert canonical["metadata"]["workspace"] == "default"
    assert canonical["spec"] == {"maxConcurrency": 10, "runtime": {"type": "worker"}}


@pytest.mark.parametrize("document", [an_autopilot(), an_agent(), a_squad()])
def test_a_document_is_a_manifest_of_itself(document: Document) -> None:
    canonical = model_of(document).document()
    assert model_of(canonical).document() == canonical


def test_an_explicit_default_is_no_difference() -> None:
    explicit = an_autopilot(status="active", timeout="90m", queueTtl="24h", limits={})
    one, other = model_of(explicit).document(), model_of(an_autopilot()).document()
    assert digest_of(one) == digest_of(other)


def test_ids_follow_the_first_name() -> None:
    old = model_of(an_autopilot("old"))
    new = model_of(an_autopilot("new", metadata={"formerNames": ["old", "between"]}))
    assert new.id == old.id
    assert model_of(an_autopilot("old", workspace="other")).id != old.id
    assert model_of(an_agent("old")).id != old.id


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a" * 63, "1-2-3"])
def test_names(name: str) -> None:
    assert model_of(an_agent(name)).key.name == name


@pytest.mark.parametrize("name", ["", "-", "a-", "-a", "A", "a_b", "a" * 64, "a\n", "é", "a.b"])
def test_what_is_no_name(name: str) -> None:
    assert refused(an_agent(name)) == ["name-invalid"]


@pytest.mark.parametrize(
    ("field", "value", "type_"),
    [
        pytest.param("title", "", "string_too_short", id="an empty title"),
        pytest.param("title", "x" * 201, "string_too_long", id="a long title"),
        pytest.param("description", "x" * 100_001, "string_too_long", id="a long description"),
        pytest.param("maxConcurrency", True, "int_type", id="a boolean for a number"),
        pytest.param("maxConcurrency", "1", "int_type", id="a text for a number"),
        pytest.param("maxConcurrency", 1.0, "int_type", id="a float for a number"),
        pytest.param("maxConcurrency", 0, "greater_than_equal", id="no concurrency"),
        pytest.param("maxActive", 1001, "less_than_equal", id="too many active runs"),
        pytest.param("queueTtl", 5, "duration-invalid", id="a number for a duration"),
        pytest.param("queueTtl", "0s", "duration-invalid", id="no time"),
        pytest.param("timeout", "3651d", "duration-invalid", id="ten years and a day"),
        pytest.param("retry", {"limit": 11}, "less_than_equal", id="eleven attempts"),
        pytest.param("limits", None, "model_type", id="nothing for a mapping"),
        pytest.param("status", "Active", "enum", id="another case"),
        pytest.param("triggers", [a_schedule(str(i)) for i in range(51)], "too_long", id="51"),
        pytest.param("triggers", [a_webhook(maxBody="26MiB")], "less_than_equal", id="large"),
        pytest.param("triggers", [a_webhook(maxBody=1024)], "size-invalid", id="a size in bytes"),
        pytest.param("triggers", [a_schedule(enabled="yes")], "bool_type", id="yes is a text"),
        pytest.param("triggers", [a_schedule(label="x" * 101)], "string_too_long", id="a label"),
        pytest.param("triggers", [a_webhook(signature=...)], "missing", id="no signature"),
        pytest.param("triggers", {"a": {}}, "tuple_type", id="a mapping for a list"),
        pytest.param("concurrency_policy", "skip", "extra_forbidden", id="snake case"),
        pytest.param("createdAt", "x", "extra_forbidden", id="an unknown field"),
    ],
)
def test_what_a_field_refuses(field: str, value: Any, type_: str) -> None:
    assert refused(an_autopilot(**{field: value})) == [type_]


@pytest.mark.parametrize(
    ("field", "value"),
    [("jitter", 0), ("jitter", "5m"), ("replayWindow", 0), ("tokenGrace", "0s")],
)
def test_zero_is_off(field: str, value: Any) -> None:
    trigger = a_schedule(jitter=value) if field == "jitter" else a_webhook(**{field: value})
    document = model_of(an_autopilot(triggers=[trigger])).document()
    assert document["spec"]["triggers"][0][field] == (value or "0s")


@pytest.mark.parametrize("value", [False, 1, -1, 0.5, "0"])
def test_only_zero_is_off(value: object) -> None:
    assert refused(an_autopilot(triggers=[a_schedule(jitter=value)])) == ["duration-invalid"]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2026-12-31T00:00:00Z", "2026-12-31T00:00:00Z"),
        ("2026-12-31T01:00+01:00", "2026-12-31T00:00:00Z"),
        ("2026-12-31 00:00:00.5z", "2026-12-31T00:00:00.500000Z"),
    ],
)
def test_instants(text: str, canonical: str) -> None:
    document = model_of(an_autopilot(triggers=[a_schedule(startAt=text)])).document()
    assert document["spec"]["triggers"][0]["startAt"] == canonical


@pytest.mark.parametrize(
    "text", ["2026-12-31", "2026-12-31T00:00", "tomorrow", "", "2026-02-30T00:00Z"]
)
def test_what_is_no_instant(text: str) -> None:
    assert refused(an_autopilot(triggers=[a_schedule(startAt=text)])) == ["instant-invalid"]


def test_models_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        model_of(an_agent()).spec.max_concurrency = 5  # type: ignore[misc,union-attr]


def test_fields_that_came_later_change_no_digest_while_they_hold_their_defaults() -> None:
    plain = model_of(an_autopilot(concurrencyPolicy="queue")).document()
    explicit = model_of(an_autopilot(concurrencyPolicy="queue", queueKeep="all")).document()
    assert explicit == plain
    assert "queueKeep" not in plain["spec"]
    assert (
        model_of(an_autopilot(onApproval="fail")).document() == model_of(an_autopilot()).document()
    )
    other = model_of(an_autopilot(concurrencyPolicy="queue", queueKeep="newest")).document()
    assert other["spec"]["queueKeep"] == "newest"
