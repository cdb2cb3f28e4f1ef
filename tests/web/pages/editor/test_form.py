"""The form of an autopilot: what it does not show, or nobody touched, stays just as it was."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.errors import InvalidManifests
from reconciler.core.manifest.defaults import autopilot_defaults
from reconciler.core.manifest.merge import MISSING
from reconciler.core.manifest.model import Autopilot
from reconciler.core.manifest.notify import Event
from reconciler.core.manifest.state import Document
from reconciler.web.pages.editor.draft import Draft, acted
from reconciler.web.pages.editor.edit import Editor
from reconciler.web.pages.editor.field import value_at
from reconciler.web.pages.editor.form import overlaid
from reconciler.web.pages.editor.sections import SECTIONS, TRIGGER_FIELDS
from reconciler.web.pages.editor.value import Kind, is_exact, read, shown
from reconciler.web.writing.edits import declared
from tests.support.forms import edit_page, form_of
from tests.support.rig import autopilot, schedule

FIELDS = {field.name: field for section in SECTIONS for field in section.fields}
TRIGGERS: list[Document] = [
    schedule("0 9 * * *") | {"jitter": "5m", "catchUp": "none", "when": "lastRun ==\n null\n"},
    {"name": "once", "kind": "schedule", "at": "2026-12-01T09:00", "endAt": "2026-12-31T00:00:00Z"},
    {
        "name": "hook",
        "kind": "webhook",
        "signature": {
            "scheme": "hmac_sha256",
            "secrets": [
                {"env": "AUTOPILOT_SECRET_DEFAULT__CI", "notAfter": "2027-01-01T00:00:00Z"}
            ],
            "header": "X-Signature",
            "timeHeader": "X-Time",
            "signed": "{time}.{body}",
        },
        "maxBody": "64KiB",
        "replayWindow": 0,
        "tokenGeneration": 3,
    },
    {"name": "open", "kind": "webhook", "signature": {"scheme": "none"}, "label": " spaced "},
    {"name": "call", "kind": "api", "when": 'payload.x == "1"', "enabled": False},
]
OPTIONAL: dict[str, Any] = {
    "description": st.sampled_from(["", "\nOne\r\n\ntwo  ", " <b>&amp;</b>\t"]),
    "concurrencyKey": st.sampled_from(["payload.id", " payload.id\n", "payload.a +\n payload.b"]),
    "queueTtl": st.sampled_from(["1d", "24h", "90s"]),
    "retry": st.sampled_from([{}, {"limit": 3}, {"backoff": "1m", "maxBackoff": "1h"}]),
    "limits": st.sampled_from([{}, {"perHour": 3}, {"perHour": 3, "perDay": 1000}]),
    "budget": st.sampled_from([{"perRun": 0.5}, {"perDay": 5, "perMonth": 0.000001}]),
    "context": st.just(["lastCompleted"]),
    "precheck": st.sampled_from(
        [{"program": "p"}, {"program": "p", "args": ["-a", " b ", "c\nd"], "timeout": "5s"}]
    ),
    "expect": st.sampled_from(
        ['result.status == "\u202e\u200b"', "result.a > 1\n  && result.b > 1\n"]
    ),
    "resultSchema": st.sampled_from(['{"type": "object"}', '{\n "type": "array"}\n']),
    "notify": st.lists(
        st.fixed_dictionaries(
            {
                "on": st.lists(st.sampled_from(sorted(Event)), min_size=1, unique=True),
                "to": st.sampled_from(["log", "oncall"]),
            }
        ),
        max_size=3,
        unique_by=lambda rule: str(rule["to"]),
    ),
    "onApproval": st.sampled_from(["fail", "wait"]),
    "deletionPolicy": st.sampled_from(["archive", "protect"]),
    "pauseAfterFailures": st.sampled_from([0, 5, 7]),
    "issueTitleTemplate": st.sampled_from(["Triage {{ date }}", " two\nlines "]),
}
METADATA = st.fixed_dictionaries(
    {"name": st.just("triage")},
    optional={
        "labels": st.sampled_from(
            [{"team": "co\u2066re", "a": "x=y"}, {"b=c": "d"}, {"e": " f\n"}]
        ),
        "annotations": st.just({"note": "kept\n"}),
        "formerNames": st.just(["before"]),
    },
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """A valid manifest, as the database holds it."""
    spec = draw(st.fixed_dictionaries({}, optional=OPTIONAL))
    triggers = draw(st.lists(st.sampled_from(TRIGGERS), unique_by=lambda t: str(t["name"])))
    manifest = autopilot("triage", **spec)
    manifest["spec"]["triggers"] = triggers
    manifest["metadata"] = draw(METADATA)
    return Autopilot.model_validate(manifest).document()


def as_sent(document: Document) -> dict[str, str]:
    """What a browser sends of the untouched form: line breaks as CRLF, none in a line."""
    editor = Editor(Draft(base=document, mine=document), None, "default")
    page = edit_page(editor)
    form = form_of(page, "/autopilots/new")
    return {
        name: value.replace("\r\n", "\n").replace("\r", "\n").replace("\n", line_break)
        for name, value in form.fields.items()
        for line_break in ["\r\n" if name in form.areas else ""]
    }


@given(documents())
def test_an_untouched_form_is_the_manifest_that_it_shows(document: Document) -> None:
    assert overlaid(document, as_sent(document)) == document


@given(documents(), st.sampled_from(sorted(FIELDS)), st.data())
def test_a_field_that_is_changed_changes_nothing_else(
    document: Document, name: str, data: st.DataObject
) -> None:
    field = FIELDS[name]
    text = data.draw(st.sampled_from(VALUES[field.kind] + list(field.options)))
    changed = overlaid(document, as_sent(document) | {name: text})
    for other in FIELDS.values():
        if other.path[:2] != field.path[:2]:
            assert value_at(changed, other.path) == value_at(document, other.path)
    assert changed["spec"]["triggers"] == document["spec"]["triggers"]
    assert changed["metadata"].get("annotations") == document["metadata"].get("annotations")
    if field.is_open(document) and field.kind is not Kind.LISTED:
        shown_again = field.text_in(changed, autopilot_defaults())
        default = shown(field.kind, value_at(autopilot_defaults(), field.path))
        assert text in (shown_again, default) or (text == "" and field.kind is Kind.CHOICE)


VALUES = {
    Kind.LINE: ["2h", "", "x y"],
    Kind.EXPRESSION: ["a ==\nb", ""],
    Kind.TEXT: ['{"type":\n"object"}', ""],
    Kind.NUMBER: ["7", "", "many"],
    Kind.AMOUNT: ["0.75", "3", "", "1,50"],
    Kind.PERIOD: ["0", "5m", ""],
    Kind.PROGRAM: ["other", ""],
    Kind.LINES: ["-x\n y", ""],
    Kind.PAIRS: ["a=b\nc=d=e", ""],
    Kind.CHOICE: [],
    Kind.LISTED: [],
}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        pytest.param(Kind.LINE, "two\nlines", id="a line with a break"),
        pytest.param(Kind.LINES, ["one\ntwo"], id="an item with a break"),
        pytest.param(Kind.LINES, ["a", ""], id="an empty item"),
        pytest.param(Kind.PAIRS, {"a=b": "c"}, id="a name with an equals sign"),
        pytest.param(Kind.PAIRS, {"a": "b\nc"}, id="a value with a break"),
        pytest.param(Kind.PAIRS, {"a": 5}, id="a value that is no text"),
        pytest.param(Kind.NUMBER, True, id="a truth value"),
        pytest.param(Kind.LISTED, ["a", "b"], id="two of one"),
        pytest.param(Kind.LINE, {"a": []}, id="a map"),
    ],
)
def test_what_a_form_cannot_say_is_left_to_the_yaml(kind: Kind, value: Any) -> None:
    assert not is_exact(kind, value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        pytest.param(Kind.NUMBER, " 12 ", 12, id="a number"),
        pytest.param(Kind.NUMBER, "-1", "-1", id="a number that is wrong"),
        pytest.param(Kind.AMOUNT, "2.50", 2.5, id="dollars"),
        pytest.param(Kind.AMOUNT, "0.000001", 0.000001, id="a millionth"),
        pytest.param(Kind.AMOUNT, "1e3", "1e3", id="no dollars"),
        pytest.param(Kind.AMOUNT, "nan", "nan", id="no number at all"),
        pytest.param(Kind.PERIOD, "0", 0, id="off"),
        pytest.param(Kind.LINES, "-a\n\n b c", ["-a", " b c"], id="arguments"),
        pytest.param(Kind.PAIRS, "a = b\nc", {"a": "b", "c": None}, id="labels"),
        pytest.param(Kind.LINE, "  ", MISSING, id="nothing"),
    ],
)
def test_a_text_becomes_a_value(kind: Kind, text: str, value: Any) -> None:
    assert read(kind, text) == value


def test_without_a_program_there_is_no_precheck_and_without_amounts_no_budget() -> None:
    document = Autopilot.model_validate(
        autopilot("a", precheck={"program": "p", "args": ["-x"]}, budget={"perDay": 5})
    ).document()
    emptied = {"spec.precheck.program": "", "spec.budget.perDay": " "}
    spec = overlaid(document, as_sent(document) | emptied)["spec"]
    assert "precheck" not in spec
    assert "budget" not in spec


def test_a_scheme_takes_its_own_options_and_leaves_those_of_another() -> None:
    document = Autopilot.model_validate(autopilot("a", TRIGGERS[2])).document()
    fields = as_sent(document)
    (hook,) = overlaid(document, fields | {"t0.signature.encoding": "base64"})["spec"]["triggers"]
    assert hook["signature"] == {**TRIGGERS[2]["signature"], "encoding": "base64"}
    github = fields | {"t0.scheme": "github", "t0.signature.tolerance": "1m"}
    (hook,) = overlaid(document, github)["spec"]["triggers"]
    secrets = TRIGGERS[2]["signature"]["secrets"]
    assert hook["signature"] == {"scheme": "github", "secrets": secrets, "tolerance": "1m"}
    (hook,) = overlaid(document, fields | {"t0.scheme": "bearer"})["spec"]["triggers"]
    assert hook["signature"] == {"scheme": "bearer", "secrets": secrets, "header": "X-Signature"}


def test_rows_of_who_is_told_are_added_changed_and_removed() -> None:
    document = Autopilot.model_validate(autopilot("a")).document()
    draft = acted(Draft(base=document, mine=document), "add:notify", "oncall")
    draft = acted(draft, "add:notify", "log")
    fields = as_sent(draft.mine)
    fields["n1.on.approval"] = "on"
    del fields["n1.on.failed"]
    mine = overlaid(draft.mine, fields)
    assert mine["spec"]["notify"] == [
        {"on": ["failed", "recovered"], "to": "oncall"},
        {"on": ["recovered", "approval"], "to": "log"},
    ]
    draft = acted(Draft(base=document, mine=mine), "remove-notify:0", "log")
    draft = acted(draft, "remove-notify:0", "log")
    assert acted(draft, "remove-notify:7", "log").mine == document
    nobody = overlaid(document, as_sent(document) | {"nobody": "on"})
    assert nobody["spec"]["notify"] == []
    fields = as_sent(nobody)
    assert overlaid(nobody, fields) == nobody
    assert overlaid(nobody, {k: v for k, v in fields.items() if k != "nobody"}) == document


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_what_is_wrong_is_said_at_its_field(name: str) -> None:
    """A text that fits nowhere: the Problem names the field."""
    field = FIELDS[name]
    document = Autopilot.model_validate(autopilot("a", precheck={"program": "p"})).document()
    wrong = {Kind.PAIRS: "no value", Kind.LINES: "\0"}.get(field.kind, "{{ nope }}")
    with pytest.raises(InvalidManifests) as refused:
        declared(field.laid(document, wrong), "default")
    assert all(problem.field.startswith(name) for problem in refused.value.problems)


def test_every_field_can_be_filled_in_where_nothing_stands_yet() -> None:
    triggers = {str(trigger["kind"]): trigger for trigger in TRIGGERS}
    document = Autopilot.model_validate(autopilot("a", *triggers.values())).document()
    assert [name for name, field in FIELDS.items() if not field.is_open(document)] == []
    for trigger in document["spec"]["triggers"]:
        assert all(field.is_open(trigger) for field in TRIGGER_FIELDS[trigger["kind"]])


def test_every_field_of_the_model_is_in_the_form_or_left_to_the_yaml() -> None:
    spec = Autopilot.model_json_schema()["$defs"]["AutopilotSpec"]["properties"]
    by_hand = {
        "title", "description", "assignee", "executionMode", "concurrencyPolicy", "maxConcurrency",
        "issueTitleTemplate", "status", "triggers", "notify",
        "descriptionFrom",
    }  # fmt: skip
    assert {field.path[1] for field in FIELDS.values() if field.path[0] == "spec"} | by_hand == set(
        spec
    )


def test_a_form_with_all_that_a_manifest_may_have_is_still_one_that_is_read() -> None:
    """`parse_form` takes 1,000 fields: 50 webhooks and 20 rows with all their boxes fit."""
    hooks = [
        {"name": f"h{n}", "kind": "webhook", "signature": {"scheme": "none"}} for n in range(50)
    ]
    rules = [{"on": sorted(Event), "to": f"c{n}"} for n in range(20)]
    manifest = autopilot("a", notify=rules)
    manifest["spec"]["triggers"] = hooks
    assert len(as_sent(Autopilot.model_validate(manifest).document())) < 950
