"""Edits of manifests: one changed value is a one-line diff, and every other byte stays."""

import copy
import difflib
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.base.identity import Key
from reconciler.core.manifest.state import digest_of
from reconciler.manifest.edit.edit import CannotEdit, append, apply_edit, remove
from reconciler.manifest.load.load import load_bundle
from tests.support.builders import Document, a_schedule, a_webhook, an_agent, an_autopilot, desired

TEXT = """\
# yaml-language-server: $schema=x
apiVersion: autopilots/v1
kind: Agent
metadata: {name: bot}   # who
spec: {runtime: {type: worker}}
---
apiVersion: 'autopilots/v1'
kind: Autopilot
metadata:
    name: triage
    # for the dashboard
    labels: {team: core, tier: "1"}
spec:
    timeout: 90m            # long enough

    title: 'Nightly triage'
    description: |
        Read the issues
        and label them.
    assignee: {type: agent, id: bot}
    triggers:
    # mornings
    - name: weekdays
      kind: schedule
      cron: "0 9 * * MON-FRI"   # nine
      timezone: Europe/Rome

    - kind: webhook
      name: ci
      signature:
        scheme: github
        secrets: [{file: ci}, {file: ci-old}]
    # the end of the list
---
# a last word
apiVersion: autopilots/v1
kind: Agent
metadata: {name: other}
spec: {runtime: {type: worker}}
"""
KEY = Key("Autopilot", "default", "triage")


def canonical(text: str | bytes, key: Key = KEY) -> Document:
    data = text.encode() if isinstance(text, str) else text
    return dict(load_bundle({"a.yaml": data}, source_id="x").objects[key].document)


def edited(change: Callable[[Document], Any], text: str = TEXT) -> str:
    before = canonical(text)
    after = copy.deepcopy(before)
    change(after)
    data = apply_edit(text.encode(), before, after)
    name = Key("Autopilot", "default", after["metadata"]["name"])
    assert digest_of(canonical(data, name)) == digest_of(after)
    return data.decode()


def diff(change: Callable[[Document], Any], text: str = TEXT) -> list[str]:
    lines = difflib.unified_diff(text.splitlines(), edited(change, text).splitlines(), n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def trigger(document: Document, name: str) -> Document:
    (found,) = (t for t in document["spec"]["triggers"] if t["name"] == name)
    return cast("Document", found)


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        pytest.param(
            lambda d: d["spec"].update(title="It's weekly"),
            ["-    title: 'Nightly triage'", "+    title: 'It''s weekly'"],
            id="quotes stay as they are",
        ),
        pytest.param(
            lambda d: d["spec"].update(timeout="2h"),
            [
                "-    timeout: 90m            # long enough",
                "+    timeout: 2h            # long enough",
            ],
            id="a comment behind the value stays",
        ),
        pytest.param(
            lambda d: trigger(d, "weekdays").update(cron="0 10 * * MON-FRI"),
            [
                '-      cron: "0 9 * * MON-FRI"   # nine',
                '+      cron: "0 10 * * MON-FRI"   # nine',
            ],
            id="a value of a trigger",
        ),
        pytest.param(
            lambda d: d["spec"].update(status="paused"),
            ["+    status: paused"],
            id="a field that was left out",
        ),
        pytest.param(
            lambda d: d["spec"].update(retry={**d["spec"]["retry"], "limit": 3}),
            ["+    retry: {limit: 3}"],
            id="a part of a mapping that was left out",
        ),
        pytest.param(
            lambda d: d["spec"].update(description="Read the issues\nand answer them.\n"),
            ["-        and label them.", "+        and answer them."],
            id="one line of a text",
        ),
        pytest.param(
            lambda d: d["metadata"]["labels"].pop("tier"),
            ['-    labels: {team: core, tier: "1"}', "+    labels: {team: core}"],
            id="an entry in braces is removed",
        ),
        pytest.param(
            lambda d: d["metadata"]["labels"].update(area="a b"),
            [
                '-    labels: {team: core, tier: "1"}',
                '+    labels: {team: core, tier: "1", area: a b}',
            ],
            id="an entry in braces is added",
        ),
        pytest.param(
            lambda d: d["metadata"].pop("labels", None) and d["metadata"].update(labels={}),
            ['-    labels: {team: core, tier: "1"}', "+    labels: {}"],
            id="all entries in braces are removed",
        ),
        pytest.param(
            lambda d: d["metadata"].update(name="label", formerNames=["triage"]),
            ["-    name: triage", "+    name: label", "+    formerNames: [triage]"],
            id="a move",
        ),
        pytest.param(
            lambda d: trigger(d, "ci")["signature"]["secrets"].pop(0),
            [
                "-        secrets: [{file: ci}, {file: ci-old}]",
                "+        secrets: [{file: ci-old}]",
            ],
            id="an item in brackets is removed",
        ),
        pytest.param(
            lambda d: d["spec"]["triggers"].append({"name": "go", "kind": "api", "enabled": True}),
            ["+    - name: go", "+      kind: api"],
            id="a trigger is added, with the indentation of the others",
        ),
        pytest.param(
            lambda d: d["spec"]["triggers"].pop(0),
            [
                "-    - name: weekdays",
                "-      kind: schedule",
                '-      cron: "0 9 * * MON-FRI"   # nine',
                "-      timezone: Europe/Rome",
            ],
            id="a trigger is removed",
        ),
        pytest.param(
            lambda d: d["spec"]["triggers"].reverse(),
            [],
            id="the order of triggers means nothing",
        ),
        pytest.param(lambda d: None, [], id="nothing"),
    ],
)
def test_the_lines_that_change(change: Callable[[Document], Any], lines: list[str]) -> None:
    assert diff(change) == lines


def test_windows_line_breaks_and_the_byte_order_mark_stay() -> None:
    data = b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode()
    before = canonical(data)
    after = copy.deepcopy(before)
    after["spec"].update(status="paused", description="One\nTwo\n")
    result = apply_edit(data, before, after)
    assert result.startswith(b"\xef\xbb\xbf#")
    assert result.count(b"\n") == result.count(b"\r\n")
    assert canonical(result) == after


def test_json_stays_json() -> None:
    document = an_autopilot(triggers=[a_schedule(), a_webhook()])
    text = json.dumps(document, indent=4)
    (declared,) = desired(document, allow_external=True).objects.values()
    after = copy.deepcopy(declared.document)
    after["spec"].update(status="paused", title="Ünï")
    del after["spec"]["triggers"][0]
    result = apply_edit(text.encode(), declared.document, after).decode()
    assert json.loads(result)["spec"]["status"] == "paused"
    assert len(result.splitlines()) < len(text.splitlines())


def test_a_layout_that_cannot_be_spliced_is_written_anew() -> None:
    text = TEXT.replace("    title: 'Nightly triage'", "    ? title\n    : 'Nightly triage'")
    result = edited(lambda d: d["spec"].update(status="paused"), text)
    assert result.startswith(TEXT[: TEXT.index("apiVersion: 'autopilots")])
    assert result.endswith(TEXT[TEXT.index("# a last word") :])


def test_an_edit_in_the_file_is_not_undone() -> None:
    before = canonical(TEXT)
    after = {**before, "spec": {**before["spec"], "status": "paused"}}
    newer = TEXT.replace("Nightly triage", "Weekly triage")
    with pytest.raises(CannotEdit, match="has been edited"):
        apply_edit(newer.encode(), before, after)


@pytest.mark.parametrize("text", ["a: [", "", TEXT.replace("triage", "gone"), "\x00"])
def test_files_that_cannot_be_edited(text: str) -> None:
    before = canonical(TEXT)
    with pytest.raises(CannotEdit):
        apply_edit(text.encode(), before, before)


def test_an_invalid_document_is_refused() -> None:
    before = canonical(TEXT)
    after = {**before, "spec": {**before["spec"], "timeout": "never"}}
    with pytest.raises(CannotEdit):
        apply_edit(TEXT.encode(), before, after)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        pytest.param(TEXT, TEXT + "---\n", id="behind others"),
        pytest.param(TEXT.rstrip("\n"), TEXT + "---\n", id="behind a last line without a break"),
        pytest.param("", "", id="into an empty file"),
        pytest.param("# only a comment\n", "# only a comment\n---\n", id="below a comment"),
    ],
)
def test_an_object_is_added(text: str, result: str) -> None:
    (new,) = desired(an_agent("new")).objects.values()
    added = append(text.encode(), new.document).decode()
    assert added.startswith(result + "apiVersion: autopilots/v1\nkind: Agent\n")
    assert canonical(added, new.key) == new.document


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        pytest.param("bot", 0, TEXT.index("---\n"), id="the first"),
        pytest.param("other", TEXT.rindex("---\n"), len(TEXT), id="the last"),
    ],
)
def test_an_object_is_removed(name: str, start: int, end: int) -> None:
    result = remove(TEXT.encode(), Key("Agent", "default", name))
    assert result is not None
    assert result.decode() == TEXT[:start] + TEXT[end:]


def test_the_last_object_of_a_file_takes_the_file_with_it() -> None:
    text = TEXT[: TEXT.index("---\n")]
    assert remove(text.encode(), Key("Agent", "default", "bot")) is None
    with pytest.raises(CannotEdit):
        remove(text.encode(), Key("Agent", "default", "nobody"))


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "title": st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30),
    "description": st.text(st.sampled_from("ab \n:#-'\"\\\té\u2028"), max_size=30),
    "maxConcurrency": st.integers(1, 100),
    "timeout": st.sampled_from(["1m", "1h30m", "2h"]),
    "status": st.sampled_from(["active", "paused"]),
    "limits": st.fixed_dictionaries({}, optional={"perHour": st.integers(1, 9)}),
    "triggers": st.lists(
        st.sampled_from(["weekdays", "a", "b", "c"]).map(lambda n: a_schedule(n)),
        max_size=3,
        unique_by=lambda t: t["name"],
    ),
}


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries({}, optional=FIELDS))
def test_any_edit_means_what_was_asked_for(fields: dict[str, Any]) -> None:
    before = canonical(TEXT)
    asked = {**before, "spec": {**before["spec"], **fields}}
    (declared,) = desired(asked, allow_external=True).objects.values()
    result = apply_edit(TEXT.encode(), before, declared.document)
    assert digest_of(canonical(result)) == declared.digest
    head, tail = TEXT.index("apiVersion: 'autopilots"), TEXT.index("# a last word")
    assert result.decode().startswith(TEXT[:head])
    assert result.decode().endswith(TEXT[tail:])
