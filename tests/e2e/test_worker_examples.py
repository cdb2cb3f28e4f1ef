"""The example workers serve a real server's runs: work, cancellation, a worker that is killed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import patient
from tests.support.eventually import eventually
from tests.support.missing import missing
from tests.support.pages import ROOT
from tests.support.pids import is_gone
from tests.support.process import Serving, Site
from tests.support.rig import agent, autopilot

EXAMPLES = ROOT / "examples/agents"
WORKERS = {
    "python": [sys.executable, str(EXAMPLES / "worker.py")],
    "shell": [str(EXAMPLES / "worker.sh")],
}


@pytest.fixture(params=WORKERS)
def worker(request: pytest.FixtureRequest) -> list[str]:
    """The command of a worker, but for its program."""
    for program in ("curl", "jq"):
        if request.param == "shell" and shutil.which(program) is None:
            missing(program)
    return [*WORKERS[request.param], "bot"]


@pytest.fixture
def server(sqlite_site: Site) -> Serving:
    documents = agent(), autopilot("work", description="Say what you were asked.")
    sqlite_site.write("all.json", *documents)
    return sqlite_site.serve()


@contextmanager
def working(server: Serving, command: list[str], *program: str) -> Iterator[None]:
    """A worker that gives its prompts to a program."""
    environment = {"PATH": os.environ["PATH"], "RECONCILER_SERVER": server.url, "LEASE": "6"}
    process = subprocess.Popen([*command, *program], env=environment, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, 9)
        process.wait(60)


def begun(server: Serving) -> str:
    """The id of a run that was started by hand."""
    (autopilot_,) = patient.get(f"{server.url}/v1/autopilots").json()["items"]
    answer = patient.post(f"{server.url}/v1/autopilots/{autopilot_['id']}/run", json={})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def run_of(server: Serving, run_id: str) -> dict[str, object]:
    run: dict[str, object] = patient.get(f"{server.url}/v1/runs/{run_id}").json()
    return run


def ended(server: Serving, run_id: str) -> dict[str, object]:
    def end() -> dict[str, object] | None:
        run = run_of(server, run_id)
        return run if run["status"] in ("completed", "failed") else None

    run = eventually(end, 40)
    assert run is not None
    return run


def test_a_worker_does_the_work_and_reports_it(server: Serving, worker: list[str]) -> None:
    first, second = begun(server), begun(server)  # before anybody could have ended the first
    with working(server, worker, "sed", "s/^/asked: /"):
        assert ended(server, first)["result"] == "asked: Say what you were asked."
        skipped = run_of(server, second)
        assert skipped["status"] == "skipped", "the policy holds for workers, too"
        third = ended(server, begun(server))
        assert (third["status"], third["agent"]) == ("completed", "bot")


def test_a_program_that_fails_is_a_run_that_failed(server: Serving, worker: list[str]) -> None:
    with working(server, worker, "sh", "-c", "echo no access; exit 3"):
        run = ended(server, begun(server))
        assert (run["reason"], run["result"]) == ("agent_failed", "no access\n")


def test_a_cancelled_run_is_stopped_by_its_worker(
    server: Serving, worker: list[str], tmp_path: Path
) -> None:
    mark = tmp_path / "began"
    program = ["sh", "-c", f"echo $$ > {mark}; exec sleep 600"]
    with working(server, worker, *program):
        run_id = begun(server)
        pid = int(eventually(lambda: mark.exists() and mark.read_text()))
        assert patient.post(f"{server.url}/v1/runs/{run_id}/cancel", json={}).status_code < 300
        assert ended(server, run_id)["reason"] == "cancelled"
        assert eventually(lambda: is_gone(pid))
