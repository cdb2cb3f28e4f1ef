"""The real Claude Code and the real Codex, started by a real server, on stand-ins of model APIs."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from reconciler.core.runs.run import Reason, Run, Status, WaitingFor
from reconciler.dispatch.cli.result import LINGERED
from tests.e2e.ledger import Ledger
from tests.support.eventually import eventually
from tests.support.missing import missing
from tests.support.model_api import ModelApi
from tests.support.model_chats import CACHED, OUTPUT, TEXT
from tests.support.process import Serving, Site
from tests.support.rig import agent, autopilot

WITHIN = 60.0
PROVIDER = """\
model = "gpt-5"
model_provider = "here"
[model_providers.here]
name = "here"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
request_max_retries = 0
stream_max_retries = 0
"""


@dataclass
class Bench:
    """A site whose agents are the real ones, and the API that they talk to."""

    site: Site
    api: ModelApi

    @property
    def home(self) -> Path:
        """The HOME of the agents."""
        return self.site.folder / "home"

    def declare(self, kind: str, *, budget: Any = None, **runtime: Any) -> Serving:
        """Declare an agent and an autopilot for it, and start a server."""
        self.declared(kind, budget=budget, **runtime)
        return self.site.serve()

    def declared(self, kind: str, *, budget: Any = None, **runtime: Any) -> None:
        """Declare an agent and an autopilot for it."""
        money: dict[str, Any] = {} if budget is None else {"budget": budget}
        env = {
            "claude": {
                "ANTHROPIC_API_KEY": "k",
                "ANTHROPIC_BASE_URL": self.api.url,
                "CLAUDE_CODE_MAX_RETRIES": "0",
            },
            "codex": {"OPENAI_API_KEY": "k"},
        }[kind]
        self.site.write(
            "all.yaml",
            agent(
                "coder",
                runtime={
                    "type": "cli",
                    "agent": kind,
                    "program": kind,
                    "workDir": str(self.site.folder / "work"),
                    "home": str(self.home),
                    "env": env,
                    **runtime,
                },
            ),
            autopilot(
                "hand",
                assignee={"type": "agent", "id": "coder"},
                executionMode="create_session",
                description="Label the issues.",
                timeout="2m",
                **money,
            ),
        )

    def run(self) -> Run:
        """Start a run and wait until its agent is at work or done."""
        answer = self.site.cli("run", "hand")
        assert answer.returncode == 0, answer.stderr
        return self.once(lambda run: run.status is not Status.PENDING)

    def newest(self) -> Run:
        """The latest run."""
        return Ledger(self.site).runs("hand")[-1]

    def ended(self) -> Run:
        """The latest run, once it has ended; its agent exited by itself, or was stopped."""
        run = self.once(lambda run: run.ended)
        assert LINGERED not in (run.note or "")
        return run

    def once(self, is_reached: Callable[[Run], bool]) -> Run:
        """The latest run, once it is as it should be."""

        def reached() -> Run | None:
            run = self.newest()
            return run if is_reached(run) else None

        run = eventually(reached, WITHIN)
        assert run is not None
        return run

    def alive(self, run: Run) -> list[psutil.Process]:
        """Every process that carries the run's id, or works in its folder."""
        return [process for process in psutil.process_iter() if self._is_of(process, run)]

    def _is_of(self, process: psutil.Process, run: Run) -> bool:
        try:
            return process.environ().get("RUN_ID") == run.id or process.cwd() == str(
                self.site.folder / "work"
            )
        except psutil.Error:
            return False


@pytest.fixture
def bench(sqlite_site: Site) -> Iterator[Bench]:
    programs = {}
    for name in ("claude", "codex"):
        programs[name] = shutil.which(name) or missing(f"{name} (npm)")
    for folder in ("work", "home", "home/.codex"):
        (sqlite_site.folder / folder).mkdir()
    granted = {
        "folders": [str(sqlite_site.folder)],
        "env": [
            "ANTHROPIC_API_KEY",
            "ANTHROPIC_BASE_URL",
            "CLAUDE_CODE_MAX_RETRIES",
            "OPENAI_API_KEY",
        ],
    }
    tables = {name: {"path": path, **granted} for name, path in programs.items()}
    sqlite_site.settings["RECONCILER_COMMANDS"] = json.dumps(tables)
    with ModelApi() as api:
        made = Bench(sqlite_site, api)
        (made.home / ".codex/config.toml").write_text(PROVIDER.format(url=api.url))
        yield made


AGENTS = pytest.mark.parametrize("kind", ["claude", "codex"])


@AGENTS
def test_the_answer_the_session_and_the_usage_come_back_and_people_can_go_on(
    bench: Bench, kind: str
) -> None:
    bench.declare(kind)
    bench.run()
    run = bench.ended()
    assert (run.status, run.reason) == (Status.COMPLETED, None), run.failure_reason
    assert run.result["text"] == TEXT
    assert run.result["sessionId"] == run.session_id
    usage = run.usage or {}
    assert (usage["outputTokens"], usage["cachedTokens"]) == (OUTPUT, CACHED)
    assert ("costUsd" in usage, "model" in usage) == (kind == "claude", kind == "claude")
    assert "Label the issues." in json.dumps(bench.api.bodies[0])

    resume = run.result["resumeCommand"]
    if kind == "codex":  # the same session without a terminal
        resume = resume.replace("codex resume", "codex exec --skip-git-repo-check resume")
    again = subprocess.run(
        ["sh", "-c", f"{resume} {'-p' if kind == 'claude' else ''} 'And now?'"],
        env={
            "PATH": os.environ["PATH"],
            "ANTHROPIC_API_KEY": "k",
            "ANTHROPIC_BASE_URL": bench.api.url,
            "OPENAI_API_KEY": "k",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert "Label the issues." in json.dumps(bench.api.bodies[-1])


def test_what_the_api_refuses_is_no_failure_of_the_agent_and_denials_are_kept(
    bench: Bench,
) -> None:
    bench.declare("claude")
    bench.api.command = "touch made"
    bench.run()
    run = bench.ended()
    assert run.status is Status.COMPLETED, run.failure_reason
    (denied,) = run.result["denied"]
    assert denied["tool"] == "Bash"
    assert denied["input"]["command"] == "touch made"
    assert not (bench.site.folder / "work/made").exists()

    bench.api.stop()
    bench.run()
    run = bench.ended()
    assert run.reason is Reason.TARGET_UNAVAILABLE
    assert "did not answer" in str(run.failure_reason)


@AGENTS
def test_a_run_waits_for_quota_and_begins_anew_in_a_session_of_its_own(
    bench: Bench, kind: str
) -> None:
    bench.declare(kind)
    bench.api.status = 429
    bench.run()
    waits = bench.once(lambda run: run.waiting_for is WaitingFor.QUOTA)
    assert (waits.status, waits.attempts, waits.session_id) == (Status.RUNNING, 0, None)
    assert "its agent takes work again at" in str(waits.note)
    assert bench.alive(waits) == []
    # Whoever has raised the quota edits the agent, and it is asked at once.
    bench.api.status = 200
    bench.declared(kind, maxTurns=9) if kind == "claude" else bench.declared(kind, model="gpt-5")
    done = bench.ended()
    assert done.status is Status.COMPLETED, done.failure_reason
    assert (done.id, done.attempts, done.result["text"]) == (waits.id, 1, TEXT)
    assert done.session_id is not None


def test_codex_tells_an_api_that_refuses_from_work_that_fails(bench: Bench) -> None:
    bench.declare("codex")
    for status in (401, 500):
        bench.api.status = status
        bench.run()
        run = bench.ended()
        assert run.reason is Reason.TARGET_UNAVAILABLE, run.failure_reason


@AGENTS
def test_a_cancelled_agent_leaves_nothing_alive_and_its_session_is_kept(
    bench: Bench, kind: str
) -> None:
    allowed = {"permissionMode": "dontAsk", "allowedTools": ["Bash"]} if kind == "claude" else {}
    bench.declare(kind, **allowed)
    if kind == "claude":  # a tool in a session of its own is at work
        bench.api.command = "echo $$ > started; exec sleep 600"
    else:
        bench.api.open.clear()
    run = bench.run()
    started = bench.site.folder / "work/started"
    eventually(lambda: started.exists() if kind == "claude" else bench.api.bodies, WITHIN)
    assert bench.alive(run)
    assert bench.site.cli("runs", "cancel", run.id).returncode == 0
    run = bench.ended()
    assert run.reason is Reason.CANCELLED
    assert bench.alive(run) == []
    assert run.result["sessionId"] == run.session_id
    assert run.result["sessionId"] in run.result["resumeCommand"]


@AGENTS
def test_an_agent_goes_on_under_the_next_server(bench: Bench, kind: str) -> None:
    server = bench.declare(kind)
    bench.api.open.clear()
    run = bench.run()
    eventually(lambda: bench.api.bodies, WITHIN)
    eventually(lambda: bench.newest().status is Status.RUNNING, WITHIN)
    server.kill()
    bench.api.open.set()
    bench.site.serve()
    ended = bench.ended()
    assert (ended.id, ended.status) == (run.id, Status.COMPLETED), ended.failure_reason
    assert ended.result["text"] == TEXT
    assert ended.result["sessionId"] == ended.session_id


def test_claude_stays_within_what_a_run_may_cost(bench: Bench) -> None:
    """The stand-in's one answer costs more than that: Claude says so, and no run follows."""
    bench.declare("claude", budget={"perRun": 0.000001, "perDay": 0.000002})
    bench.run()
    run = bench.ended()
    assert (run.status, run.reason) == (Status.FAILED, Reason.OVER_BUDGET), run.failure_reason
    assert run.cost_micros is not None
    assert run.cost_micros > 2
    assert "more than budget.perRun of $0.000001" in (run.failure_reason or "")
    bench.site.cli("run", "hand")
    following = bench.newest()
    assert (following.status, following.reason) == (Status.SKIPPED, Reason.OVER_BUDGET)


def test_codex_costs_what_the_operators_prices_say(bench: Bench) -> None:
    bench.site.settings["RECONCILER_PRICES"] = json.dumps({"gpt-*": {"input": 2, "output": 10}})
    bench.declare("codex", model="gpt-5")
    bench.run()
    run = bench.ended()
    assert run.status is Status.COMPLETED, run.failure_reason
    usage = run.usage or {}
    assert usage["model"] == "gpt-5"
    assert run.cost_micros == 2 * usage["inputTokens"] + 10 * usage["outputTokens"]
