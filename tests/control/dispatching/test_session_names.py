"""Sessions: one that names itself late is on the run all the same, and the row says since when."""

import asyncio
from typing import Any

import pytest

from reconciler.control.dispatching.start import start
from reconciler.core.runs.run import Completed, Failed, Outcome, Reason, Run
from reconciler.dispatch.base import (
    Ended,
    Handle,
    Job,
    Observation,
    Record,
    Start,
    Started,
    Stopped,
    Transient,
)
from reconciler.dispatch.registry import Runtimes
from reconciler.store.runs.leases import adopt_run
from tests.control.dispatching.test_one_owner import LEASE, first_runner, takes
from tests.control.dispatching.test_proof import HTTP, Agents, rounds, runner
from tests.support.rig import Rig, agent, autopilot


class Late(Agents):
    """An agent whose session has no name at its start."""

    def __init__(self, rig: Rig, started: str | None, ended: Ended) -> None:
        super().__init__(rig.clock, [Started(Handle(started, {"pid": 1}))], [Stopped()])
        self.ended = ended

    async def observe(self, jobs: Any) -> dict[str, Observation]:
        return {job.run_id: self.ended for job, _ in jobs}


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(Completed("done"), id="completed"),
        pytest.param(Failed(Reason.AGENT_FAILED, "no"), id="failed"),
    ],
)
@pytest.mark.parametrize(
    ("started", "known"),
    [pytest.param(None, "late", id="late"), pytest.param("s", "s", id="known")],
)
def test_the_name_that_comes_with_the_end(
    rig: Rig, outcome: Outcome, started: str | None, known: str
) -> None:
    rig.apply(agent(runtime=HTTP), autopilot())
    run = rig.launch()

    async def body() -> None:
        async with runner(rig, Late(rig, started, Ended(outcome, session_id="late"))) as context:
            await rounds(context, 3)

    asyncio.run(body())
    ended = rig.run_of(run.id)
    assert (ended.ended, ended.session_id) == (True, known)


class Slow(Runtimes):
    """An agent that takes its time: asked after a second, a session `name` after another."""

    def __init__(self, rig: Rig, name: str, answer: Start) -> None:
        super().__init__(rig.clock)
        self.rig, self.name, self.outcome = rig, name, answer

    async def start(self, job: Job, record: Record) -> Start:
        self.rig.clock.advance(seconds=1)
        await record(Handle(job.handle.session_id if job.handle else None, {"asked": True}))
        self.rig.clock.advance(seconds=1)
        await record(Handle(self.name, {}))
        self.rig.clock.advance(seconds=1)
        await record(Handle(self.name, {"prompt": "sent"}))
        return self.outcome


def adopts(rig: Rig, run: Run) -> Run | None:
    """The lease of a run whose work may have begun."""
    until = rig.clock.now() + LEASE
    return rig.database.write(lambda tx: adopt_run(tx, run, "first", until))


def test_a_run_knows_when_it_was_dispatched_and_since_when_it_has_its_session(rig: Rig) -> None:
    """Of the last attempt, and of the session that it has."""
    rig.apply(agent(runtime=HTTP), autopilot(retry={"limit": 2}))
    run = rig.launch()

    async def attempt(name: str, answer: Start) -> None:
        async with Slow(rig, name, answer) as runtimes:
            taken = takes(rig, run, "first") or adopts(rig, rig.run_of(run.id))
            assert taken is not None
            assert await start(first_runner(rig, runtimes), taken)

    def moments() -> list[float]:
        now = rig.run_of(run.id)
        known = (now.dispatched_at, now.session_at, now.started_at)
        return [(at - run.triggered_at).total_seconds() for at in known if at]

    asyncio.run(attempt("a", Transient("busy")))
    assert moments() == [1, 2]
    asyncio.run(attempt("a", Transient("busy")))
    assert moments() == [4, 2]
    asyncio.run(attempt("b", Started(Handle("b", {}))))
    assert moments() == [7, 8, 9]
    assert rig.run_of(run.id).session_id == "b"


def test_a_worker_gets_a_run_and_its_session_as_it_claims(rig: Rig) -> None:
    rig.apply(agent(), autopilot())
    run = rig.launch()
    rig.round()
    assert rig.run_of(run.id).dispatched_at is None
    rig.clock.advance(seconds=5)
    (held,) = rig.claim()
    now = rig.clock.now()
    claimed = rig.run_of(held.run.id)
    assert (claimed.dispatched_at, claimed.session_at, claimed.started_at) == (now, now, now)
