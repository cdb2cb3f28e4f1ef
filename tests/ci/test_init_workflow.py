"""The workflow that `init` writes works as it is written: its steps, run with bash."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler import __version__
from tests.ci.conftest import PullRequest
from tests.support.cli import Cli, autopilot
from tests.support.comments_api import TOKEN, ForgeServer
from tests.support.workflow import Runner


@pytest.fixture
def workflow(cli: Cli) -> Any:
    cli("init", "fresh")
    return yaml.safe_load(Path("fresh/.github/workflows/autopilots.yaml").read_text())


def run(
    workflow: Any, job: str, request: PullRequest, forge: ForgeServer, **variables: str
) -> tuple[int, Runner]:
    pull = {
        "number": 5,
        "base": {"sha": request.base},
        "head": {"repo": {"full_name": "acme/automations"}},
    }
    github = {"repository": "acme/automations", "token": TOKEN, "event": {"pull_request": pull}}
    api = {name: forge.github[name] for name in ("GITHUB_API_URL", "GITHUB_REPOSITORY")}
    env = {**api, **workflow["env"], **variables}
    contexts = {"github": github, "vars": {}, "secrets": {}}
    runner = Runner(request.folder, request.folder.parent / "temp", contexts, env)
    steps = [step for step in workflow["jobs"][job]["steps"] if step.get("name") != "Install"]
    return runner.run(steps), runner


def test_its_comment_follows_the_pushes(
    workflow: Any, pull_request: PullRequest, forge: ForgeServer
) -> None:
    pull_request.push(report=autopilot("report", title="Better"))
    code, runner = run(workflow, "plan", pull_request, forge)
    assert (code, runner.ran) == (0, ["Validate", "Plan", "Comment"])
    assert ['+ spec.title: "Better"' in body for body in forge.bodies] == [True]
    pull_request.push(report=autopilot("report", more="  timeout: soon\n"))
    code, runner = run(workflow, "plan", pull_request, forge)
    assert (code, runner.ran) == (3, ["Validate", "Plan", "Comment"])
    assert ["**1 problem found.**" in body for body in forge.bodies] == [True]


def test_it_applies(workflow: Any, pull_request: PullRequest, forge: ForgeServer) -> None:
    code, runner = run(
        workflow, "apply", pull_request, forge, RECONCILER_DATABASE="sqlite:///../state.db"
    )
    assert code == 0
    assert "applied revision" in runner.output


def test_it_pins_what_it_installs_and_fetches_the_whole_history(workflow: Any) -> None:
    for job in workflow["jobs"].values():
        checkout, python, install = job["steps"][:3]
        assert checkout["with"] == {"fetch-depth": 0, "persist-credentials": False}
        assert all(
            re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in (checkout, python)
        )
        assert install["run"] == f'python -m pip install "autopilot-reconciler=={__version__}"'
    assert workflow["jobs"]["plan"]["permissions"] == {
        "contents": "read",
        "pull-requests": "write",
    }


DAILY = '  triggers:\n    - {name: clock, kind: schedule, cron: "0 9 * * *"}\n'
TWICE = '  triggers:\n    - {name: clock, kind: schedule, cron: "0 9,18 * * *"}\n'


def test_its_comment_says_what_the_change_would_have_done(
    workflow: Any, pull_request: PullRequest, forge: ForgeServer
) -> None:
    """With a database, or a server: two runs a day in place of one, over the last week."""
    there = {"RECONCILER_DATABASE": "sqlite:///../state.db"}
    pull_request.push(report=autopilot("report", more=DAILY))
    assert run(workflow, "apply", pull_request, forge, **there)[0] == 0
    pull_request.push(report=autopilot("report", more=TWICE))
    assert run(workflow, "plan", pull_request, forge, **there)[0] == 0
    (comment,) = forge.bodies
    assert "### What it would have done" in comment
    assert "**Would have started 14 runs instead of 0.**" in comment
    assert run(workflow, "apply", pull_request, forge, **there)[0] == 0
    assert run(workflow, "plan", pull_request, forge, **there)[0] == 0
    (unchanged,) = forge.bodies
    assert "What it would have done" not in unchanged, "nothing changes, nothing is rehearsed"
