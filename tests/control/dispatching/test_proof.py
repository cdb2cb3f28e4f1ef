"""An end is recorded only with proof, or 30 s after the deadline; nothing starts beside it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.access.secrets import SecretStore
from reconciler.control.dispatching.context import RunnerContext, RunnerSettings
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.core.runs.run import Status
from reconciler.dispatch.base import (
    Handle,
    Job,
    Record,
    Start,
    Started,
    Stop,
    Stopped,
    Stopping,
    Transient,
)
from reconciler.dispatch.registry import Runtimes
from tests.support.clock import FakeClock
from tests.support.eventually import eventually_async
from tests.support.rig import KEY, Rig, agent, autopilot

HTTP = {"type": "http", "url": "http://127.0.0.1:1"}


class Agents(Runtimes):
    """Runtimes at the seam: what each start and stop gives is said; what is asked is noted."""

    def __init__(
        self, clock: FakeClock, starts: Sequence[Start], stops: Sequence[Stop], hangs: bool = False
    ) -> None:
        super().__init__(clock)
        self.starts, self.stops, self.hangs = [*starts], [*stops], hangs
        self.asked: list[str] = []

    async def start(self, job: Job, record: Record) -> Start:
        self.asked.append("start")
        if self.hangs:
            await asyncio.Event().wait()
        result = self.starts.pop(0)
        if isinstance(result, Started):
            await record(result.handle)
        return result

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> dict[str, Any]:
        return {}

    async def stop(self, job: Job, handle: Handle) -> Stop:
        self.asked.append("stop")
        return self.stops.pop(0) if len(self.stops) > 1 else self.stops[0]

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        self.asked.append("release")
        return self.stops.pop(0) if len(self.stops) > 1 else self.stops[0]


@asynccontextmanager
async def runner(rig: Rig, agents: Agents) -> AsyncIterator[RunnerContext]:
    """A server whose agents behave as said."""
    async with agents as runtimes:
        secrets = SecretStore(Path("/nonexistent"), {})
        yield RunnerContext(rig.database, runtimes, secrets, "here", KEY, RunnerSettings())


async def rounds(context: RunnerContext, count: int = 2) -> None:
    """Some rounds with all that they start."""
    for _ in range(count):
        await run_once(context)
        await settle(context)


@pytest.mark.parametrize("policy", ["skip", "queue", "replace"])
def test_past_its_deadline_a_run_is_stopped_and_the_next_never_starts_beside_it(
    rig: Rig, policy: str
) -> None:
    rig.apply(agent(runtime=HTTP), autopilot(timeout="5m", concurrencyPolicy=policy))
    first = rig.launch(payload={"n": 1})
    agents = Agents(rig.clock, [Started(Handle("s", {}))] * 2, [Stopping("still at it")])

    async def body() -> None:
        async with runner(rig, agents) as context:
            await rounds(context)
            second = rig.launch(payload={"n": 2})
            rig.clock.advance(minutes=5)
            for _ in range(3):
                await rounds(context)
                assert rig.run_of(first.id).active
                assert not rig.run_of(second.id).active
                rig.clock.advance(seconds=9)
            assert agents.asked.count("start") == 1
            assert "stop" in agents.asked
            rig.clock.advance(seconds=3)
            await rounds(context)
            assert rig.run_of(first.id).reason == "lost"
            assert rig.run_of(second.id).active == (policy != "skip")

    asyncio.run(body())


def test_with_proof_it_has_timed_out(rig: Rig) -> None:
    rig.apply(agent(runtime=HTTP), autopilot(timeout="5m"))
    run = rig.launch()
    agents = Agents(rig.clock, [Started(Handle("s", {}))], [Stopping(""), Stopped()])

    async def body() -> None:
        async with runner(rig, agents) as context:
            await rounds(context)
            rig.clock.advance(minutes=5)
            await rounds(context, 4)

    asyncio.run(body())
    assert rig.run_of(run.id).reason == "timed_out"


def test_an_attempt_whose_answer_was_lost_ends_when_it_is_stopped(rig: Rig) -> None:
    """The request may have reached the agent: that nobody heard of it is no proof."""
    rig.apply(agent(runtime=HTTP), autopilot(concurrencyPolicy="queue"))
    first, second = rig.launch(payload={"n": 1}), rig.launch(payload={"n": 2})
    lost = Transient("the answer was cut off")
    agents = Agents(rig.clock, [lost, lost], [Stopping("not asked yet"), Stopping(""), Stopped()])

    async def body() -> None:
        async with runner(rig, agents) as context:
            await run_once(context)
            await settle(context)
            assert rig.run_of(first.id).active
            assert not rig.run_of(second.id).active
            await rounds(context, 3)

    asyncio.run(body())
    ended = rig.run_of(first.id)
    assert (ended.status, ended.reason) == (Status.FAILED, "dispatch_failed")
    assert "the answer was cut off" in (ended.failure_reason or "")


def test_what_may_be_left_of_an_attempt_is_stopped_when_the_deadline_comes_first(rig: Rig) -> None:
    rig.apply(agent(runtime=HTTP), autopilot(timeout="5m", retry={"limit": 9, "backoff": "10m"}))
    run = rig.launch()
    agents = Agents(rig.clock, [Transient("cut off")], [Stopped()])

    async def body() -> None:
        async with runner(rig, agents) as context:
            await rounds(context)

    asyncio.run(body())
    assert rig.run_of(run.id).reason == "dispatch_failed"
    assert agents.asked == ["start", "release", "release"]


def test_a_start_that_hangs_is_given_up_after_the_deadline(rig: Rig) -> None:
    rig.apply(agent(runtime=HTTP), autopilot(timeout="5m"))
    run = rig.launch()
    agents = Agents(rig.clock, [], [Stopped()], hangs=True)

    async def hanging() -> bool:
        return agents.asked == ["start"]

    async def body() -> None:
        async with runner(rig, agents) as context:
            await run_once(context)
            await eventually_async(hanging)
            rig.clock.advance(minutes=5)
            await run_once(context)
            assert rig.run_of(run.id).active
            rig.clock.advance(seconds=30)
            await run_once(context)
            await settle(context)
            await rounds(context)

    asyncio.run(body())
    assert rig.run_of(run.id).reason == "timed_out"
