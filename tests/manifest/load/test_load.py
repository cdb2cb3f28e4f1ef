"""Manifests to Desired: Problems with their places, names, references, digests, reuse."""

import dataclasses
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reconciler.core.base.codes import Code
from reconciler.core.base.errors import InvalidManifests, Refused
from reconciler.core.base.identity import Key
from reconciler.core.manifest.checks import Policy
from reconciler.manifest.files import Bundle, File
from reconciler.manifest.load.load import load, load_bundle, reuse_of
from reconciler.manifest.text import too_large
from tests.support.builders import (
    a_squad,
    an_agent,
    an_autopilot,
    desired,
    problems_in,
    problems_of,
    text_of,
)

TRIAGE = """\
apiVersion: autopilots/v1
kind: Autopilot
metadata:
  name: triage
spec:
  title: Triage
  assignee: {type: agent, id: bot}
  triggers:
    - name: daily
      kind: schedule
      timezone: UTC
      cron: "@daily"
---
apiVersion: autopilots/v1
kind: Agent
metadata: {name: bot}
spec: {runtime: {type: worker}}
"""


def changed(old: str, new: str) -> list[str]:
    """The problems of `TRIAGE` with one text replaced."""
    assert TRIAGE.count(old) == 1
    return [str(problem) for problem in problems_of({"a/t.yaml": TRIAGE.replace(old, new)})]


def test_a_valid_source() -> None:
    loaded = load_bundle({"a/t.yaml": TRIAGE.encode()}, source_id="here")
    autopilot = loaded.objects[Key("Autopilot", "default", "triage")]
    assert list(loaded.objects) == [autopilot.key, Key("Agent", "default", "bot")]
    assert autopilot.document["spec"]["timeout"] == "1h30m"
    origin = autopilot.origin
    assert (origin.path, origin.line, origin.column) == ("a/t.yaml", 1, 1)
    assert (origin.source_id, origin.revision) == ("here", loaded.revision.id)
    assert [(file.path, file.keys) for file in loaded.files] == [
        ("a/t.yaml", tuple(loaded.objects))
    ]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        pytest.param(
            "timezone: UTC",
            "timezone: Berlin",
            "a/t.yaml:11:17: spec.triggers[0].timezone: unknown time zone 'Berlin', "
            "did you mean 'Europe/Berlin'? [timezone-unknown]",
            id="a value has the place of the value",
        ),
        pytest.param(
            "      cron:",
            "      corn:",
            "a/t.yaml:12:7: spec.triggers[0].corn: unknown field 'corn', did you mean 'cron'? "
            "[field-unknown]",
            id="an unknown field has the place of its key",
        ),
        pytest.param(
            "  title: Triage\n",
            "",
            "a/t.yaml:5:1: spec.title: 'title' is missing, it is required [field-missing]",
            id="a missing field has the place of its parent",
        ),
        pytest.param(
            "  - name: daily\n      kind",
            "  - kind",
            "a/t.yaml:9:7: spec.triggers[0].name: 'name' is missing, it is required "
            "[field-missing]",
            id="a field that an item lacks has the place of the item",
        ),
        pytest.param(
            "title: Triage",
            "title:",
            "a/t.yaml:6:3: spec.title: expected a text, found nothing [field-type]",
            id="nothing has the place of its key",
        ),
        pytest.param(
            "title: Triage",
            "title: 5",
            "a/t.yaml:6:10: spec.title: expected a text, found the number 5; write it in quotes "
            "[field-type]",
            id="a number for a text",
        ),
        pytest.param(
            "title: Triage",
            "title: Triage\n  concurrency_policy: skip",
            "a/t.yaml:7:3: spec.concurrency_policy: unknown field 'concurrency_policy', "
            "did you mean 'concurrencyPolicy'? [field-unknown]",
            id="snake case is unknown",
        ),
        pytest.param(
            "title: Triage",
            "title: Triage\n  concurrencyPolicy: queu",
            "a/t.yaml:7:22: spec.concurrencyPolicy: unknown value 'queu', did you mean 'queue'? "
            "[value-unknown]",
            id="an unknown value",
        ),
        pytest.param(
            "title: Triage",
            "title: Triage\n  maxConcurrency: 101",
            "a/t.yaml:7:19: spec.maxConcurrency: expected 1 to 100, found 101 [value-range]",
            id="a number out of range",
        ),
        pytest.param(
            "title: Triage",
            "title: Triage\n  lastRunAt: 2026-01-01T00:00:00Z",
            "a/t.yaml:7:3: spec.lastRunAt: 'lastRunAt' belongs to the server, which sets it; "
            "remove it [field-server-owned]",
            id="what the server owns",
        ),
        pytest.param(
            "kind: schedule",
            "kind: shedule",
            "a/t.yaml:10:13: spec.triggers[0].kind: unknown value 'shedule', "
            "did you mean 'schedule'? [value-unknown]",
            id="an unknown kind of trigger",
        ),
        pytest.param(
            "kind: Autopilot",
            "kind: autopilot",
            "a/t.yaml:2:7: kind: unknown kind 'autopilot', did you mean 'Autopilot'? "
            "[kind-unknown]",
            id="an unknown kind",
        ),
        pytest.param(
            "id: bot",
            "id: bots",
            "a/t.yaml:7:31: spec.assignee.id: unknown agent 'bots' in workspace 'default', "
            "did you mean 'bot'? [assignee-unknown]",
            id="an unknown assignee",
        ),
        pytest.param(
            "name: triage",
            "name: Triage",
            "a/t.yaml:4:9: metadata.name: 'Triage' is not a name; use 1 to 63 of a-z, 0-9 and "
            "'-', starting and ending with a letter or digit [name-invalid]",
            id="a name in title case",
        ),
        pytest.param(
            "type: agent",
            "type: person",
            "a/t.yaml:7:20: spec.assignee.type: unknown value 'person'; allowed: agent, squad "
            "[value-unknown]",
            id="nothing near",
        ),
    ],
)
def test_a_problem_and_its_place(old: str, new: str, line: str) -> None:
    assert changed(old, new) == [line]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("- 1", Code.FIELD_TYPE, id="a list"),
        pytest.param("---\nnull", Code.FIELD_TYPE, id="an explicit null"),
        pytest.param("kind: Agent", Code.FIELD_MISSING, id="no apiVersion"),
        pytest.param("apiVersion: v1\nkind: Agent", Code.API_VERSION, id="another apiVersion"),
        pytest.param("apiVersion: v1\nkind: Deployment", Code.API_VERSION, id="of Kubernetes"),
        pytest.param("apiVersion: autopilots/v1", Code.FIELD_MISSING, id="no kind"),
        pytest.param("apiVersion: autopilots/v1\nkind: 5", Code.KIND_UNKNOWN, id="a number"),
    ],
)
def test_documents_that_are_no_manifests(text: str, code: Code) -> None:
    assert code in [problem.code for problem in problems_of(text)]


def test_every_problem_of_every_file_in_path_and_line_order() -> None:
    problems = problems_of(
        {
            "b.yaml": "a: [",
            "a.yaml": text_of(an_autopilot("x", title=5, foo=1), an_agent(maxConcurrency=0)),
            "c/d.yml": text_of(an_autopilot("y", assignee={"type": "agent", "id": "nobody"})),
        }
    )
    assert [(p.path, p.line, p.code) for p in problems] == [
        ("a.yaml", 2, Code.FIELD_TYPE),
        ("a.yaml", 2, Code.FIELD_UNKNOWN),
        ("a.yaml", 4, Code.VALUE_RANGE),
        ("b.yaml", 2, Code.YAML_SYNTAX),
        ("c/d.yml", 2, Code.ASSIGNEE_UNKNOWN),
    ]
    assert problems == sorted(problems)


def test_mistakes_of_all_layers_of_one_document_at_once() -> None:
    problems = problems_in(
        an_autopilot(
            maxConcurrency=0,
            assignee={"type": "squad", "id": "nobody"},
            issueTitleTemplate="{{ dat }}",
            triggers=[{"name": "a", "kind": "schedule", "cron": "61 * * * *", "foo": 1}],
        )
    )
    assert {problem.code for problem in problems} == {
        Code.VALUE_RANGE,
        Code.ASSIGNEE_UNKNOWN,
        Code.VARIABLE_UNKNOWN,
        Code.CRON_INVALID,
        Code.FIELD_UNKNOWN,
    }


def test_a_name_declared_twice_names_both_places() -> None:
    first, second = text_of(an_agent()), text_of(an_agent("other"), an_agent())
    (problem,) = problems_of({"a.yaml": first, "b.yaml": second})
    assert (problem.path, problem.line, problem.code) == ("b.yaml", 4, Code.OBJECT_DUPLICATE)
    assert "a.yaml:2:1" in problem.message


def test_the_same_name_may_serve_other_kinds_and_workspaces() -> None:
    loaded = desired(an_agent("x"), a_squad("x", members=["x"]), an_agent("x", workspace="other"))
    assert len(loaded.objects) == 3


@pytest.mark.parametrize(
    "agent",
    [
        pytest.param(text_of(an_agent(foo=1)), id="with an unknown field"),
        pytest.param(text_of(an_agent()).replace("}\n", "\n"), id="that is no YAML"),
        pytest.param(text_of(an_agent()) + "x: '\n", id="before a document that is no YAML"),
        pytest.param(b"\xff" + text_of(an_agent()).encode(), id="that is no UTF-8"),
    ],
)
def test_a_broken_agent_is_still_declared(agent: str | bytes) -> None:
    problems = problems_of({"a.yaml": agent, "b.yaml": text_of(an_autopilot())})
    assert problems
    assert {problem.path for problem in problems} == {"a.yaml"}


def test_external_objects() -> None:
    key = Key("Agent", "platform", "triage-bot")
    assert desired(an_autopilot(), external={key}).objects
    assert desired(an_autopilot(), external=lambda wanted: wanted == key).objects
    assert desired(an_autopilot(), allow_external=True).objects
    assert [p.code for p in problems_of(text_of(an_autopilot()))] == [Code.ASSIGNEE_UNKNOWN]


@pytest.mark.parametrize("text", ["", "# nothing here\n", "---\n---\n"])
def test_an_empty_source_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        load_bundle({"a.yaml": text.encode()}, source_id="x")
    assert [objection.code for objection in refused.value.objections] == ["empty-source"]


def test_the_revision_is_the_digest_of_what_was_read() -> None:
    def revision(**files: str) -> str:
        contents = {f"{name}.yaml": text.encode() for name, text in files.items()}
        return load_bundle(contents, source_id="x").revision.id

    agent = text_of(an_agent())
    assert revision(a=agent) == revision(a=agent)
    assert revision(a=agent) != revision(b=agent)
    assert revision(a=agent) != revision(a=agent + "\n")


def test_what_did_not_change_is_taken_over() -> None:
    files = {"a.yaml": text_of(an_agent()).encode(), "b.yaml": text_of(an_autopilot()).encode()}
    before = load_bundle(files, source_id="x")
    files["b.yaml"] = text_of(an_autopilot(title="Other")).encode()
    reuse = reuse_of({file.path: file for file in before.files}, before.objects)
    after = load_bundle(files, source_id="x", reuse=reuse)
    agent, autopilot = Key("Agent", "platform", "triage-bot"), an_autopilot_key()
    assert after.objects[agent] is before.objects[agent]
    assert after.objects[autopilot].document["spec"]["title"] == "Other"
    assert dataclasses.replace(after, revision=before.revision) == dataclasses.replace(
        load_bundle(files, source_id="x"),
        revision=before.revision,
        objects=after.objects,
    )


def an_autopilot_key() -> Key:
    return Key("Autopilot", "platform", "nightly-triage")


def test_what_did_not_change_is_held_against_what_did() -> None:
    files = {"a.yaml": text_of(an_agent()).encode(), "b.yaml": text_of(an_autopilot()).encode()}
    before = load_bundle(files, source_id="x")
    files["a.yaml"] = text_of(an_agent("other")).encode()
    reuse = reuse_of({file.path: file for file in before.files}, before.objects)
    with pytest.raises(InvalidManifests) as invalid:
        load_bundle(files, source_id="x", reuse=reuse)
    (problem,) = invalid.value.problems
    assert (problem.path, problem.line, problem.code) == ("b.yaml", 2, Code.ASSIGNEE_UNKNOWN)
    assert problem.column > 100


def test_a_name_taken_by_a_changed_file_is_found_in_an_unchanged_one() -> None:
    files = {"b.yaml": text_of(an_agent()).encode()}
    before = load_bundle(files, source_id="x")
    files["a.yaml"] = text_of(an_agent()).encode()
    reuse = reuse_of({file.path: file for file in before.files}, before.objects)
    with pytest.raises(InvalidManifests) as invalid:
        load_bundle(files, source_id="x", reuse=reuse)
    assert [p.code for p in invalid.value.problems] == [Code.OBJECT_DUPLICATE]


def test_another_policy_checks_everything_again() -> None:
    runtime = {"type": "http", "url": "https://agents.example/run"}
    files = {"a.yaml": text_of(an_agent(runtime=runtime)).encode()}
    open_policy = Policy(allowed_runtime_urls=("https://agents.example",))
    before = load_bundle(files, source_id="x", policy=open_policy)
    reuse = reuse_of({file.path: file for file in before.files}, before.objects)
    assert load_bundle(files, source_id="x", policy=open_policy, reuse=reuse) == before
    with pytest.raises(InvalidManifests):
        load_bundle(files, source_id="x", reuse=reuse)


class Vanishing(Bundle):
    """A source whose files cannot be had a second time."""

    def again(self, path: str) -> bytes | None:
        return None


def test_a_file_that_went_away_in_between() -> None:
    with pytest.raises(InvalidManifests) as invalid:
        load(Vanishing({"a.yaml": text_of(an_autopilot()).encode()}), source_id="x")
    (problem,) = invalid.value.problems
    assert (problem.line, problem.column, problem.field) == (2, 1, "spec.assignee.id")


VALID = TRIAGE.encode()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_mutation_raises_anything_but_problems(data: st.DataObject) -> None:
    text = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = min(len(text), at + data.draw(st.integers(0, 8)))
        text[at:end] = data.draw(
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from(
                    [b"&", b"*x", b"!", b"[", b"{", b"<<:", b"---\n", b"%", b"null", b"\t"]
                ),
                st.sampled_from(
                    [b"5", b"1e9", b"true", b"? ", b"- ", b"|\n", b">", b"'", b'"', b"\xf0"]
                ),
            )
        )
    assert all(problem.line > 0 and problem.column > 0 for problem in problems_of(bytes(text)))


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass"))
)
@example(b"\xef\xbb\xbf\xef\xbb\xbf")
def test_no_bytes_raise_anything_but_problems(data: bytes) -> None:
    with suppress(InvalidManifests, Refused):
        load_bundle({"a.yaml": data}, source_id="x")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["Autopilot", "Agent", "Squad"]), st.data())
def test_no_value_raises_anything_but_problems(kind: str, data: st.DataObject) -> None:
    base = {"Autopilot": an_autopilot(), "Agent": an_agent(), "Squad": a_squad()}[kind]
    target = data.draw(st.sampled_from([base, base["metadata"], base["spec"]]))
    known = [*target, "runtime", "members", "assignee", "labels", "limits", "retry", "title"]
    target[data.draw(st.sampled_from(known))] = data.draw(json_values)
    bundle = Bundle(
        {"a.yaml": text_of(base).replace("NaN", ".nan").encode("utf-8", "surrogatepass")}
    )
    with suppress(InvalidManifests):
        load(bundle, source_id="x")


class Half(Bundle):
    """A source with a file that is too large beside the others."""

    def files(self) -> Iterator[File]:
        yield File("big.yaml", too_large("big.yaml"))
        yield from super().files()


def test_files_that_cannot_be_read_do_not_hide_the_others() -> None:
    with pytest.raises(InvalidManifests) as invalid:
        load(Half({"z.yaml": b"a: ["}), source_id="x")
    assert [p.code for p in invalid.value.problems] == [Code.FILE_TOO_LARGE, Code.YAML_SYNTAX]
