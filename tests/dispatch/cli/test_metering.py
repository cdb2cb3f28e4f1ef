"""What a coding agent says that it has cost while it works, where that is limited."""

import json
from pathlib import Path

import pytest

from reconciler.core.manifest.reach import Grant
from reconciler.core.runs.usage import Usage
from reconciler.dispatch.base import Started, Working
from reconciler.dispatch.cli.recipe import CodingAgents
from reconciler.dispatch.command.runtime import Commands
from reconciler.dispatch.command.termination import Graces
from tests.dispatch.builders import Recorder, a_job, coding_agent, poll, script
from tests.support.eventually import eventually_async

pytestmark = pytest.mark.anyio

STEP = json.dumps(
    {"type": "step_finish", "part": {"reason": "tool-calls", "cost": 0.75}}, separators=(",", ":")
)


async def test_steps_are_summed_up_while_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.dispatch.command.metering.METER_SECONDS", 0.0)
    program = script(tmp_path, f"echo '{STEP}'; echo '{STEP}'; exec sleep 60")
    commands = Commands(
        {"agent": program},
        {"agent": Grant(frozenset(), (str(tmp_path),))},
        folder=tmp_path / "runs",
        graces=Graces(term=0.3, kill=5.0, drain=0.2),
        recipe=CodingAgents(()),
    )
    job = a_job(coding_agent("opencode", str(tmp_path)), allowance_micros=1_000_000)
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
