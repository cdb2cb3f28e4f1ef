"""One run with which something is wrong is tried again, and holds up no other."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from reconciler.control.dispatching.context import RunnerSettings
from reconciler.core.base.errors import Locked
from reconciler.core.runs.retry import TARGET_PAUSE
from reconciler.core.runs.run import Completed, Run, Status, WaitingFor
from reconciler.core.runs.usage import Usage
from reconciler.dispatch.base import Ended, Handle, Job, Observation, Started, Stopped, Working
from reconciler.store.tables import autopilot_run
from tests.control.dispatching.test_proof import HTTP, Agents, rounds, runner
from tests.support.rig import Rig, agent, autopilot

DONE = Ended(Completed("done", usage=Usage(cost_micros=5)))


class Seen(Agents):
    """Agents that begin at once, and of which each poll shows what it is told to."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.clock, [Started(Handle("s", {"pid": 1}))] * 9, [Stopped()])
        self.shows: Callable[[str], Observation] = lambda _run_id: Working()

    async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> dict[str, Any]:
        return {job.run_id: self.shows(job.run_id) for job, _ in jobs}


def three(rig: Rig) -> tuple[Run, Run]:
    """Two runs of which the first is in trouble; room for a third is there once one has ended."""
    rig.apply(agent(runtime=HTTP, maxConcurrency=2), autopilot("triage"), autopilot("other"))
    return rig.launch("triage"), rig.launch("other")


def test_an_end_that_cannot_be_recorded_stops_neither_other_ends_nor_starts(rig: Rig) -> None:
    first, second = three(rig)
    agents = Seen(rig)

    async def body() -> Run:
        async with runner(rig, agents) as context:
            await rounds(context)
            unstorable: Any = object()
            no_end = Ended(Completed(unstorable))
            agents.shows = lambda run_id: no_end if run_id == first.id else DONE
            third = rig.launch("other", force=True)
            await rounds(context)
            assert context.failures.keys() == {first.id}
            agents.shows = lambda _run_id: Working()
            await rounds(context, 1)
            assert not context.failures
            agents.shows = lambda _run_id: DONE
            await rounds(context)
            assert not context.failures
            return third

    third = asyncio.run(body())
    ends = [rig.run_of(run.id).status for run in (first, second, third)]
    assert ends == [Status.COMPLETED] * 3


class Failing(Seen):
    """Agents whose starts fail in the server itself for some runs."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig)
        self.failing: dict[str, Exception] = {}

    async def start(self, job: Job, record: Any) -> Started:
        self.asked.append(job.run_id)
        if (error := self.failing.get(job.run_id)) is not None:
            raise error
        await record(handle := Handle(f"s-{job.run_id}", {"pid": 1}))
        return Started(handle)


@pytest.mark.parametrize("error", [ValueError("a mistake"), Locked("somebody else wrote")])
def test_runs_whose_start_fails_give_their_places_back_and_begin_later(
    rig: Rig, error: Exception
) -> None:
    rig.apply(agent(runtime=HTTP), autopilot("triage", maxConcurrency=2), autopilot("other"))
    failing = [rig.launch(), rig.launch()]
    rig.clock.advance(seconds=1)
    behind = rig.launch("other")
    agents = Failing(rig)
    agents.failing = dict.fromkeys((run.id for run in failing), error)

    async def body() -> None:
        async with runner(rig, agents) as context:
            context.settings = RunnerSettings(max_active_runs=len(failing))
            with capture_logs():
                await rounds(context)
            assert rig.run_of(behind.id).status is Status.RUNNING
            assert {rig.run_of(run.id).waiting_for for run in failing} == {WaitingFor.RETRY}
            assert str(error) in (rig.run_of(failing[0].id).note or "")
            agents.failing = {}
            agents.shows = lambda _run_id: DONE
            rig.clock.advance(seconds=TARGET_PAUSE.total_seconds())
            await rounds(context, 3)
            assert not context.stranded

    asyncio.run(body())
    ends = [rig.run_of(run.id) for run in (*failing, behind)]
    assert [run.status for run in ends] == [Status.COMPLETED] * 3
    assert [run.attempts for run in ends] == [2, 2, 1]
    assert [agents.asked.count(run.id) for run in ends] == [2, 2, 1]


@pytest.mark.parametrize("usage", ["x", [1], {"costUsd": "x"}])
@pytest.mark.parametrize("job_is_known", [True, False], ids=["the same server", "another server"])
def test_a_usage_that_was_broken_by_hand_counts_for_nothing(
    rig: Rig, usage: object, job_is_known: bool
) -> None:
    first, second = three(rig)
    agents = Seen(rig)
    scribbled = update(autopilot_run).where(autopilot_run.c.id == first.id).values(usage=usage)

    async def body() -> None:
        async with runner(rig, agents) as context:
            await rounds(context)
            rig.database.write(lambda tx: tx.execute(scribbled))
            if not job_is_known:
                context.jobs.clear()
            agents.shows = lambda _run_id: DONE
            await rounds(context)

    asyncio.run(body())
    ended = rig.run_of(first.id)
    assert (ended.status, ended.cost_micros) == (Status.COMPLETED, 5)
    assert rig.run_of(second.id).status is Status.COMPLETED
