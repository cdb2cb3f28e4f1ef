"""A run at an API that is not ours has one creation, whichever server dies at whatever moment."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.access.secrets import SecretStore
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.control.dispatching.stop import stop_once
from reconciler.core.runs.run import Reason, Run, Status
from reconciler.dispatch.http.api.runtime import ApiPatience
from reconciler.dispatch.registry import Runtimes
from reconciler.store.objects.agents import find_agent
from reconciler.store.runs.runs import request_cancel
from tests.support.http_agent import HttpAgent
from tests.support.rig import KEY, Rig, agent, autopilot


@pytest.fixture
def api() -> Iterator[HttpAgent]:
    with HttpAgent() as made:
        yield made


@asynccontextmanager
async def server(rig: Rig, owner: str = "here") -> AsyncIterator[RunnerContext]:
    async with Runtimes(
        rig.clock,
        evaluate=rig.evaluator.values,
        api_patience=ApiPatience(settle=20.0, search=(0.0,)),
    ) as runtimes:
        secret_store = SecretStore(Path("/nonexistent"), {})
        yield RunnerContext(rig.database, runtimes, secret_store, owner, KEY)


async def rounds(runner: RunnerContext, rig: Rig, run: Run, times: int = 3) -> Run:
    for _ in range(times):
        await run_once(runner)
        await settle(runner)
        for follower in runner.runtimes.of(_runtime(rig))._apis._followers.values():  # type: ignore[attr-defined]
            if follower._task is not None:
                await follower._task
        rig.clock.advance(seconds=2)
    return rig.run_of(run.id)


def _runtime(rig: Rig) -> Any:
    live = rig.database.read(lambda tx: find_agent(tx, "default", "bot"))
    assert live is not None
    return live.runtime


def launched(rig: Rig, api: HttpAgent, **changes: Any) -> Run:
    base = api.url.removesuffix("/runs")
    runtime = {
        "type": "http",
        "url": f"{base}/sessions",
        "request": {"body": {"prompt": "{{ prompt }}"}, "handle": {"id": "answer.id"}},
        "follow": {
            "url": base + "/sessions/{{ handle.id }}",
            "every": "1s",
            "status": "answer.status",
            "result": "answer.output",
        },
        "cancel": {"url": base + "/sessions/{{ handle.id }}/stop"},
        **changes,
    }
    rig.apply(agent(runtime=runtime), autopilot(description="Say hello.", timeout="10m"))
    return rig.launch()


def methods(api: HttpAgent) -> list[str]:
    return [request.method for request in api.requests]


def test_a_run_is_created_followed_and_completed(rig: Rig, api: HttpAgent) -> None:
    run = launched(rig, api)
    api.answer(201, {"id": "s1"})
    api.answer(200, {"status": "running"})
    api.answer(200, {"status": "completed", "output": {"pr": 7}})

    async def body() -> Run:
        async with server(rig) as runner:
            return await rounds(runner, rig, run, 4)

    ended = asyncio.run(body())
    assert (ended.status, ended.session_id, ended.result) == (Status.COMPLETED, "s1", {"pr": 7})
    assert api.requests[0].json() == {"prompt": "Say hello."}
    assert methods(api) == ["POST", "GET", "GET"]


def test_a_server_that_dies_before_the_answer_leaves_no_second_creation(
    rig: Rig, api: HttpAgent
) -> None:
    run = launched(rig, api)
    api.answer(201, {"id": "s1"}, hold=True)

    async def dies() -> None:
        async with server(rig, "dying") as runner:
            await run_once(runner)
            while not api.requests:  # noqa: ASYNC110 - the request has left, and then the end
                await asyncio.sleep(0.01)
            for task in runner.tasks.values():
                task.cancel()
            await asyncio.wait([*runner.tasks.values()])

    asyncio.run(dies())
    api.release()
    rig.clock.advance(minutes=1)

    async def goes_on() -> Run:
        async with server(rig, "next") as runner:
            return await rounds(runner, rig, run)

    held = asyncio.run(goes_on())
    assert held.status is Status.RUNNING
    assert held.note == (
        "an earlier request was not answered: it may be at work, and is held until its deadline"
    )
    rig.clock.advance(minutes=10)

    async def time_is_up() -> Run:
        async with server(rig, "next") as runner:
            return await rounds(runner, rig, run)

    ended = asyncio.run(time_is_up())
    assert (ended.status, ended.reason) == (Status.FAILED, Reason.LOST)
    assert methods(api) == ["POST"]


def test_an_api_that_was_full_is_asked_again_since_it_took_nothing(
    rig: Rig, api: HttpAgent
) -> None:
    run = launched(rig, api)
    api.answer(429, b"", {"Retry-After": "20"})
    api.answer(201, {"id": "s1"})
    api.answer(200, {"status": "completed", "output": 1})

    async def body() -> Run:
        async with server(rig) as runner:
            await rounds(runner, rig, run)
            rig.clock.advance(seconds=20)
            return await rounds(runner, rig, run)

    assert asyncio.run(body()).status is Status.COMPLETED
    assert methods(api) == ["POST", "POST", "GET"]


def test_a_cancelled_run_is_stopped_on_the_word_of_the_api(rig: Rig, api: HttpAgent) -> None:
    run = launched(rig, api)
    api.answer(201, {"id": "s1"})

    async def body() -> Run:
        async with server(rig) as runner:
            await run_once(runner)
            await settle(runner)
            now = rig.clock.now()
            rig.database.write(
                lambda tx: request_cancel(tx, run.id, now, Reason.CANCELLED, "by hand")
            )
            api.answer(200, {"status": "running"})
            api.answer(200, {})
            api.answer(200, {"status": "failed", "output": "half"})
            await stop_once(runner)
            await settle(runner)
            return rig.run_of(run.id)

    ended = asyncio.run(body())
    assert (ended.status, ended.reason, ended.result) == (Status.FAILED, Reason.CANCELLED, "half")
    assert [request.path for request in api.requests[1:]] == [
        "/sessions/s1",
        "/sessions/s1/stop",
        "/sessions/s1",
    ]
