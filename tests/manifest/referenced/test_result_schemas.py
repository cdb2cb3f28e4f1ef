"""A schema of results in a file of its own: part of the autopilot, never taken for a manifest."""

import json
from typing import Any

import pytest

from reconciler.core.base.errors import InvalidManifests
from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import Desired
from reconciler.core.plan.fielddiff import field_changes
from reconciler.manifest.files import Bundle
from reconciler.manifest.load.load import load, load_bundle
from tests.support.builders import an_agent, an_autopilot, text_of

KEY = Key("Autopilot", "platform", "nightly-triage")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def files(schema: Any, name: str = "schemas/labels.json") -> dict[str, bytes]:
    text = schema if isinstance(schema, str) else json.dumps({"$schema": DIALECT, **schema})
    manifest = text_of(an_agent(), an_autopilot(expectSchema={"file": name}))
    return {"team/all.yaml": manifest.encode(), f"team/{name}": text.encode()}


def schema_of(loaded: Desired) -> Any:
    spec = loaded.objects[KEY].document["spec"]
    assert "expectSchema" not in spec
    return json.loads(spec["resultSchema"])


def problems(contents: dict[str, bytes]) -> list[str]:
    with pytest.raises(InvalidManifests) as invalid:
        load(Bundle(contents), source_id="default")
    return [str(problem) for problem in invalid.value.problems]


def test_it_is_part_of_the_autopilot() -> None:
    loaded = load_bundle(files({"type": "object"}), source_id="default")
    assert schema_of(loaded) == {"$schema": DIALECT, "type": "object"}
    assert {key.kind for key in loaded.objects} == {"Agent", "Autopilot"}


def test_its_edit_is_one_change() -> None:
    before, after = (
        load_bundle(files({"type": kind}), source_id="x").objects[KEY].document
        for kind in ("object", "array")
    )
    (change,) = field_changes(before, after)
    assert change.path == "spec.resultSchema"


def test_one_that_is_no_schema_is_a_problem_of_the_line_that_names_it() -> None:
    (problem,) = problems(files({"type": "objekt"}))
    assert problem.startswith("team/all.yaml:")
    assert "schemas/labels.json: at $.type" in problem
    assert problem.endswith("[schema-invalid]")


def test_both_ways_to_say_it_are_too_many() -> None:
    contents = files({"type": "object"})
    twice = an_autopilot(expectSchema={"file": "schemas/labels.json"}, resultSchema="{}")
    contents["team/all.yaml"] = text_of(an_agent(), twice).encode()
    (problem,) = problems(contents)
    assert "resultSchema and expectSchema are both given" in problem


def test_a_json_file_that_is_no_schema_is_still_a_manifest() -> None:
    contents = {**files({"type": "object"}), "team/other.json": b'{"type": "object"}'}
    assert all(problem.startswith("team/other.json") for problem in problems(contents))
