"""All runtimes as one: the path of each job, and what a mistake in one of them may do."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.clock import SystemClock
from reconciler.core.manifest.reach import Grant
from reconciler.core.manifest.runtime import HttpRuntime, WorkerRuntime
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.dispatch.base import (
    AwaitClaim,
    Ended,
    Handle,
    Job,
    NotAnswered,
    Observation,
    Started,
    Stopped,
    Stopping,
    Unseen,
    Working,
)
from reconciler.dispatch.registry import Runtimes
from reconciler.dispatch.worker import Workers
from tests.dispatch.aegis.runtime_kit import MODES, QUICK, WAITS, job_on
from tests.dispatch.builders import Recorder, a_job, command, poll, script
from tests.support.aegis.process import Aegis
from tests.support.eventually import eventually_async

pytestmark = pytest.mark.anyio


async def test_each_job_goes_to_the_runtime_of_its_type(tmp_path: Path, aegis: Aegis) -> None:
    aegis.control(script=QUICK)
    bound = {"agent": script(tmp_path, "echo done")}
    jobs = [a_job(command()), job_on(aegis), a_job(WorkerRuntime(type="worker"))]
    async with Runtimes(
        SystemClock(),
        commands=bound,
        runs_dir=tmp_path,
        aegis=Grant(folders=("/srv",)),
        permission_modes=MODES,
        waits=replace(WAITS, cost=0.0),
    ) as runtimes:
        followed = []
        for job in jobs[:2]:
            started = await runtimes.start(job, Recorder())
            assert isinstance(started, Started)
            followed.append((job, started.handle))
        assert await runtimes.start(jobs[2], Recorder()) == AwaitClaim()
        followed.append((jobs[2], Handle("claim-1")))

        async def all_ended() -> Mapping[str, Observation] | None:
            seen = await runtimes.observe(followed)
            return seen if all(isinstance(seen[j.run_id], Ended) for j in jobs[:2]) else None

        seen = await eventually_async(all_ended)
        assert seen == {
            jobs[0].run_id: Ended(Completed("done\n")),
            jobs[1].run_id: Ended(Completed("Labelled 3 issues.")),
            jobs[2].run_id: Working(),
        }
        for job, handle in followed:
            assert await runtimes.release(job, handle) == Stopped()


async def test_the_end_of_a_program_is_a_hint_to_look(tmp_path: Path) -> None:
    hint, job = asyncio.Event(), a_job(command())
    bound = {"agent": script(tmp_path, "echo done")}
    async with Runtimes(
        SystemClock(), commands=bound, runs_dir=tmp_path, notify=hint.set
    ) as runtimes:
        started = await runtimes.start(job, Recorder())
        assert isinstance(started, Started)
        await asyncio.wait_for(hint.wait(), 60)
        seen = await runtimes.observe([(job, started.handle)])
    assert seen == {job.run_id: Ended(Completed("done\n"))}


async def test_what_the_operator_does_not_allow_is_closed_by_default(aegis: Aegis) -> None:
    http = HttpRuntime.model_validate({"type": "http", "url": "https://agents.example.org/"})
    jobs = [
        a_job(command()),
        job_on(aegis, spec={"permissionMode": "plan"}),
        a_job(http),
    ]
    async with Runtimes(SystemClock()) as runtimes:
        for job, setting in zip(
            jobs,
            ["--allow-command", "allowed_permission_modes", "allowed_runtime_urls"],
            strict=True,
        ):
            start = await runtimes.start(job, Recorder())
            assert isinstance(start, Ended)
            assert isinstance(start.outcome, Failed)
            assert start.outcome.reason is Reason.DISPATCH_FAILED
            assert setting in start.outcome.message


async def test_a_mistake_in_one_runtime_does_not_blind_the_others(tmp_path: Path) -> None:
    class Broken:
        async def observe(self, jobs: Sequence[tuple[Job, Handle]]) -> Mapping[str, Observation]:
            raise RuntimeError("a bug")

    worker = a_job(WorkerRuntime(type="worker"))
    gone = (a_job(command()), Handle(None, {}))
    async with Runtimes(SystemClock()) as runtimes:
        runtimes._by_type[type(gone[0].runtime)] = Broken()  # type: ignore[assignment]
        seen = await runtimes.observe([gone, (worker, Handle("claim-1"))])
        runtimes._by_type.pop(type(gone[0].runtime))
    assert isinstance(seen[gone[0].run_id], Unseen)
    assert seen[worker.run_id] == Working()


async def test_a_claimed_run_is_followed_and_only_its_worker_proves_its_end() -> None:
    job, handle = a_job(WorkerRuntime(type="worker")), Handle("claim-1")
    async with Runtimes(SystemClock()) as runtimes:
        assert await runtimes.start(replace(job, handle=handle), Recorder()) == Started(handle)
        assert await poll(runtimes.of(job.runtime), job, handle) == Working()
        assert isinstance(await runtimes.stop(job, handle), Stopping)


async def test_an_agent_that_takes_no_answers_from_here_says_so(tmp_path: Path) -> None:
    async with Runtimes(SystemClock(), runs_dir=tmp_path) as runtimes:
        answer = await runtimes.answer(a_job(command()), Handle("1"), "run `make`?", approved=True)
    assert answer == NotAnswered("a command agent takes no answers from here")


async def test_a_runtime_that_fails_to_tell_its_output_keeps_no_run_from_its_end() -> None:
    class Broken(Workers):
        async def output(self, job: Job, handle: Handle, after: str | None) -> None:
            raise OSError("the disk is gone")

    async with Runtimes(SystemClock()) as runtimes:
        runtimes._by_type[WorkerRuntime] = Broken()
        job = a_job(WorkerRuntime(type="worker"))
        assert await runtimes.output(job, Handle(None), None) is None
