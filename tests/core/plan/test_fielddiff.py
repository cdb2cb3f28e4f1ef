"""Which fields differ between two documents, and how their paths read."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.manifest.defaults import without_defaults
from reconciler.core.manifest.model import MODELS
from reconciler.core.manifest.state import Declared, digest_of
from reconciler.core.plan.fielddiff import FieldChange, field_changes, fields_of_new
from tests.support.strategies import VALUES, desired_sets
from tests.support.worlds import agent, autopilot, declared, schedule, squad

WEBHOOK = {
    "name": "ci",
    "kind": "webhook",
    "signature": {"scheme": "github", "secrets": [{"env": "AUTOPILOT_SECRET_DEFAULT__CI"}]},
}


def command(**runtime: Any) -> Declared:
    return declared("Agent", "bot", {"runtime": {"type": "command", "program": "run", **runtime}})


def triples(before: Declared, after: Declared) -> list[tuple[str, Any, Any]]:
    actual = field_changes(before.document, after.document)
    return [(change.path, change.before, change.after) for change in actual]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(agent(), agent(), [], id="nothing"),
        pytest.param(
            autopilot("x"),
            autopilot("x", title="Other"),
            [("spec.title", "A title", "Other")],
            id="a scalar",
        ),
        pytest.param(
            autopilot("x", labels={"a": "1", "b": "2"}),
            autopilot("x", labels={"a": "9", "c/d.e": "3"}),
            [
                ("metadata.labels.a", "1", "9"),
                ('metadata.labels["c/d.e"]', None, "3"),
                ("metadata.labels.b", "2", None),
            ],
            id="a map, key by key",
        ),
        pytest.param(
            autopilot("x"),
            autopilot("x", limits={"perHour": 3}),
            [("spec.limits.perHour", None, 3)],
            id="a field that was not there",
        ),
        pytest.param(
            squad("s", "a", "b"),
            squad("s", "b", "a"),
            [("spec.members", ["a", "b"], ["b", "a"])],
            id="a list is one value, its order counts",
        ),
        pytest.param(
            autopilot("x", triggers=[schedule("a"), schedule("b")]),
            autopilot("x", triggers=[schedule("b", "0 8 * * *"), schedule("a")]),
            [("spec.triggers[b].cron", "0 9 * * *", "0 8 * * *")],
            id="triggers by name, whatever their order",
        ),
        pytest.param(
            autopilot("x", triggers=[schedule("a")]),
            autopilot("x", triggers=[WEBHOOK]),
            [
                (
                    "spec.triggers[ci]",
                    None,
                    {"kind": "webhook", "signature": WEBHOOK["signature"]},
                ),
                ("spec.triggers[a]", {"kind": "schedule", "cron": "0 9 * * *"}, None),
            ],
            id="a trigger that came and one that went, without their defaults",
        ),
        pytest.param(
            autopilot("x", triggers=[schedule("a")]),
            autopilot("x", triggers=[{"name": "a", "kind": "api"}]),
            [
                ("spec.triggers[a].kind", "schedule", "api"),
                ("spec.triggers[a].cron", "0 9 * * *", None),
                ("spec.triggers[a].timezone", "UTC", None),
                ("spec.triggers[a].jitter", "0s", None),
                ("spec.triggers[a].catchUp", "latest", None),
                ("spec.triggers[a].catchUpWindow", "1h", None),
            ],
            id="a trigger of another kind under the same name",
        ),
        pytest.param(
            command(cwd="/a"),
            agent(),
            [
                ("spec.runtime.type", "command", "worker"),
                ("spec.runtime.program", "run", None),
                ("spec.runtime.args", [], None),
                ("spec.runtime.input", "json", None),
                ("spec.runtime.env", {}, None),
                ("spec.runtime.cwd", "/a", None),
            ],
            id="another runtime",
        ),
    ],
)
def test_field_changes(
    before: Declared, after: Declared, expected: list[tuple[str, Any, Any]]
) -> None:
    assert triples(before, after) == expected


SECRET = {"env": "AUTOPILOT_SECRET_DEFAULT__A"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            {"A": "old"},
            {"A": "new"},
            [FieldChange("spec.runtime.env.A", "old", "new", True)],
            id="a text is sensitive",
        ),
        pytest.param(
            {"A": "old"},
            {"A": SECRET},
            [FieldChange("spec.runtime.env.A", "old", SECRET, True)],
            id="so is a text that becomes a reference",
        ),
        pytest.param(
            {"A": SECRET},
            {"A": {"file": "a"}},
            [
                FieldChange("spec.runtime.env.A.file", None, "a"),
                FieldChange("spec.runtime.env.A.env", SECRET["env"], None),
            ],
            id="a reference is a name, and is not",
        ),
    ],
)
def test_sensitive_fields(before: Any, after: Any, expected: list[FieldChange]) -> None:
    changes = field_changes(command(env=before).document, command(env=after).document)
    assert list(changes) == expected


def test_a_new_object_says_what_is_not_a_default() -> None:
    new = autopilot("x", maxConcurrency=2, limits={"perDay": 5}, triggers=[schedule("a")])
    assert [(change.path, change.after) for change in fields_of_new(new.document)] == [
        ("spec.title", "A title"),
        ("spec.assignee.type", "agent"),
        ("spec.assignee.id", "bot"),
        ("spec.maxConcurrency", 2),
        ("spec.limits.perDay", 5),
        ("spec.triggers[a]", {"kind": "schedule", "cron": "0 9 * * *"}),
    ]


def test_that_nobody_hears_of_it_is_said_and_is_not_the_default() -> None:
    plain, silent = autopilot("x").document, autopilot("x", notify=[]).document
    assert "notify" not in plain["spec"]
    assert field_changes(plain, silent) == (FieldChange("spec.notify", None, []),)
    assert FieldChange("spec.notify", None, []) in fields_of_new(silent)
    assert without_defaults(silent)["spec"]["notify"] == []


@given(desired_sets())
def test_a_document_without_defaults_loads_as_the_same_object(wanted: Any) -> None:
    for each in wanted.objects.values():
        before = copy.deepcopy(each.document)
        short = without_defaults(each.document)
        assert MODELS[each.key.kind].model_validate(short).document() == each.document
        assert each.document == before


@pytest.mark.parametrize(
    "each",
    [
        agent(),
        command(env={"A": "x"}),
        autopilot("x", triggers=[WEBHOOK]),
        autopilot("x", notify=[]),
    ],
)
def test_every_kind_loads_again_without_its_defaults(each: Declared) -> None:
    short = without_defaults(each.document)
    assert MODELS[each.key.kind].model_validate(short).document() == each.document


documents = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries({"labels": st.dictionaries(st.text(), VALUES)}),
        "spec": st.fixed_dictionaries(
            {"runtime": VALUES},
            optional={
                "triggers": st.lists(
                    st.fixed_dictionaries({"name": st.sampled_from("abc"), "kind": VALUES}),
                    unique_by=lambda trigger: trigger["name"],
                )
            },
        ),
    }
)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


@given(documents.map(_without_nulls), documents.map(_without_nulls))
def test_no_field_differs_exactly_if_the_digests_are_equal(before: Any, after: Any) -> None:
    same = digest_of(before) == digest_of(after)
    assert (not field_changes(before, after)) == same
    assert field_changes(before, copy.deepcopy(before)) == ()
