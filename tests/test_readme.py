"""The README: its commands, the plan that it prints, and what it says is not there yet."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from reconciler.cli.main import COMMANDS
from reconciler.cli.rendering.text import render_text
from reconciler.control.apply.reconcile import plan_once
from reconciler.core.plan.report import report_of
from reconciler.manifest.load.load import load_bundle
from reconciler.store.engine.database import Database
from reconciler.web.app import OPERATIONS
from tests.support.pages import README, ROOT, blocks, code, not_yet, options_of, table

WEB = ROOT / "reconciler/web/app.py"


def test_the_readme_lists_every_command() -> None:
    said = {code(row[0])[0]: row[1] for row in table(README, "command")}
    assert said == {name: command.summary for name, command in COMMANDS.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_listed_command_is_there(name: str) -> None:
    command: Any = COMMANDS[name].load(name)
    assert isinstance(command, typer.core.TyperCommand | typer.core.TyperGroup)
    assert command.help


def _has_option(name: str, option: str) -> Callable[[], bool]:
    return lambda: option in options_of(name, [])


def _answers(path: str) -> Callable[[], bool]:
    """An operation of the API, or a route of its own beside it."""
    route = f'Route("{path}"'
    modules = [*WEB.parent.rglob("*.py")]
    return lambda: (
        any(operation.path == path for operation in OPERATIONS)
        or any(route in module.read_text("utf-8") for module in modules)
    )


THERE: dict[str, Callable[[], bool]] = {
    "the dashboard": lambda: bool(re.search(r"\bpages\b", WEB.read_text("utf-8"))),
    "API tokens and roles (`tokens_file`)": lambda: "token" in COMMANDS,
    "following a git repository (`serve --git`)": _has_option("serve", "--git"),
    "commands through a server (`--server`)": _has_option("runs", "--server"),
    "`/metrics`": _answers("/metrics"),
    "`/v1/events`": _answers("/v1/events"),
    "`/openapi.json`": _answers("/openapi.json"),
}
"""What the README may list as not there yet, and how to find out that it is."""


@pytest.mark.parametrize("entry", THERE)
def test_the_readme_says_what_is_not_there_yet(entry: str) -> None:
    there = THERE[entry]()
    assert (entry in not_yet()) is not there, f"README.md, Status: {entry} is there: {there}"


def test_the_readme_lists_nothing_else_as_missing() -> None:
    assert not_yet() <= THERE.keys()


@pytest.mark.parametrize(
    ("page", "sentence", "entry"),
    [
        pytest.param("operating.md", "They are not served yet", "`/metrics`"),
    ],
)
def test_other_pages_say_the_same(page: str, sentence: str, entry: str) -> None:
    said = sentence in (ROOT / "docs" / page).read_text("utf-8")
    assert said is not THERE[entry](), f"docs/{page} says {sentence!r}: {said}"


def test_the_plan_in_the_readme_is_what_plan_prints(tmp_path: Path) -> None:
    (manifest,), (printed, *_) = blocks(README, "yaml"), blocks(README, "text")
    desired = load_bundle({"triage.yaml": manifest.text.encode()}, source_id="default")
    with Database.open(f"sqlite:///{tmp_path}/none.db", create=False) as database:
        found = render_text(report_of(plan_once(database, desired)))
    assert _without_digest(found) == _without_digest(printed.text)


def _without_digest(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("Digest: ")]
