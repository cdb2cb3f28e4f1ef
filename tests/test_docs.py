"""What the documentation says is true: commands, settings, reasons, YAML, links.

A failing test of a page names the line to write.
"""

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from reconciler.cli.main import COMMANDS
from reconciler.core.base.units import format_duration
from reconciler.core.manifest.checks import Policy
from reconciler.core.manifest.reach import Grant
from reconciler.core.runs.run import (
    TRANSITIONS,
    MissedReason,
    Reason,
    Source,
    Status,
    WaitingFor,
)
from reconciler.manifest.load.load import load_bundle
from reconciler.notify_settings import NotifySettings
from reconciler.settings import Choices, Settings
from tests.support.pages import (
    ROOT,
    anchors,
    blocks,
    calls,
    code,
    is_to_come,
    links,
    options_of,
    pages,
    shown,
    table,
)
from tests.support.reasons import FAIL_REASONS, SKIP_REASONS

DOCS = ROOT / "docs"
every_page = pytest.mark.parametrize("page", pages(), ids=shown)


# Commands


@every_page
def test_a_call_that_is_shown_can_be_made(page: Path) -> None:
    for name, *words in calls(page):
        if name.startswith(("-", "COMMAND", "…")):
            continue
        if name not in COMMANDS and is_to_come(name):
            continue
        assert name in COMMANDS, f"{shown(page)}: there is no command `reconciler {name}`"
        known = options_of(name, words)
        for word in words:
            option = word.partition("=")[0]
            if re.fullmatch(r"--?[a-z][a-z-]*", option) and option not in known:
                assert is_to_come(option), f"{shown(page)}: `reconciler {name}` has no {option}"


def test_the_pages_show_calls() -> None:
    assert sum(1 for page in pages() for _ in calls(page)) > 30


# Examples within pages


def test_the_program_in_the_quickstart_is_an_agent() -> None:
    (program,) = blocks(DOCS / "quickstart.md", "python")
    done = subprocess.run(
        [sys.executable, "-c", program.text],
        input=json.dumps({"prompt": "Say what is planned."}) + "\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "I was asked: Say what is planned.\n"


# Settings


def test_operating_lists_every_setting() -> None:
    said = [
        (code(row[0])[0], code(row[1])[0], row[2])
        for row in table(DOCS / "operating.md", "setting")
    ]
    assert said == [
        (name, f"RECONCILER_{name.upper()}", _default(field.get_default(call_default_factory=True)))
        for name, field in Settings.model_fields.items()
    ]


def test_the_log_has_the_events_that_operating_lists() -> None:
    code_files = (ROOT / "reconciler").rglob("*.py")
    source = "".join(file.read_text("utf-8") for file in code_files)
    listed = [event for row in table(DOCS / "operating.md", "event") for event in code(row[0])]
    assert len(listed) > 10
    assert [event for event in listed if f'"{event}"' not in source] == []


def _default(value: Any) -> str:
    match value:
        case None | () | {} | Choices(env=(), folders=()) | NotifySettings(revision_failed=()):
            return "none"
        case bool():
            return str(value).lower()
        case timedelta():
            return format_duration(value)
        case tuple():
            return ", ".join(f"`{one}`" for one in value)
    return f"`{value}`"


def test_the_example_of_a_configuration_is_one(tmp_path: Path) -> None:
    (example,) = blocks(DOCS / "operating.md", "toml")
    (tmp_path / "config.toml").write_text(example.text)
    settings = Settings.load(tmp_path / "config.toml")
    assert settings.max_active_runs == 200
    assert set(settings.programs) == {"triage", "report"}
    assert settings.grants == {
        "triage": Grant(frozenset({"TRACKER_TOKEN", "TZ"}), ("/srv/triage",))
    }
    assert settings.aegis.grant == Grant(folders=("/srv/agents",))


# Runs


def _column(heading: str, column: int = 0) -> list[str]:
    return [name for row in table(DOCS / "runs.md", heading) for name in code(row[column])]


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        pytest.param("status", Status, id="every status"),
        pytest.param("source", Source, id="every source"),
        pytest.param("waitingFor", WaitingFor, id="everything a run waits for"),
        pytest.param("reason", Reason, id="every reason"),
        pytest.param("interval", MissedReason, id="every kind of interval"),
    ],
)
def test_runs_lists(heading: str, words: type[Reason]) -> None:
    assert sorted(_column(heading)) == sorted(word.value for word in words)


def test_runs_says_where_each_reason_ends() -> None:
    said = {code(row[0])[0]: set(code(row[1])) for row in table(DOCS / "runs.md", "reason")}
    assert said == {
        reason.value: {
            status
            for status, reasons in (("skipped", SKIP_REASONS), ("failed", FAIL_REASONS))
            if reason in reasons
        }
        for reason in Reason
    }


def test_runs_says_every_transition() -> None:
    said = {code(row[0])[0]: set(code(row[1])) for row in table(DOCS / "runs.md", "status")}
    assert said == {
        status.value: {after.value for after in TRANSITIONS[status]} for status in Status
    }


# YAML

NEAR = Policy(allowed_runtime_urls=("http://127.0.0.1", "https://agents.example.com"))
_HEAD = "apiVersion: autopilots/v1\nkind: {kind}\nmetadata: {{name: shown, workspace: platform}}\n"
_AUTOPILOT = (
    f"{_HEAD.format(kind='Autopilot')}spec:\n  title: Shown\n  assignee: {{type: agent, id: bot}}\n"
)
FRAGMENTS = {
    "apiVersion": ("", 0),
    "triggers": (_AUTOPILOT, 2),
    "signature": (f"{_AUTOPILOT}  triggers:\n    - name: hook\n      kind: webhook\n", 6),
    "runtime": (f"{_HEAD.format(kind='Agent')}spec:\n", 2),
}
"""What a block that begins with this key is a part of: what stands before it, and how far in."""

YAML = [
    pytest.param(block.text, id=f"{shown(page)}:{block.line}")
    for page in pages()
    # The manifests of the one are wrong on purpose, the other shows pipelines (tests/ci).
    if page.name not in ("errors.md", "ci.md")
    for block in blocks(page, "yaml")
]


@pytest.mark.parametrize("text", YAML)
def test_yaml_that_is_shown_is_valid(text: str) -> None:
    first = next(line for line in text.splitlines() if not line.startswith("#"))
    before, spaces = FRAGMENTS[first.partition(":")[0]]
    whole = before + indent(text, " " * spaces)
    desired = load_bundle(
        {"shown.yaml": whole.encode()}, source_id="docs", policy=NEAR, allow_external=True
    )
    assert desired.objects


# Links


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{shown(page)}: {link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{shown(page)}: {link} is no heading there"


def test_every_page_of_the_docs_is_linked_from_the_index() -> None:
    index = DOCS / "README.md"
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in links(index)}
    missing = [shown(page) for page in DOCS.rglob("*.md") if page not in {index, *linked}]
    assert not missing
