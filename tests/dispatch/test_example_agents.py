"""The example agents, run as the server runs them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.runs.run import Completed, Failed, Outcome, Reason
from reconciler.dispatch.base import Ended, Job, Started, Stopped
from reconciler.dispatch.command.runtime import Commands
from tests.dispatch.builders import Recorder, a_job, command, poll
from tests.support.eventually import eventually_async

pytestmark = pytest.mark.anyio

AGENTS = Path(__file__).parents[2] / "examples/agents"
BOUND = {"triage": AGENTS / "triage.py", "report": AGENTS / "report.sh"}


@pytest.fixture
async def commands(tmp_path: Path) -> AsyncIterator[Commands]:
    made = Commands(BOUND, folder=tmp_path)
    yield made
    await made.close()


async def outcome(commands: Commands, job: Job) -> Outcome:
    recorder = Recorder()
    started = await commands.start(job, recorder)
    assert isinstance(started, Started), started

    async def ended() -> Outcome | None:
        seen = await poll(commands, job, recorder.last)
        return seen.outcome if isinstance(seen, Ended) else None

    found = await eventually_async(ended)
    assert found is not None
    assert await commands.release(job, recorder.last) == Stopped()
    return found


def triage(*args: str, **changes: Any) -> Job:
    return a_job(command("triage", args=args), **changes)


async def test_the_issues_of_the_payload_are_triaged(commands: Commands) -> None:
    issues = [{"number": 7, "title": "It crashes"}, {"number": 8, "title": "Thanks"}, "rubbish"]
    assert await outcome(commands, triage(payload={"issues": issues})) == Completed(
        "Nightly issue triage: 2 issues\n"
        "  #7 It crashes -> bug\n"
        "  #8 Thanks -> needs-triage\n"
        "done\n"
    )


@pytest.mark.parametrize("payload", [None, {"issues": [1]}, [], "text"])
async def test_any_run_gives_a_report_and_the_same_run_the_same(
    commands: Commands, payload: Any
) -> None:
    first = await outcome(commands, triage(run_id="run-1", payload=payload))
    assert isinstance(first, Completed)
    assert first.result.endswith("\ndone\n")
    assert await outcome(commands, triage(run_id="run-1", payload=payload)) == first


async def test_it_fails_on_demand(commands: Commands) -> None:
    ended = await outcome(commands, triage("--fail"))
    assert isinstance(ended, Failed)
    assert ended.reason is Reason.AGENT_FAILED
    assert ended.message == "triage exited with status 3"
    assert "the tracker refused the labels" in ended.result


async def test_it_stops_when_it_is_told_to(commands: Commands, tmp_path: Path) -> None:
    job, recorder = triage("--seconds", "600"), Recorder()
    await commands.start(job, recorder)

    async def at_work() -> bool:
        output = tmp_path / str(recorder.last.detail["folder"]) / "output"
        return output.exists() and b"issues" in output.read_bytes()

    await eventually_async(at_work)
    stop = await commands.stop(job, recorder.last)
    assert isinstance(stop, Stopped)
    assert "what is labelled stays labelled" in stop.result
    seen = await poll(commands, job, recorder.last)
    assert isinstance(seen, Ended)
    assert seen.outcome.result == stop.result


async def test_the_shell_agent_knows_who_asked(commands: Commands) -> None:
    job = a_job(command("report"), env={"AUTOPILOT_GREETING": "Good morning"})
    ended = await outcome(commands, job)
    assert isinstance(ended, Completed)
    assert ended.result.startswith(
        "Good morning from triage-bot\n"
        f"run {job.run_id} of platform/nightly-triage, attempt 1\n"
        "started by weekdays (schedule), due 2026-12-01T09:00:00Z\n"
    )
