"""A run of an `http` agent ends on its agent's word or on proof, and is stopped at its deadline."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reconciler.control.access.secrets import SecretStore
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.core.runs.run import Run, Status
from reconciler.dispatch.http.runtime import Patience
from reconciler.dispatch.registry import Runtimes
from tests.support.eventually import PATIENCE, eventually_async
from tests.support.http_agent import HttpAgent
from tests.support.rig import KEY, Rig, agent, autopilot


@pytest.fixture
def http() -> Iterator[HttpAgent]:
    with HttpAgent() as made:
        yield made


AT_WORK = 0.05
"""Seconds that the answer of an agent is waited for which gives none."""


@asynccontextmanager
async def server(rig: Rig, settle: float = PATIENCE) -> AsyncIterator[RunnerContext]:
    async with Runtimes(rig.clock, patience=Patience(settle=settle, again=600)) as runtimes:
        secret_store = SecretStore(Path("/nonexistent"), {})
        yield RunnerContext(rig.database, runtimes, secret_store, "here", KEY)


async def rounds(runner: RunnerContext, rig: Rig, run: Run) -> Run:
    for _ in range(3):
        await run_once(runner)
        await settle(runner)
    return rig.run_of(run.id)


async def at_work(runner: RunnerContext, rig: Rig, run: Run, http: HttpAgent) -> Run:
    """A run whose agent has been asked, and answers nothing."""

    async def asked() -> bool:
        return bool(http.requests)

    await rounds(runner, rig, run)
    await eventually_async(asked)
    return rig.run_of(run.id)


def methods(http: HttpAgent) -> list[str]:
    return [request.method for request in http.requests]


def launched(rig: Rig, http: HttpAgent) -> Run:
    rig.apply(
        agent(runtime={"type": "http", "url": http.url}),
        autopilot(executionMode="run_only", timeout="5s"),
    )
    return rig.launch()


def test_a_run_at_its_deadline_is_stopped_and_has_timed_out(rig: Rig, http: HttpAgent) -> None:
    http.answer(200, {"status": "completed"}, hold=True)
    run = launched(rig, http)

    async def body() -> None:
        async with server(rig, AT_WORK) as runner:
            assert (await at_work(runner, rig, run, http)).status is Status.RUNNING
            rig.clock.advance(seconds=6)
            ended = await rounds(runner, rig, run)
            assert (ended.status, ended.reason) == (Status.FAILED, "timed_out")

    asyncio.run(body())
    assert methods(http) == ["POST", "DELETE"]


def test_without_proof_the_run_is_held_and_the_next_one_does_not_start_beside_it(
    rig: Rig, http: HttpAgent
) -> None:
    http.answer(200, {"status": "completed"}, hold=True)
    run = launched(rig, http)

    async def body() -> None:
        async with server(rig, AT_WORK) as runner:
            await at_work(runner, rig, run, http)
            for _ in range(50):
                http.answer(405, b"")
            rig.clock.advance(seconds=6)
            held = await rounds(runner, rig, run)
            assert held.status is Status.RUNNING
            assert rig.launch().reason == "overlap"
            rig.clock.advance(seconds=30)
            ended = await rounds(runner, rig, run)
            assert (ended.status, ended.reason) == (Status.FAILED, "lost")

    asyncio.run(body())
    assert "DELETE" in methods(http)


@pytest.mark.parametrize("answer", [{"cut": True}, {"status": 504}, {"status": 204}])
def test_an_answer_that_is_lost_or_unknown_ends_nothing(
    rig: Rig, http: HttpAgent, answer: dict[str, int]
) -> None:
    http.answer(answer.get("status", 200), b"", cut=bool(answer.get("cut")))
    run = launched(rig, http)

    async def body() -> None:
        async with server(rig) as runner:
            shown = await rounds(runner, rig, run)
            assert (shown.status, shown.reason) == (Status.RUNNING, None)
            assert shown.note
            rig.clock.advance(seconds=6)
            ended = await rounds(runner, rig, run)
            assert (ended.status, ended.reason) == (Status.FAILED, "timed_out")

    asyncio.run(body())
    assert methods(http) == ["POST", "DELETE"]


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_an_answer_says_what_the_work_used(rig: Rig, http: HttpAgent, status: str) -> None:
    http.answer(200, {"status": status, "result": "x", "usage": {"costUsd": 0.07, "turns": 3}})
    run = launched(rig, http)

    async def body() -> None:
        async with server(rig) as runner:
            ended = await rounds(runner, rig, run)
            assert (ended.status, ended.cost_micros) == (status, 70_000)
            assert ended.usage == {"costUsd": 0.07, "turns": 3}

    asyncio.run(body())


def test_usage_that_cannot_be_is_ignored_and_the_run_says_so(rig: Rig, http: HttpAgent) -> None:
    http.answer(200, {"status": "completed", "usage": {"costUsd": -3}})
    run = launched(rig, http)

    async def body() -> None:
        async with server(rig) as runner:
            ended = await rounds(runner, rig, run)
            assert (ended.status, ended.usage, ended.cost_micros) == ("completed", None, None)
            assert "costUsd must be from 0" in (ended.note or "")

    asyncio.run(body())


def test_the_usage_of_a_run_that_was_stopped_is_kept(rig: Rig, http: HttpAgent) -> None:
    http.answer(202, {"sessionId": "s"})
    rig.apply(agent(runtime={"type": "http", "url": http.url}), autopilot(timeout="5s"))
    run = rig.launch()

    async def body() -> None:
        async with server(rig) as runner:
            assert (await rounds(runner, rig, run)).status is Status.RUNNING
            rig.clock.advance(seconds=6)
            http.answer(200, {"usage": {"costUsd": 1.5}})
            ended = await rounds(runner, rig, run)
            assert (ended.reason, ended.cost_micros) == ("timed_out", 1_500_000)

    asyncio.run(body())
