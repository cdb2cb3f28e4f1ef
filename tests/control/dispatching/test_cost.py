"""What a run costs the database: the statements and transactions of many at once are bounded."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from reconciler.control.access.secrets import SecretStore
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.control.runs.ending import Finish, finish_all
from reconciler.control.runs.tick import Ticker, read_seen, tick_once
from reconciler.core.runs.run import Completed, Status
from reconciler.dispatch.http.runtime import Patience
from reconciler.dispatch.registry import Runtimes
from reconciler.server.clock_check import ClockCheck
from reconciler.store.engine.database import Tx
from reconciler.store.runs.leases import Lease, take
from reconciler.store.runs.starting import Step, take_steps
from reconciler.telemetry import Metrics
from tests.support.http_agent import HttpAgent
from tests.support.rig import COOLDOWN, KEY, Rig, agent, autopilot, schedule

RUNS = 10


@contextmanager
def counted() -> Iterator[dict[str, int]]:
    """Statements and transactions of every database in the block."""
    counts = {"statements": 0, "transactions": 0}

    def statement(*_: object) -> None:
        counts["statements"] += 1

    def transaction(*_: object) -> None:
        counts["transactions"] += 1

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "begin", transaction)
    try:
        yield counts
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "begin", transaction)


@asynccontextmanager
async def runner_of(rig: Rig) -> AsyncIterator[RunnerContext]:
    """One process that gives runs to agents."""
    async with Runtimes(rig.clock, patience=Patience(settle=30)) as runtimes:
        secret_store = SecretStore(Path("/nonexistent"), {})
        yield RunnerContext(rig.database, runtimes, secret_store, "here", KEY)


@pytest.fixture
def http() -> Iterator[HttpAgent]:
    with HttpAgent() as made:
        made.answer(200, {"status": "completed"})
        yield made


def test_runs_that_come_at_once_share_transactions_and_take_few_statements(
    rig: Rig, http: HttpAgent
) -> None:
    room: dict[str, Any] = {"concurrencyPolicy": "queue", "maxConcurrency": RUNS, "maxActive": RUNS}
    rig.apply(
        agent(runtime={"type": "http", "url": http.url}, maxConcurrency=RUNS),
        autopilot(executionMode="run_only", **room),
    )
    runs = [rig.launch() for _ in range(RUNS)]

    async def body() -> None:
        async with runner_of(rig) as runner:
            await run_once(runner)
            await settle(runner)

    with counted() as counts:
        asyncio.run(body())
    assert {rig.run_of(run.id).status for run in runs} == {Status.COMPLETED}
    assert counts["statements"] / RUNS < 16
    assert counts["transactions"] / RUNS < 3


def statements_of_lives(rig: Rig, number: int) -> int:
    """Statements of one transaction that leases, starts and ends runs, and lets as many in."""
    name, now = f"a{number}", rig.clock.now()
    lease = Lease("here", now + timedelta(minutes=1), "bot")
    room: dict[str, Any] = {"concurrencyPolicy": "queue", "maxConcurrency": number}
    rig.apply(agent(), autopilot(name, maxActive=number, **room))
    runs = [rig.launch(name) for _ in range(2 * number)]

    def work(tx: Tx) -> None:
        taken = [run for run in take(tx, [(run, lease) for run in runs[:number]]) if run]
        steps = [Step(run, {"session_id": "s"}, Status.RUNNING) for run in taken]
        assert all(take_steps(tx, steps, "here", now))
        ends = [Finish(run, Completed()) for run in taken]
        assert all(finish_all(tx, ends, now, cooldown=COOLDOWN))

    with counted() as counts:
        rig.database.write(work)
    states = [rig.run_of(run.id) for run in runs]
    assert [run.status for run in states[:number]] == [Status.COMPLETED] * number
    assert all(run.active for run in states[number:])
    return counts["statements"]


def test_what_many_runs_come_to_at_once_takes_the_statements_of_one(rig: Rig) -> None:
    statements_of_lives(rig, 2)  # what is lazy is loaded
    assert statements_of_lives(rig, 1) == statements_of_lives(rig, 5)


@pytest.mark.parametrize("loop", ["run", "tick"])
def test_a_round_with_nothing_to_do_is_one_transaction_with_the_check_of_the_clock(
    rig: Rig, loop: str
) -> None:
    rig.apply(agent(), autopilot("triage", schedule()))
    check = ClockCheck(rig.database, rig.clock, "here", Metrics())
    ticker = Ticker(rig.database, rig.titles, rig.ids, COOLDOWN)

    async def body() -> int:
        async with runner_of(rig) as runner:
            await check.check()  # the first one puts right what earlier processes left behind
            with counted() as counts:
                if loop == "run":
                    await run_once(runner, check.read)
                else:
                    tick_once(ticker, await check.read(partial(read_seen, ticker)))
            return counts["transactions"]

    assert asyncio.run(body()) == 1


@pytest.mark.parametrize(
    ("runs", "transactions", "statements"),
    [
        pytest.param(0, 1, 2, id="nothing waits"),
        pytest.param(1, 2, 10, id="a run that comes alone"),
    ],
)
def test_a_round_asks_once_before_it_leases(
    rig: Rig, runs: int, transactions: int, statements: int
) -> None:
    rig.apply(agent(runtime={"type": "http", "url": "http://127.0.0.1:1"}), autopilot())

    async def body() -> dict[str, int]:
        async with runner_of(rig) as runner:
            await run_once(runner)
            launched = {rig.launch().id for _ in range(runs)}
            with counted() as counts:
                await run_once(runner)
            assert {*runner.tasks} == launched
            await settle(runner)
            return counts

    counts = asyncio.run(body())
    assert counts["transactions"] == transactions
    assert counts["statements"] <= statements  # on SQLite BEGIN is one


def test_what_a_full_agent_leaves_waiting_takes_one_reading_a_round(rig: Rig) -> None:
    room: dict[str, Any] = {"concurrencyPolicy": "queue", "maxConcurrency": 2, "maxActive": 2}
    rig.apply(
        agent(runtime={"type": "http", "url": "http://127.0.0.1:1"}, maxConcurrency=1),
        autopilot(**room),
    )
    first, second = rig.launch(), rig.launch()
    lease = Lease("another", rig.clock.now() + timedelta(minutes=1), "bot")
    assert all(rig.database.write(lambda tx: take(tx, [(first, lease)])))

    async def body() -> int:
        async with runner_of(rig) as runner:
            await run_once(runner)  # sees that there is no room
            with counted() as counts:
                await run_once(runner)
            rig.end(rig.run_of(first.id), Completed())
            await run_once(runner)
            assert {*runner.tasks} == {second.id}
            await settle(runner)
            return counts["transactions"]

    assert asyncio.run(body()) == 1
