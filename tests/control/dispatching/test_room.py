"""Room: only work in flight holds a slot, a full queue hides nobody, workspaces take turns."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.control.access.secrets import SecretStore
from reconciler.control.dispatching.claim import claim_once
from reconciler.control.dispatching.context import RunnerContext, RunnerSettings
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.control.runs.launch import Order
from reconciler.core.runs.run import Completed, Run, Status, WaitingFor
from reconciler.dispatch.http.runtime import Patience
from reconciler.dispatch.registry import Runtimes
from reconciler.store.engine.bulk import insert_rows
from reconciler.store.engine.database import Database, Tx
from reconciler.store.runs.leases import Lease, take
from reconciler.store.runs.runs import change_run
from reconciler.store.tables import autopilot_run
from tests.support.applying import rows_of
from tests.support.http_agent import HttpAgent
from tests.support.rig import KEY, Document, Rig, agent, autopilot, id_of, manifest

MANY: Document = {"maxConcurrency": 100, "maxActive": 1000}


def http(url: str, name: str = "bot", **more: Any) -> Document:
    """An agent that takes runs over HTTP."""
    return agent(name, runtime={"type": "http", "url": url}, **more)


def to(name: str) -> Document:
    """The assignee of an autopilot."""
    return {"assignee": {"type": "agent", "id": name}}


@pytest.fixture
def closed() -> Iterator[str]:
    """The URL of an agent that is down: a port that nobody listens at, and nobody else gets."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/"


@asynccontextmanager
async def server(rig: Rig, **settings: Any) -> AsyncIterator[RunnerContext]:
    """One process that gives work to agents."""
    async with Runtimes(rig.clock, patience=Patience(settle=0.05)) as runtimes:
        secrets, settled = SecretStore(Path("/nonexistent"), {}), RunnerSettings(**settings)
        yield RunnerContext(rig.database, runtimes, secrets, "here", KEY, settled)


async def rounds(runner: RunnerContext, count: int = 2) -> None:
    """Some rounds with all that they start."""
    for _ in range(count):
        await run_once(runner)
        await settle(runner)


class TestWhatWaitsHoldsNoSlot:
    def test_runs_of_an_agent_that_is_down_leave_the_server_to_others(
        self, rig: Rig, closed: str
    ) -> None:
        with HttpAgent() as well:
            rig.apply(
                http(closed, "down"),
                http(well.url, "up"),
                autopilot("dead", **to("down"), **MANY),
                autopilot("live", **to("up")),
            )
            dead = [rig.launch("dead") for _ in range(3)]

            async def body() -> None:
                async with server(rig, max_active_runs=2) as runner:
                    await rounds(runner)
                    live = rig.launch("live")
                    await rounds(runner)
                    assert rig.run_of(live.id).status is Status.RUNNING

            asyncio.run(body())
        waiting = [rig.run_of(run.id) for run in dead]
        assert [(run.status, run.waiting_for) for run in waiting] == [("pending", "agent")] * 3

    def test_runs_that_no_worker_claims_leave_the_server_to_others(self, rig: Rig) -> None:
        with HttpAgent() as well:
            rig.apply(
                agent("nobody"),
                http(well.url, "up"),
                autopilot("dead", **to("nobody"), **MANY),
                autopilot("live", **to("up")),
            )
            dead = [rig.launch("dead") for _ in range(3)]

            async def body() -> None:
                async with server(rig, max_active_runs=2) as runner:
                    await rounds(runner)
                    live = rig.launch("live")
                    await rounds(runner)
                    assert rig.run_of(live.id).status is Status.RUNNING

            asyncio.run(body())
        assert {rig.run_of(run.id).waiting_for for run in dead} == {WaitingFor.CLAIM}

    def test_workers_claim_no_more_than_the_server_has_room_for(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot(**MANY))
        for _ in range(4):
            rig.launch()
        rig.round()
        rig.max_active_runs = 3
        held = rig.claim()
        assert len(held) == 3
        assert rig.claim() == []
        rig.complete(held[0])
        assert len(rig.claim()) == 1


class TestAFullServer:
    def test_it_fails_no_run_of_a_healthy_agent_and_feeds_no_breaker(self, rig: Rig) -> None:
        with HttpAgent() as well:
            rig.apply(
                http(well.url, "up"),
                autopilot("long", **to("up")),
                autopilot("live", **to("up"), timeout="5m", pauseAfterFailures=1),
            )
            long = rig.launch("long")

            async def body() -> None:
                async with server(rig, max_active_runs=1) as runner:
                    await rounds(runner)
                    rig.clock.advance(minutes=2)
                    live = rig.launch("live")
                    await rounds(runner)
                    for _ in range(4):
                        rig.clock.advance(minutes=4)
                        extend(rig, long)
                        await rounds(runner)
                    waits = rig.run_of(live.id)
                    assert (waits.status, waits.waiting_for) == (Status.PENDING, "agent")
                    rig.end(rig.run_of(long.id), Completed())
                    await rounds(runner)
                    begun = rig.run_of(live.id)
                    assert begun.status is Status.RUNNING
                    # It has its whole timeout: nothing of it passed while the server was full.
                    assert begun.deadline_at == rig.clock.now() + timedelta(minutes=5)

            asyncio.run(body())
        assert rig.live("live").switches.failures == 0

    def test_a_run_that_a_worker_could_claim_had_the_server_room_waits_on(self, rig: Rig) -> None:
        rig.apply(agent(), autopilot(timeout="5m", **MANY))
        rig.launch()
        rig.round()
        rig.max_active_runs = 1
        (held,) = rig.claim(seconds=3600)
        second = rig.launch()

        async def body() -> None:
            async with server(rig, max_active_runs=1) as runner:
                await rounds(runner)
                assert rig.claim() == []
                longer = {"deadline_at": rig.clock.now() + timedelta(hours=1)}
                rig.database.write(lambda tx: change_run(tx, held.run.id, longer))
                rig.clock.advance(minutes=5)
                await rounds(runner)

        asyncio.run(body())
        assert rig.run_of(second.id).waiting_for == "claim"
        rig.complete(held)
        assert [claimed.run.id for claimed in rig.claim()] == [second.id]


class TestNobodyIsHidden:
    def test_five_thousand_runs_for_one_full_agent_hide_nobody(self, rig: Rig) -> None:
        rig.apply(
            http("http://127.0.0.1:1", "full", maxConcurrency=1),
            http("http://127.0.0.1:1", "free"),
            autopilot("busy", **to("full"), **MANY),
            autopilot("quiet", **to("free")),
        )
        first = rig.launch("busy")
        copies(rig.database, first, 5000)
        until = rig.clock.now() + timedelta(seconds=30)
        assert rig.database.write(
            lambda tx: take(tx, [(rig.run_of(first.id), Lease("x", until, "full"))])
        )
        quiet = rig.launch("quiet")

        async def body() -> None:
            async with server(rig) as runner:
                assert await claim_once(runner) == [quiet.id]
                await settle(runner)

        asyncio.run(body())

    def test_five_thousand_runs_between_two_attempts_hide_nobody(self, rig: Rig) -> None:
        rig.apply(http("http://127.0.0.1:1"), autopilot(**MANY))
        first = rig.launch()
        copies(rig.database, first, 5000, next_attempt_at=rig.clock.now() + timedelta(hours=1))
        rig.end(first, Completed())
        last = rig.launch(force=True)

        async def body() -> None:
            async with server(rig) as runner:
                assert await claim_once(runner) == [last.id]
                await settle(runner)

        asyncio.run(body())

    def test_a_thousand_runs_for_one_full_worker_hide_no_other_worker(self, rig: Rig) -> None:
        rig.apply(
            agent("full", maxConcurrency=1),
            agent("free"),
            autopilot("busy", **to("full"), **MANY),
            autopilot("quiet", **to("free")),
        )
        first = rig.launch("busy")
        copies(rig.database, first, 1000)
        quiet = rig.launch("quiet")
        rig.round()
        assert len(rig.claim("full", "free", most=1)) == 1
        assert [held.run.id for held in rig.claim("full", "free", most=5)] == [quiet.id]


class TestFairness:
    def test_with_one_slot_workspaces_take_turns(self, rig: Rig) -> None:
        spec: Document = {"title": "T", **to("bot"), **MANY}
        rig.apply(
            http("http://127.0.0.1:1"),
            autopilot("loud", **MANY),
            {**http("http://127.0.0.1:1"), "metadata": {"name": "bot", "workspace": "other"}},
            manifest("Autopilot", "late", spec, workspace="other"),
        )
        loud = [rig.launch("loud") for _ in range(4)]
        late = [rig.launcher.launch(Order(autopilot_id=id_of("late", "other"))) for _ in range(2)]
        served: list[str] = []

        async def body() -> None:
            async with server(rig, max_active_runs=1) as runner:
                for _ in range(6):
                    (taken,) = await claim_once(runner)
                    served.append(taken)
                    rig.end(rig.run_of(taken), Completed())
                    await settle(runner)

        asyncio.run(body())
        assert served == [loud[0].id, late[0].id, loud[1].id, late[1].id, loud[2].id, loud[3].id]

    def test_workers_are_given_work_of_workspaces_in_turn(self, rig: Rig) -> None:
        spec: Document = {"title": "T", **to("bot"), **MANY}
        rig.apply(
            agent(),
            autopilot("loud", **MANY),
            manifest("Agent", "bot", {"runtime": {"type": "worker"}}, workspace="other"),
            manifest("Autopilot", "late", spec, workspace="other"),
        )
        loud = [rig.launch("loud") for _ in range(3)]
        late = rig.launcher.launch(Order(autopilot_id=id_of("late", "other")))
        rig.round()
        given = [held.run.id for held in rig.claim(most=3)]
        assert given == [loud[0].id, late.id, loud[1].id]


def extend(rig: Rig, run: Run) -> None:
    """Renew the lease of a run, as its server does all the time."""
    until = {"lease_until": rig.clock.now() + timedelta(minutes=10)}
    assert rig.database.write(lambda tx: change_run(tx, run.id, until))


def copies(database: Database, run: Run, count: int, **values: Any) -> None:
    """Many more runs like this one, admitted with it."""
    (row,) = [row for row in rows_of(database, autopilot_run) if row["id"] == run.id]
    rows = [{**row, **values, "id": f"{run.id[:-12]}{number:012x}"} for number in range(count)]

    def write(tx: Tx) -> None:
        insert_rows(tx, autopilot_run, rows)

    database.write(write)
