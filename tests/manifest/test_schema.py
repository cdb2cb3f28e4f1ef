"""The published JSON Schemas: current, and of one mind with the loader."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.manifest import schema
from reconciler.manifest.examples import EXAMPLES
from tests.support.builders import (
    Document,
    a_schedule,
    a_secret,
    a_squad,
    a_webhook,
    an_agent,
    an_api_trigger,
    an_autopilot,
    problems_of,
    text_of,
)

PUBLISHED = Path(__file__).parents[2] / "schemas"
VALID = {
    "an autopilot": an_autopilot(),
    "a period": an_autopilot(triggers=[a_schedule(every="90m", jitter=0, startAt=None)]),
    "one moment": an_autopilot(triggers=[a_schedule(at="2026-12-01T09:00", cron=None)]),
    "all triggers": an_autopilot(triggers=[a_schedule(), a_webhook(), an_api_trigger()]),
    "a webhook for all": an_autopilot(triggers=[a_webhook(signature={"scheme": "none"})]),
    "a secret file": an_autopilot(
        triggers=[a_webhook(signature={"scheme": "slack", "secrets": [{"file": "slack"}]})]
    ),
    "sizes": an_autopilot(triggers=[a_webhook(maxBody="64KiB", replayWindow=0)]),
    "labels": an_autopilot(metadata={"labels": {"team": "core"}, "formerNames": ["old"]}),
    "an agent": an_agent(maxConcurrency=4),
    "a command": an_agent(
        runtime={"type": "command", "program": "x", "env": {"A": "b", "C": a_secret()}}
    ),
    "a coding agent": an_agent(
        runtime={"type": "cli", "agent": "codex", "program": "codex", "workDir": "/srv"}
    ),
    "an aegis agent": an_agent(runtime={"type": "aegis", "workDir": "/srv", "token": a_secret()}),
    "a squad": a_squad(strategy="round_robin"),
    **{f"the example of {kind}": example for kind, example in EXAMPLES.items()},
}
INVALID = {
    "an unknown field": an_autopilot(foo=1),
    "a missing title": an_autopilot(title=...),
    "a number for a text": an_autopilot(title=5),
    "a number out of range": an_autopilot(maxConcurrency=0),
    "an unknown value": an_autopilot(status="on"),
    "a bad name": an_autopilot("-x"),
    "a bad duration": an_autopilot(timeout="90"),
    "two schedules in one": an_autopilot(triggers=[a_schedule(cron="* * * * *", every="5m")]),
    "no schedule": an_autopilot(triggers=[a_schedule(cron=None)]),
    "a webhook without a secret": an_autopilot(
        triggers=[a_webhook(signature={"scheme": "github"})]
    ),
    "a secret for nothing": an_autopilot(
        triggers=[a_webhook(signature={"scheme": "none", "secrets": [a_secret()]})]
    ),
    "a reference to two things": an_autopilot(
        triggers=[a_webhook(signature={"scheme": "github", "secrets": [a_secret(file="x")]})]
    ),
    "an unknown kind of trigger": an_autopilot(triggers=[{"name": "a", "kind": "cron"}]),
    "an unknown runtime": an_agent(runtime={"type": "ssh"}),
    "a variable that is no name": an_agent(
        runtime={"type": "command", "program": "x", "env": {"a b": "c"}}
    ),
    "an empty squad": a_squad(members=[]),
    "another version": {**an_agent(), "apiVersion": "autopilots/v2"},
    "another kind": {**an_agent(), "kind": "Pod"},
}


def errors(name: str, document: Document) -> list[str]:
    validator = Draft202012Validator(schema.schema(name))
    return [error.message for error in validator.iter_errors(document)]


@pytest.mark.parametrize("name", schema.names())
def test_the_published_schema_is_current(name: str) -> None:
    published = (PUBLISHED / f"{name}.schema.json").read_text(encoding="utf-8")
    assert published == schema.text(name), "run `python -m reconciler.manifest.schema schemas`"


@pytest.mark.parametrize("name", schema.names())
def test_it_is_a_schema_with_examples_that_fit(name: str) -> None:
    generated = schema.schema(name)
    Draft202012Validator.check_schema(generated)
    assert generated["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert [errors(name, example) for example in generated["examples"]] == [[]] * len(
        generated["examples"]
    )


@pytest.mark.parametrize("document", VALID.values(), ids=VALID)
def test_valid_for_schema_and_loader(document: Document) -> None:
    assert errors("manifest", document) == []
    assert errors(document["kind"], document) == []
    assert problems_of(text_of(document), allow_external=True) == []


@pytest.mark.parametrize("document", INVALID.values(), ids=INVALID)
def test_invalid_for_schema_and_loader(document: Document) -> None:
    assert errors("manifest", document)
    assert problems_of(text_of(document), allow_external=True)


@pytest.mark.parametrize("name", schema.names())
def test_every_object_is_closed_and_every_field_described(name: str) -> None:
    definitions = schema.schema(name)["$defs"]
    for definition in definitions.values():
        if "properties" not in definition:
            continue
        assert definition["additionalProperties"] is False
        for field in definition["properties"].values():
            assert described(field, definitions)


def described(field: dict[str, Any], definitions: dict[str, Any]) -> bool:
    target = definitions.get(field.get("$ref", "").removeprefix("#/$defs/"), {})
    return bool(field.get("description") or target.get("description"))


def test_defaults_are_written_as_in_a_manifest() -> None:
    text = schema.text("autopilot")
    spec = json.loads(text)["$defs"]["AutopilotSpec"]["properties"]
    assert spec["timeout"]["default"] == "1h30m"
    assert '"PT' not in text


def test_schemas_are_written(tmp_path: Path) -> None:
    written = schema.write(tmp_path / "new")
    assert [file.name for file in written] == [f"{name}.schema.json" for name in schema.names()]
    with pytest.raises(KeyError):
        schema.schema("pod")
