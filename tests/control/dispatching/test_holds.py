"""What one run has for itself: no other run begins in the folder of an Aegis session."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.access.secrets import SecretStore
from reconciler.control.dispatching.context import RunnerContext, RunnerSettings
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.core.manifest.runtime import AegisRuntime
from reconciler.core.runs.run import Completed, Status, WaitingFor
from reconciler.dispatch.base import (
    Ended,
    Handle,
    Job,
    Observation,
    Record,
    Start,
    Started,
    Stop,
    Stopped,
    Stopping,
    TargetDown,
    Working,
)
from reconciler.dispatch.registry import Runtimes
from tests.support.rig import KEY, Rig, agent, autopilot


class Agents(Runtimes):
    """Runtimes at the seam: sessions work until the test ends them."""

    begun: list[str]
    done: set[str]
    start_as: Start | None = None
    stop_as: Stop = Stopped()

    async def start(self, job: Job, record: Record) -> Start:
        if self.start_as is not None:
            return self.start_as
        await record(Handle("s", {}))
        self.begun.append(job.run_id)
        return Started(Handle("s", {}))

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> Mapping[str, Observation]:
        ended = Ended(Completed("done"))
        return {job.run_id: ended if job.run_id in self.done else Working() for job, _ in jobs}

    async def stop(self, job: Job, handle: Handle) -> Stop:
        return self.stop_as

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        return Stopped()


def in_folder(name: str, folder: str = "/srv/demo") -> list[dict[str, Any]]:
    """An agent that works in a folder, and its autopilot."""
    runtime = {"type": "aegis", "url": "http://127.0.0.1:9100", "workDir": folder}
    assignee = {"type": "agent", "id": name}
    return [agent(name, runtime=runtime), autopilot(name, assignee=assignee, timeout="5m")]


@asynccontextmanager
async def serving(rig: Rig) -> AsyncIterator[tuple[RunnerContext, Agents]]:
    async with Agents(rig.clock) as agents:
        agents.begun, agents.done = [], set()
        secrets = SecretStore(Path("/nonexistent"), {})
        context = RunnerContext(rig.database, agents, secrets, "here", KEY, RunnerSettings())
        yield context, agents


async def rounds(context: RunnerContext, count: int = 2) -> None:
    for _ in range(count):
        await run_once(context)
        await settle(context)


def test_a_run_waits_for_the_one_that_works_in_its_folder(rig: Rig) -> None:
    rig.apply(*in_folder("first"), *in_folder("second"), *in_folder("third", "/srv/other"))

    async def body() -> None:
        async with serving(rig) as (context, agents):
            first = rig.launch("first")
            await rounds(context)
            second, third = rig.launch("second"), rig.launch("third")
            await rounds(context)
            assert agents.begun == [first.id, third.id]
            waits = rig.run_of(second.id)
            assert waits.waiting_for is WaitingFor.AGENT
            assert f"run {first.id} works in the same place" in (waits.note or "")
            agents.done = {first.id}
            await rounds(context)
            rig.clock.advance(seconds=16)
            await rounds(context)
            assert agents.begun == [first.id, third.id, second.id]
            assert rig.run_of(second.id).note is None

    asyncio.run(body())


def test_a_lost_run_holds_its_folder_half_a_minute_past_its_deadline(rig: Rig) -> None:
    """Aegis was killed: its agent may be at work, and nobody can prove that it is not."""
    rig.apply(*in_folder("first"), *in_folder("second"))

    async def body() -> None:
        async with serving(rig) as (context, agents):
            agents.stop_as = Stopping("the Aegis server was started anew")
            first = rig.launch("first")
            await rounds(context)
            rig.clock.advance(minutes=4)
            second = rig.launch("second")
            for _ in range(6):
                await rounds(context)
                assert agents.begun == [first.id]
                rig.clock.advance(seconds=14)
            rig.clock.advance(seconds=16)
            await rounds(context)
            rig.clock.advance(seconds=16)
            await rounds(context)
            assert rig.run_of(first.id).reason == "lost"
            assert agents.begun == [first.id, second.id]

    asyncio.run(body())


def test_a_run_whose_agent_is_down_holds_nothing(rig: Rig) -> None:
    rig.apply(*in_folder("first"), *in_folder("second"))

    async def body() -> None:
        async with serving(rig) as (context, agents):
            agents.start_as = TargetDown("cannot be reached")
            first = rig.launch("first")
            await rounds(context)
            assert rig.run_of(first.id).note == "waits: cannot be reached"
            agents.start_as = None
            second = rig.launch("second")
            await rounds(context)
            assert agents.begun == [second.id]
            assert rig.run_of(second.id).status is Status.RUNNING

    asyncio.run(body())


@pytest.mark.parametrize(
    ("url", "folder", "same"),
    [
        ("http://127.0.0.1:9100/", "/srv/demo/", True),
        ("http://127.0.0.1:9101", "/srv/demo", False),
        ("http://127.0.0.1:9100", "/srv/demo2", False),
    ],
)
def test_a_place_is_a_server_and_a_folder(url: str, folder: str, same: bool) -> None:
    first = AegisRuntime(type="aegis", url="http://127.0.0.1:9100", work_dir="/srv/demo")
    second = AegisRuntime(type="aegis", url=url, work_dir=folder)
    assert (first.holds() == second.holds()) is same
