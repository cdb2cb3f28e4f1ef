"""Documents to YAML: pleasant to read, and the same when it is read again."""

from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from reconciler.manifest.edit.export import to_yaml
from reconciler.manifest.edit.quoting import literal, scalar
from reconciler.manifest.edit.writer import Writer
from reconciler.manifest.load.load import load_bundle
from reconciler.manifest.load.parse import parse
from tests.support.builders import (
    Document,
    a_schedule,
    a_secret,
    a_squad,
    a_webhook,
    an_agent,
    an_api_trigger,
    an_autopilot,
    desired,
)

COMMAND = {
    "type": "command",
    "program": "x",
    "args": ["-v", "a b"],
    "env": {"A": "5", "B": a_secret()},
}


def canonical(document: Document) -> Document:
    (declared,) = desired(document, allow_external=True).objects.values()
    return dict(declared.document)


def value_of(lines: list[str]) -> Any:
    parsed = parse("\n".join(lines).encode() + b"\n", "f")
    assert parsed.problems == (), lines
    (document,) = parsed.documents
    return document.value


def test_an_autopilot_as_people_write_it() -> None:
    document = canonical(
        an_autopilot(
            description="Read the issues\nand label them.\n",
            concurrencyPolicy="queue",
            timeout="90m",
            issueTitleTemplate="Triage {{ date }}",
            metadata={"labels": {"team": "core"}},
            triggers=[
                a_schedule(timezone="Europe/Rome"),
                a_webhook(when='headers["x"] == "push"', enabled=False),
                an_api_trigger(),
            ],
        )
    )
    assert to_yaml(document) == (
        """\
apiVersion: autopilots/v1
kind: Autopilot
metadata:
  name: nightly-triage
  workspace: platform
  labels: {team: core}
spec:
  title: Nightly issue triage
  description: |
    Read the issues
    and label them.
  assignee: {type: agent, id: triage-bot}
  concurrencyPolicy: queue
  issueTitleTemplate: "Triage {{ date }}"
  triggers:
    - name: weekdays
      kind: schedule
      cron: "0 9 * * MON-FRI"
      timezone: Europe/Rome
    - name: ci
      kind: webhook
      enabled: false
      signature:
        scheme: github
        secrets:
          - {env: AUTOPILOT_SECRET_PLATFORM__CI}
      when: 'headers["x"] == "push"'
    - name: release
      kind: api
"""
    )


@pytest.mark.parametrize(
    "document",
    [
        an_autopilot(triggers=...),
        an_autopilot(timeout="2h", limits={"perHour": 5}, retry={"limit": 3}),
        an_agent(),
        an_agent(runtime=COMMAND, maxConcurrency=4),
        an_agent(workspace="default"),
        a_squad(members=["a", "b"], strategy="round_robin"),
    ],
)
def test_what_is_exported_loads_as_the_same(document: Document) -> None:
    before = canonical(document)
    after = load_bundle({"a.yaml": to_yaml(before).encode()}, source_id="x", allow_external=True)
    assert [declared.document for declared in after.objects.values()] == [before]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", "plain"),
        ("two words, and more", "two words, and more"),
        ("http://127.0.0.1:9100/x", "http://127.0.0.1:9100/x"),
        ("", '""'),
        ("no", '"no"'),
        ("Null", '"Null"'),
        ("010", '"010"'),
        ("0 9 * * *", '"0 9 * * *"'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("*a", '"*a"'),
        ("'a'", "\"'a'\""),
        ('say "x"', "'say \"x\"'"),
        ("a\tb", '"a\\tb"'),
        ("Übersicht", "Übersicht"),
        ("a\u2028b", '"a\\u2028b"'),
        ("\ufeff", '"\\ufeff"'),
    ],
)
def test_one_text(text: str, written: str) -> None:
    assert scalar(text) == written


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\nb\n", "|\n  a\n  b"),
        ("a\nb", "|-\n  a\n  b"),
        ("a\n\n", "|+\n  a\n"),
        (" a\nb\n", "|2\n   a\n  b"),
        ("\na\n", "|2\n\n  a"),
        ("a", None),
        ("\n", None),
        ("a\r\nb", None),
        ("a\x00\nb", None),
    ],
)
def test_a_literal_block(text: str, written: str | None) -> None:
    block = literal(text, 2, 2)
    assert (block and "\n".join(block)) == written


texts = st.text(st.characters(exclude_categories=["Cs"])) | st.text(
    st.sampled_from("a1 :#-'\"\\\n\t,[]{}&*!|>%@`?~.é\u2028\ufeff\x85\x00=<")
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(values)
@example("a" * 5000)
@example({"k" * 5000: {"l" * 2000: "x\ny"}})
@example([[["x\n y"]], {"": "\n a"}])
def test_any_value_reads_as_it_is_written(value: Any) -> None:
    assert value_of(Writer().entry("key", value, 0)) == {"key": value}


@given(values)
def test_any_value_reads_as_it_is_written_deep_inside(value: Any) -> None:
    lines = ["list:", *Writer().entry("x", [{"first": value, "second": [value]}], 2)]
    assert value_of(lines) == {"list": {"x": [{"first": value, "second": [value]}]}}


@given(values, st.integers(1, 9), st.integers(0, 4))
def test_any_indentation_reads_the_same(value: Any, step: int, offset: int) -> None:
    lines = Writer(step, offset).entry("key", {"a": value, "b": [value]}, 3)
    assert value_of(lines) == {"key": {"a": value, "b": [value]}}


@given(texts)
def test_older_readers_see_the_same_text(text: str) -> None:
    written = "".join(f"{line}\n" for line in Writer().entry("key", [text, {"k": text}], 0))
    assert yaml.safe_load(written) == {"key": [text, {"k": text}]}
