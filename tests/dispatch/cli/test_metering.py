"""What a coding agent says that it has cost while it works, where that is limited."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.reach import Grant
from reconciler.core.runs.usage import Usage
from reconciler.dispatch.base import Started, Working
from reconciler.dispatch.cli.recipe import CodingAgents
from reconciler.dispatch.command.runtime import Commands
from reconciler.dispatch.command.termination import Graces
from tests.dispatch.builders import Recorder, a_job, coding_agent, poll, script
from tests.support.eventually import eventually_async

STEP = json.dumps(
    {"type": "step_finish", "part": {"reason": "tool-calls", "cost": 0.75}}, separators=(",", ":")
)


def agents_of(folder: Path, program: Path) -> Commands:
    """Coding agents that this program stands for."""
    return Commands(
        {"agent": program},
        {"agent": Grant(frozenset(), (str(folder),))},
        folder=folder / "runs",
        graces=Graces(term=0.3, kill=5.0, drain=0.2),
        recipe=CodingAgents(()),
    )


@pytest.mark.anyio
async def test_steps_are_summed_up_while_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.dispatch.command.metering.METER_SECONDS", 0.0)
    program = script(tmp_path, f"echo '{STEP}'; echo '{STEP}'; exec sleep 60")
    commands = agents_of(tmp_path, program)
    agent = coding_agent("opencode", str(tmp_path))
    job = a_job(agent, allowance_micros=1_000_000, mode=ExecutionMode.RUN_ONLY)
    started = await commands.start(job, Recorder())
    assert isinstance(started, Started)

    async def used() -> Usage | None:
        seen = await poll(commands, job, started.handle)
        assert isinstance(seen, Working)
        return seen.usage if seen.usage and seen.usage.turns == 2 else None

    usage = await eventually_async(used)
    assert usage == Usage(cost_micros=1_500_000, turns=2)
    await commands.stop(job, started.handle)
    await commands.close()


REFUSED = "Attempt {} failed. Retrying with backoff... Error: exception TypeError: fetch failed"
LOGGED = 'level=ERROR message="stream error" agent=build error.error="AI_APICallError: {}"'
DOWN = "the model's API does not answer, and is asked again"


@pytest.mark.parametrize(
    ("agent", "line", "told"),
    [
        pytest.param(
            "gemini", REFUSED.format(3), "exception TypeError: fetch failed", id="gemini, down"
        ),
        pytest.param(
            "gemini",
            'Attempt 1 failed with status 503. Retrying with backoff... ApiError: {"error"',
            'with status 503 ApiError: {"error"',
            id="gemini, a status",
        ),
        pytest.param(
            "opencode", LOGGED.format("Cannot connect"), "Cannot connect", id="opencode, down"
        ),
        pytest.param("opencode", LOGGED.format("x" * 999), "x" * 200 + "…", id="many words"),
        pytest.param("gemini", "Attempt 3 failed. Max attempts reached", None, id="gave up"),
        pytest.param("gemini", "Ripgrep is not available.", None, id="gemini, something else"),
        pytest.param("opencode", 'message="session error" error="x"', None, id="opencode too"),
    ],
)
def test_an_agent_says_that_its_api_does_not_answer(
    agent: str, line: str, told: str | None
) -> None:
    trouble = CodingAgents(()).trouble(a_job(coding_agent(agent)))
    assert trouble is not None
    assert trouble(line) == (told and f"{DOWN}: {told}")


@pytest.mark.parametrize("agent", ["claude", "codex", "copilot"])
def test_of_the_others_nothing_is_read_before_they_end(agent: str) -> None:
    """They give up by themselves, within a minute."""
    assert CodingAgents(()).trouble(a_job(coding_agent(agent))) is None


@pytest.mark.anyio
async def test_what_an_agent_waits_for_is_told_until_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.dispatch.command.metering.METER_SECONDS", 0.0)
    refused, step = LOGGED.format("Cannot connect"), STEP
    steps = f"echo '{refused}' >&2; while [ ! -e go ]; do sleep 0.05; done; echo '{step}'"
    program = script(tmp_path, f"{steps}; exec sleep 60")
    commands = agents_of(tmp_path, program)
    job = a_job(coding_agent("opencode", str(tmp_path)), mode=ExecutionMode.RUN_ONLY)
    started = await commands.start(job, Recorder())
    assert isinstance(started, Started)

    def waits_for(detail: str) -> Callable[[], Awaitable[bool]]:
        async def told() -> bool:
            return await poll(commands, job, started.handle) == Working(detail)

        return told

    await eventually_async(waits_for(f"{DOWN}: Cannot connect"))
    assert await waits_for(f"{DOWN}: Cannot connect")(), "it has said nothing since"
    (tmp_path / "go").touch()
    await eventually_async(waits_for(""))
    await commands.stop(job, started.handle)
    await commands.close()
