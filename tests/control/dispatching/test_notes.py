"""A run's note says what it waits for, and no longer than that."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reconciler.control.access.secrets import SecretStore
from reconciler.control.dispatching.context import RunnerContext, RunnerSettings
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.control.runs.told import told
from reconciler.core.runs.key import NO_ANSWER
from reconciler.core.runs.run import Completed, Reason
from reconciler.dispatch.base import (
    Ended,
    Handle,
    Job,
    Observation,
    Record,
    Start,
    Started,
    Unseen,
    Working,
)
from reconciler.dispatch.registry import Runtimes
from tests.support.rig import KEY, Rig, agent, autopilot


class Agents(Runtimes):
    """Runtimes at the seam: each poll shows what the test says."""

    shown: Observation = Working()

    async def start(self, job: Job, record: Record) -> Start:
        await record(Handle("s", {}))
        return Started(Handle("s", {}))

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> dict[str, Any]:
        return {job.run_id: self.shown for job, _ in jobs}


def test_while_an_agent_cannot_be_seen_its_run_says_so(rig: Rig) -> None:
    """The key rests, or the server is down; afterwards the note is as it was before."""
    rig.apply(agent(runtime={"type": "http", "url": "http://127.0.0.1:1"}), autopilot())
    run = rig.launch()
    steps: list[tuple[Observation, str | None]] = [
        (Working(), None),
        (Unseen("http://127.0.0.1:9100 asked for a rest of 9 s"), "cannot be seen: http://127.0"),
        (
            Unseen("http://127.0.0.1:9100 cannot be reached"),
            "cannot be seen: http://127.0.0.1:9100",
        ),
        (Working("compacting"), "compacting"),
        (Working(), None),
        (
            Unseen("http://127.0.0.1:9100 cannot be reached"),
            "cannot be seen: http://127.0.0.1:9100",
        ),
        (Ended(Completed("done")), None),
    ]

    async def body() -> None:
        async with Agents(rig.clock) as agents:
            secrets = SecretStore(Path("/nonexistent"), {})
            context = RunnerContext(rig.database, agents, secrets, "here", KEY, RunnerSettings())
            await run_once(context)
            await settle(context)
            for agents.shown, expected in steps:
                await run_once(context)
                await settle(context)
                note = rig.run_of(run.id).note
                assert note == expected or (note and expected and note.startswith(expected))

    asyncio.run(body())


def test_a_run_that_waited_for_its_api_until_its_deadline_says_so(rig: Rig) -> None:
    rig.apply(agent(runtime={"type": "http", "url": "http://127.0.0.1:1"}), autopilot(timeout="5m"))
    run, down = rig.launch(), f"{NO_ANSWER}: Cannot connect"

    async def body() -> None:
        async with Agents(rig.clock) as agents:
            agents.shown = Working(down)
            secrets = SecretStore(Path("/nonexistent"), {})
            context = RunnerContext(rig.database, agents, secrets, "here", KEY, RunnerSettings())
            await run_once(context)
            await settle(context)
            for minutes in (0, 5):
                rig.clock.advance(minutes=minutes)
                await run_once(context)
                await settle(context)
                now = rig.clock.now()
                assert down in told(rig.run_of(run.id), "run", now).why

    asyncio.run(body())
    asked = rig.run_of(run.id)
    assert asked.cancel_reason is Reason.TIMED_OUT
    assert (asked.cancel_note or "").endswith(f"; {down}")
