"""A run at an A2A agent, from its start to its end, on both databases and with servers that die."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from reconciler.control.access.secrets import SecretStore
from reconciler.control.changes import watch_database
from reconciler.control.dispatching.context import RunnerContext, RunnerSettings
from reconciler.control.dispatching.hints import HintRelay
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.control.runs.approving import decide
from reconciler.core.runs.approval import Decision
from reconciler.core.runs.run import Reason, Run, Status, WaitingFor
from reconciler.dispatch.a2a.runtime import A2aPatience
from reconciler.dispatch.registry import Runtimes
from reconciler.store.runs.runs import request_cancel
from tests.support.a2a_agent import A2aAgent
from tests.support.eventually import PATIENCE, eventually, eventually_async
from tests.support.rig import KEY, Rig, agent, autopilot
from tests.support.web import Web

VERSION = {"A2A-Version": "1.0"}


@pytest.fixture(scope="module")
def analyst() -> Iterator[A2aAgent]:
    with A2aAgent() as made:
        yield made


@asynccontextmanager
async def server(
    rig: Rig, owner: str = "here", every: float = 0.5, url: str = "http://127.0.0.1:8484"
) -> AsyncIterator[RunnerContext]:
    waits = A2aPatience(every=every, search=(0.0,))
    async with Runtimes(rig.clock, a2a_patience=waits) as runtimes:
        secret_store = SecretStore(Path("/nonexistent"), {})
        settings = RunnerSettings(base_url=url)
        yield RunnerContext(rig.database, runtimes, secret_store, owner, KEY, settings)


def launched(rig: Rig, analyst: A2aAgent, prompt: str, **spec: str) -> Run:
    rig.apply(
        agent(runtime={"type": "a2a", "url": analyst.url}),
        autopilot(description=prompt, timeout="10m", **spec),
    )
    return rig.launch()


async def until(runner: RunnerContext, rig: Rig, run: Run, *statuses: Status) -> Run:
    async def reached() -> Run | None:
        await run_once(runner)
        await settle(runner)
        rig.clock.advance(seconds=1)
        current = rig.run_of(run.id)
        return current if current.status in statuses else None

    current = await eventually_async(reached)
    assert current is not None
    return current


def test_a_run_is_a_task_and_ends_with_it(rig: Rig, analyst: A2aAgent) -> None:
    run = launched(rig, analyst, "complete")

    async def body() -> Run:
        async with server(rig) as runner:
            return await until(runner, rig, run, Status.COMPLETED, Status.FAILED)

    ended = asyncio.run(body())
    assert (ended.status, ended.result) == (Status.COMPLETED, "Labelled 3 issues.")
    assert ended.usage == {"costUsd": 0.25, "inputTokens": 100}
    assert ended.session_id
    assert analyst.executions().count(run.id) == 1


@pytest.mark.parametrize("decision", Decision)
def test_a_task_that_asks_waits_for_a_person_and_goes_on(
    rig: Rig, analyst: A2aAgent, decision: Decision
) -> None:
    run = launched(rig, analyst, "ask", onApproval="wait")

    async def body() -> Run:
        async with server(rig) as runner:

            async def asked() -> bool:
                await run_once(runner)
                await settle(runner)
                rig.clock.advance(seconds=1)
                return rig.run_of(run.id).waiting_for is WaitingFor.APPROVAL

            await eventually_async(asked)
            now = rig.clock.now()
            rig.database.write(lambda tx: decide(tx, run.id, decision, "ada", now))
            return await until(runner, rig, run, Status.COMPLETED, Status.FAILED)

    ended = asyncio.run(body())
    approved = decision is Decision.APPROVED
    assert ended.status is (Status.COMPLETED if approved else Status.FAILED)
    assert analyst.executions().count(run.id) == 2, "the work, and the answer, once"


def test_a_task_that_asks_with_nobody_there_is_cancelled(rig: Rig, analyst: A2aAgent) -> None:
    run = launched(rig, analyst, "ask")

    async def body() -> Run:
        async with server(rig) as runner:
            return await until(runner, rig, run, Status.FAILED)

    ended = asyncio.run(body())
    assert (ended.status, ended.reason) == (Status.FAILED, Reason.APPROVAL_NEEDED)
    assert "Delete the branch?" in str(ended.failure_reason)


def test_a_cancelled_run_ends_when_its_task_has(rig: Rig, analyst: A2aAgent) -> None:
    run = launched(rig, analyst, "work")

    async def body() -> Run:
        async with server(rig) as runner:
            await until(runner, rig, run, Status.RUNNING)
            now = rig.clock.now()
            rig.database.write(
                lambda tx: request_cancel(tx, run.id, now, Reason.CANCELLED, "by hand")
            )
            return await until(runner, rig, run, Status.FAILED)

    ended = asyncio.run(body())
    assert (ended.status, ended.reason) == (Status.FAILED, Reason.CANCELLED)


def test_an_agent_that_tells_of_its_end_is_asked_at_once(rig: Rig, analyst: A2aAgent) -> None:
    """By the clock the task would be asked for again in eleven days."""
    run = launched(rig, analyst, "work")
    hints: list[str] = []

    def take(run_id: str) -> bool:
        hints.append(run_id)
        return True

    web = Web(rig, more={"hint": take})

    async def hinted() -> bool:
        return run.id in hints

    async def body(url: str) -> Run:
        async with server(rig, every=1e6, url=url) as runner:
            working = await until(runner, rig, run, Status.RUNNING)
            await until(runner, rig, run, Status.RUNNING)  # asked once: it works
            cancel = {"jsonrpc": "2.0", "id": 1, "method": "CancelTask"}
            hints.clear()
            async with httpx.AsyncClient(headers=VERSION, timeout=PATIENCE) as client:
                task = {"params": {"id": working.session_id}}
                answer = await client.post(f"{analyst.url}/a2a", json=cancel | task)
                assert answer.json()["result"]["status"]["state"] == "TASK_STATE_CANCELED"
            await eventually_async(hinted)
            runner.runtimes.hint(hints[-1])
            return await until(runner, rig, run, Status.FAILED)

    with web.served() as url:
        ended = asyncio.run(body(url))
    assert "cancelled at the agent" in str(ended.failure_reason)
    assert set(hints) == {run.id}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_hint_that_reaches_another_server_is_passed_on(rig: Rig, analyst: A2aAgent) -> None:
    """The one that follows the run would ask again in eleven days."""
    run = launched(rig, analyst, "work")
    other = Web(rig)

    async def body(url: str) -> Run:
        async with server(rig, every=1e6, url=url) as runner:
            hear = runner.runtimes.hint
            watching = asyncio.create_task(watch_database(rig.database, lambda: None, hear))
            working = await until(runner, rig, run, Status.RUNNING)
            cancel = {"jsonrpc": "2.0", "id": 1, "method": "CancelTask"}
            async with httpx.AsyncClient(headers=VERSION, timeout=PATIENCE) as client:
                task = {"params": {"id": working.session_id}}
                await client.post(f"{analyst.url}/a2a", json=cancel | task)
            ended = await until(runner, rig, run, Status.FAILED)
            watching.cancel()
            return ended

    with other.served() as url:
        ended = asyncio.run(body(url))
    assert "cancelled at the agent" in str(ended.failure_reason)


def test_a_flood_of_hints_is_passed_on_now_and_then(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of a thousand hints costs nothing; the last one is not lost."""
    monkeypatch.setattr("reconciler.control.dispatching.hints.PAUSE", 0.0)
    watcher, heard = rig.database.watcher(), list[str]()
    is_shared = rig.database.name == "postgresql"

    def all_is_heard() -> bool:
        assert not watcher.changed()  # no server has to poll for that
        heard.extend(watcher.announced())
        return "the end" in heard or not is_shared

    async def flood(relay: HintRelay) -> None:
        for _ in range(1000):
            relay.pass_on("run-1")
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})

    async def body() -> None:
        relay = HintRelay(rig.database)
        await flood(relay)
        relay.pass_on("run-1")
        await asyncio.sleep(0)  # its announcement has begun: what comes now is later
        await flood(relay)

    asyncio.run(body())
    rig.database.write(lambda tx: rig.database.announce(tx, "the end"), quiet=True)
    try:
        eventually(all_is_heard)
    finally:
        watcher.close()
    assert heard == ([*["run-1"] * 3, "the end"] if is_shared else [])


def test_a_server_that_dies_with_its_message_sent_leaves_one_task(
    rig: Rig, analyst: A2aAgent
) -> None:
    run = launched(rig, analyst, "work")

    async def dies() -> None:
        async with server(rig, "dying") as runner:
            await run_once(runner)
            await eventually_async(lambda: _began(analyst, run))
            # On a busy machine the answer may have come as well: then there is no task left.
            tasks = [*runner.tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(dies())
    rig.clock.advance(minutes=1)

    async def goes_on() -> Run:
        async with server(rig, "next") as runner:
            return await until(runner, rig, run, Status.RUNNING)

    assert asyncio.run(goes_on()).session_id
    assert analyst.executions().count(run.id) == 1


async def _began(analyst: A2aAgent, run: Run) -> bool:
    return run.id in analyst.executions()
