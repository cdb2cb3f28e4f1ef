"""`init`: what it writes is valid, complete, and never in anybody's way."""

import re
from pathlib import Path

import pytest
import yaml

from tests.support.cli import Cli

WRITTEN = [
    ".github/workflows/autopilots.yaml",
    ".gitignore",
    ".schemas/manifest.schema.json",
    ".vscode/settings.json",
    "autopilots/agents.yaml",
    "autopilots/daily-report.yaml",
    "autopilots/inbox.yaml",
]


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_what_it_writes_validates_plans_and_applies(cli: Cli) -> None:
    answer = cli("init", "repo")
    assert answer.code == 0
    assert sorted(answer.out.splitlines()) == [f"repo/{path}" for path in WRITTEN]
    assert "cd repo" in answer.err
    assert files(Path("repo")) == WRITTEN
    for path in ("repo", "repo/autopilots"):
        assert cli("validate", path).code == 0
    assert cli("apply", "repo", "--yes").code == 0


def test_the_folder_is_here_by_default_and_a_second_time_changes_nothing(cli: Cli) -> None:
    assert cli("init").out.splitlines()
    again = cli("init")
    assert (again.code, again.out) == (0, "")
    assert files(cli.folder) == WRITTEN


def test_nothing_is_overwritten_and_then_nothing_is_written(cli: Cli) -> None:
    mine = cli.folder / "autopilots" / "inbox.yaml"
    mine.parent.mkdir()
    mine.write_text("mine\n")
    answer = cli("init")
    assert answer.code == 4
    assert "autopilots/inbox.yaml is there already" in answer.err
    assert files(cli.folder) == ["autopilots/inbox.yaml"]
    assert mine.read_text() == "mine\n"


def test_a_gitignore_is_left_alone_and_what_it_lacks_is_said(cli: Cli) -> None:
    ignored = cli.folder / ".gitignore"
    ignored.write_text("*.pyc\n")
    assert "echo .reconciler/ >> .gitignore" in cli("init").err
    assert ignored.read_text() == "*.pyc\n"
    ignored.write_text("*.pyc\n.reconciler\n")
    assert "gitignore" not in cli("init").err


def test_every_manifest_leads_editors_to_its_schema(cli: Cli) -> None:
    cli("init")
    for file in Path("autopilots").iterdir():
        found = re.match(r"# yaml-language-server: \$schema=(\S+)\n", file.read_text())
        assert found is not None
        assert (file.parent / found[1]).is_file()
    assert Path(".schemas/manifest.schema.json").read_text() == cli("schema").out


class TestWorkflow:
    """The workflow calls commands that are there, with options that they have."""

    @pytest.fixture
    def text(self, cli: Cli) -> str:
        cli("init")
        return Path(".github/workflows/autopilots.yaml").read_text()

    def test_plans_on_pull_requests_and_applies_on_main(self, text: str) -> None:
        workflow = yaml.safe_load(text)
        # YAML 1.1 reads `on` as true.
        assert workflow[True]["push"]["branches"] == ["main"]
        assert "pull_request" in workflow[True]
        assert workflow["permissions"] == {"contents": "read"}
        assert "push" in workflow["jobs"]["apply"]["if"]
        assert workflow["jobs"]["plan"]["if"] == "github.event_name == 'pull_request'"
        assert "{VERSION}" not in text

    def test_a_pull_request_gets_no_token_that_applies(self, text: str) -> None:
        plan = yaml.safe_dump(yaml.safe_load(text)["jobs"]["plan"])
        assert "secrets.RECONCILER_PLAN_TOKEN" in plan
        assert "secrets.RECONCILER_TOKEN" not in plan

    def test_nothing_of_an_event_is_pasted_into_a_shell(self, text: str) -> None:
        jobs = yaml.safe_load(text)["jobs"].values()
        scripts = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
        assert scripts
        assert not [script for script in scripts if "${{" in script]
