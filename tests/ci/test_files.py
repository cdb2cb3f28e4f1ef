"""What others' tools say of the files: the published schemas of GitHub and GitLab."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from reconciler import __version__
from tests.support.cli import Cli
from tests.support.pages import ROOT, blocks, code, table

PAGE = ROOT / "docs" / "ci.md"


def check(schema: str, path: Path, *more: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}"]
    done = subprocess.run(
        [*command, *more, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout


def test_the_action_is_one() -> None:
    check("github-actions", ROOT / "action.yml")


def test_the_template_is_a_pipeline() -> None:
    template = ROOT / "ci" / "gitlab" / "autopilots.gitlab-ci.yml"
    check("gitlab-ci", template, "--data-transform", "gitlab-ci")


def test_the_workflow_that_init_writes_is_one(cli: Cli) -> None:
    cli("init")
    check("github-workflows", cli.folder / ".github" / "workflows" / "autopilots.yaml")


def test_the_page_shows_a_workflow_and_a_pipeline(tmp_path: Path) -> None:
    workflow, pipeline = blocks(PAGE, "yaml")
    for name, block in (("workflow.yml", workflow), ("pipeline.yml", pipeline)):
        assert f"@v{__version__}" in block.text or f"/v{__version__}/" in block.text
        (tmp_path / name).write_text(block.text)
    check("github-workflows", tmp_path / "workflow.yml")
    check("gitlab-ci", tmp_path / "pipeline.yml", "--data-transform", "gitlab-ci")


def test_the_page_lists_every_input_of_the_action() -> None:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    listed = [name for row in table(PAGE, "input") for name in code(row[0])]
    assert listed == list(action["inputs"])


@pytest.mark.parametrize("name", ["github-actions", "github-workflows"])
def test_a_file_that_is_none_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.yml").write_text("on: [nothing]\nruns: {using: magic}\n")
    with pytest.raises(AssertionError):
        check(name, tmp_path / "x.yml")
