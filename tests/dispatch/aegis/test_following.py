"""How sessions are followed, stopped and released."""

import asyncio

import pytest

from reconciler.core.runs.run import Completed
from reconciler.dispatch.aegis.runtime import AegisSessions
from reconciler.dispatch.base import (
    Handle,
    NeedsApproval,
    Started,
    Stopped,
    Stopping,
    Unseen,
    Working,
)
from tests.dispatch.aegis.runtime_kit import begin, end, job_on, last_word
from tests.dispatch.builders import Recorder, poll
from tests.support.aegis.local import LocalAegis

pytestmark = pytest.mark.anyio


async def test_once_ended_a_session_is_released_for_the_next_run(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = job_on(server)
    handle = await begin(runtime, job)
    assert isinstance(await end(runtime, job, handle), Completed)
    server.control(script={"metrics_late": 0.0})
    assert isinstance(await runtime.release(job, handle), Stopped)
    assert server.world.sessions == {}
    assert await runtime.release(job, handle) == Stopped()
    assert isinstance(await runtime.start(job_on(server), Recorder()), Started)


async def test_one_list_call_for_all_runs_of_an_agent(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.control(script={"hold": True})
    jobs = [job_on(server, spec={"workDir": f"/srv/{i}"}) for i in range(5)]
    followed = [(job, await begin(runtime, job)) for job in jobs]
    server.control(forget_calls=True)
    await asyncio.sleep(30)
    assert await runtime.observe(followed) == {job.run_id: Working("") for job in jobs}
    assert set(server.calls) == {"list"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param("working", "", id="at work"),
        pytest.param("compacting", "compacting", id="at work on itself"),
        pytest.param("rate_limit", "waits for the model: rate_limit", id="rate limited"),
        pytest.param("error", "the agent retries: its session shows an error", id="retries"),
        pytest.param("idle", "", id="idle before the work"),
        pytest.param("dreaming", "dreaming", id="a status that is new"),
    ],
)
async def test_no_status_by_itself_is_an_end(
    runtime: AegisSessions, server: LocalAegis, status: str, expected: str
) -> None:
    server.control(script={"hold": True})
    job = job_on(server)
    handle = await begin(runtime, job)
    server.control(session=job.run_id, status=status)
    for _ in range(60):
        await asyncio.sleep(2)
        assert await poll(runtime, job, handle) == Working(expected)


@pytest.mark.parametrize(
    "status", ["permission_prompt", "bash_approval", "plan_mode", "ask_question"]
)
async def test_an_agent_that_asks_is_said_with_the_place_to_answer(
    runtime: AegisSessions, server: LocalAegis, status: str
) -> None:
    """Nothing is approved from here: with nothing pending that would type a prompt.

    A question that Aegis answers by itself shows for a moment too, and ends no run.
    """
    server.control(script={"hold": True})
    job = job_on(server)
    handle = await begin(runtime, job)
    server.control(session=job.run_id, status=status)
    assert isinstance(await poll(runtime, job, handle), Working)
    for _ in range(3):
        await asyncio.sleep(2)
        seen = await poll(runtime, job, handle)
    assert isinstance(seen, NeedsApproval)
    assert status in seen.question
    assert str(handle.session_id) in seen.answer_at


async def test_a_session_that_later_builds_list_as_crashed_is_over(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.control(script={"later_build": True, "hold": True})
    job = job_on(server)
    handle = await begin(runtime, job)
    server.control(session=job.run_id, status="crashed")
    assert "ended with an error" in str(await last_word(runtime, job, handle))


async def test_a_long_answer_keeps_its_tail(runtime: AegisSessions, server: LocalAegis) -> None:
    server.control(script={"answer": "x" * 300_000 + "the end"})
    job = job_on(server)
    outcome = await end(runtime, job, await begin(runtime, job))
    assert isinstance(outcome, Completed)
    assert outcome.result.startswith("[cut: ")
    assert outcome.result.endswith("the end")


async def test_a_stop_is_proven_by_the_server_that_had_the_session(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.control(script={"hold": True})
    job = job_on(server)
    handle = await begin(runtime, job)
    assert await runtime.stop(job, handle) == Stopped()
    await asyncio.sleep(server.world.script.killing)
    assert server.at_work(job.run_id) == 0
    assert await runtime.stop(job, handle) == Stopped()


async def test_a_session_under_another_key_is_not_seen_and_not_proven_gone(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.control(script={"hold": True})
    job = job_on(server)
    handle = await begin(runtime, job)
    stranger = job_on(server, run_id=job.run_id, secret="key-2")
    assert isinstance(await poll(runtime, stranger, handle), Unseen)
    stop = await runtime.stop(stranger, handle)
    assert isinstance(stop, Stopping)
    assert "403" in stop.message
    assert server.at_work(job.run_id) == 1


async def test_a_proxys_404_is_no_proof(runtime: AegisSessions, server: LocalAegis) -> None:
    server.control(script={"hold": True})
    job = job_on(server)
    handle = await begin(runtime, job)
    server.control(fault={"endpoint": "list", "html": True})
    assert isinstance(await poll(runtime, job, handle), Unseen)
    server.control(fault={"endpoint": "delete", "html": True})
    assert isinstance(await runtime.stop(job, handle), Stopping)
    server.control(fault={"endpoint": "get", "html": True})
    assert isinstance(await runtime.stop(job, handle), Stopping)
    assert await runtime.stop(job, handle) == Stopped()


async def test_what_an_attempt_left_without_a_record_is_released_by_its_name(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = job_on(server)
    assert await runtime.release(job, None) == Stopped()
    server.control(plant=[{"name": job.run_id, "workDir": "/srv/demo", "key": "key-1"}])
    assert await runtime.release(job, None) == Stopped()
    assert server.world.sessions == {}


async def test_a_server_that_is_down_proves_nothing(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.down = True
    job = job_on(server)
    handle = Handle("7a0e9a30-6c1c-4f0a-8d7e-0c7d3b6ad201", {"phase": "working"})
    assert isinstance(await poll(runtime, job, handle), Unseen)
    assert isinstance(await runtime.stop(job, handle), Stopping)
    assert isinstance(await runtime.release(job, handle), Stopping)
