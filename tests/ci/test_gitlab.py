"""The template for GitLab: its script, run with bash in a real repository, before a forge."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from reconciler import __version__
from tests.ci.conftest import PullRequest
from tests.support.cli import autopilot
from tests.support.comments_api import ForgeServer
from tests.support.pages import ROOT

TEMPLATE = yaml.safe_load((ROOT / "ci" / "gitlab" / "autopilots.gitlab-ci.yml").read_text())


class Job:
    """Runs a job's script as GitLab's runner does: one script, which the first failure ends."""

    def __init__(self, request: PullRequest, forge: ForgeServer, home: Path) -> None:
        self.request, self.forge, self.home = request, forge, home

    def __call__(self, name: str, **variables: str) -> int:
        env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            **TEMPLATE["variables"],
            **self.forge.gitlab,
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": self.request.base,
            **variables,
        }
        script = "set -eo pipefail\n" + "\n".join(TEMPLATE[name]["script"])
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.request.folder, env=env, check=False, timeout=60
        )
        return done.returncode


@pytest.fixture
def job(pull_request: PullRequest, forge: ForgeServer, tmp_path: Path) -> Job:
    return Job(pull_request, forge, tmp_path)


def test_one_note_follows_the_pushes_of_a_merge_request(job: Job) -> None:
    job.request.push(report=autopilot("report", title="Better"))
    assert job("autopilots:plan") == 0
    assert ['+ spec.title: "Better"' in body for body in job.forge.bodies] == [True]
    job.request.push(report=autopilot("report", more="  timeout: soon\n"))
    assert job("autopilots:plan") == 3
    assert ["**1 problem found.**" in body for body in job.forge.bodies] == [True]


def test_without_a_token_the_plan_stands_in_the_log(
    job: Job, capfd: pytest.CaptureFixture[str]
) -> None:
    job.request.push(report=autopilot("report", title="Better"))
    assert job("autopilots:plan", GITLAB_TOKEN="") == 0
    assert '+ spec.title: "Better"' in capfd.readouterr().out
    assert job.forge.calls == []


def test_what_arrives_is_applied(job: Job, capfd: pytest.CaptureFixture[str]) -> None:
    assert job("autopilots:apply", RECONCILER_DATABASE="sqlite:///../state.db") == 0
    assert "applied revision" in capfd.readouterr().err


def test_it_installs_this_version_and_has_the_whole_history() -> None:
    (install,) = TEMPLATE[".autopilots"]["before_script"]
    assert f'"autopilot-reconciler=={__version__}"' in install
    assert TEMPLATE[".autopilots"]["variables"]["GIT_DEPTH"] == "0"
