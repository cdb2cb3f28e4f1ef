"""What a session has cost is told late, and not after DELETE."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from reconciler.core.runs.run import Completed
from reconciler.core.runs.usage import Usage
from reconciler.dispatch.aegis.runtime import AegisSessions
from reconciler.dispatch.base import Handle, Job, Started, Stop, Stopped, Stopping
from tests.dispatch.aegis.runtime_kit import begin, end, job_on
from tests.dispatch.builders import Recorder
from tests.support.aegis.local import LocalAegis
from tests.support.virtual_time import LoopClock

pytestmark = pytest.mark.anyio

USAGE = Usage(cost_micros=12_300, input_tokens=1200, output_tokens=340)


async def released(runtime: AegisSessions, job: Job, handle: Handle) -> tuple[Stop, float]:
    """Release each second until nothing is left; return what came of it, and after how long."""
    began = asyncio.get_running_loop().time()
    stop = await runtime.release(job, handle)
    for _ in range(300):
        if isinstance(stop, Stopped):
            break
        await asyncio.sleep(1.0)
        stop = await runtime.release(job, handle)
    return stop, asyncio.get_running_loop().time() - began


async def test_the_cost_of_a_run_is_known_soon_after_its_end(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = job_on(server)
    handle = await begin(runtime, job)
    assert isinstance(await end(runtime, job, handle), Completed)
    stop, after = await released(runtime, job, handle)
    assert stop == Stopped(usage=USAGE)
    assert 60 < after < 100
    assert server.world.sessions == {}
    assert server.calls["metrics"] < 10


async def test_with_a_budget_for_each_run_its_end_has_the_cost(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = replace(job_on(server), allowance_micros=1_000_000, deadline=in_an_hour())
    handle = await begin(runtime, job)
    outcome = await end(runtime, job, handle)
    assert outcome.usage == USAGE
    stop, after = await released(runtime, job, handle)
    assert (stop, after) == (Stopped(), 0.0)


async def test_a_run_ends_before_its_deadline_though_its_cost_is_not_known(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    deadline = LoopClock().now() + timedelta(seconds=45)
    job = replace(job_on(server), allowance_micros=1_000_000, deadline=deadline)
    outcome = await end(runtime, job, await begin(runtime, job))
    assert isinstance(outcome, Completed)
    assert LoopClock().now() < deadline


async def test_a_server_that_tells_no_cost_is_waited_for_once(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.control(script={"metrics_late": 1e9})
    waited = []
    for _ in range(2):
        job = job_on(server)
        handle = await begin(runtime, job)
        await end(runtime, job, handle)
        stop, after = await released(runtime, job, handle)
        assert stop == Stopped()
        waited.append(after)
    assert 100 < waited[0] < 150
    assert waited[1] < 1


async def test_the_next_run_of_the_folder_waits_for_no_cost(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = job_on(server)
    handle = await begin(runtime, job)
    await end(runtime, job, handle)
    assert isinstance(await runtime.release(job, handle), Stopping)
    assert isinstance(await runtime.start(job_on(server), Recorder()), Started)
    assert await runtime.release(job, handle) == Stopped()


async def test_a_session_with_a_budget_that_is_not_over_is_in_the_way_of_others(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    """Its run has not ended while the cost is awaited: nobody may remove it."""
    job = replace(job_on(server), allowance_micros=1_000_000, deadline=in_an_hour())
    handle = await begin(runtime, job)
    for _ in range(20):
        await runtime.observe([(job, handle)])
        await asyncio.sleep(1)
    assert not isinstance(await runtime.start(job_on(server), Recorder()), Started)
    assert (await end(runtime, job, handle)).usage == USAGE


async def test_a_stopping_server_leaves_no_session_for_its_cost(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = job_on(server)
    handle = await begin(runtime, job)
    await end(runtime, job, handle)
    await runtime.release(job, handle)
    await runtime.close()
    assert server.world.sessions == {}


async def test_a_run_that_is_stopped_keeps_the_cost_that_is_known(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = job_on(server)
    handle = await begin(runtime, job)
    await asyncio.sleep(200)
    assert await runtime.stop(job, handle) == Stopped(usage=USAGE)


def in_an_hour() -> datetime:
    return LoopClock().now() + timedelta(hours=1)
