"""Starting what was started before: a handle is recorded again, the status never goes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from reconciler.control.access.secrets import SecretStore
from reconciler.control.dispatching.context import RunnerContext
from reconciler.control.dispatching.runner import hand_back, run_once, settle
from reconciler.core.runs.run import Run, Status
from reconciler.dispatch.http.runtime import Patience
from reconciler.dispatch.registry import Runtimes
from tests.support.eventually import eventually_async
from tests.support.http_agent import HttpAgent
from tests.support.rig import KEY, Rig, agent, autopilot

QUICK = Patience(settle=0.05)


@asynccontextmanager
async def server(rig: Rig, owner: str) -> AsyncIterator[RunnerContext]:
    """One process's place of work; it hands back what it has in hand."""
    async with Runtimes(rig.clock, patience=QUICK) as runtimes:
        runner = RunnerContext(
            rig.database, runtimes, SecretStore(Path("/nonexistent"), {}), owner, KEY
        )
        yield runner
        await settle(runner)
        await hand_back(runner)


async def once(runner: RunnerContext, rig: Rig, run: Run) -> Run:
    """One round with all that it started; the run as it is then."""
    await run_once(runner)
    await settle(runner)
    return rig.run_of(run.id)


def test_a_run_that_another_server_posts_again_has_been_running_all_along(rig: Rig) -> None:
    with HttpAgent() as http:
        for _ in range(2):
            http.answer(200, {"status": "completed", "result": 3}, hold=True)
        rig.apply(
            agent(runtime={"type": "http", "url": http.url}), autopilot(executionMode="run_only")
        )
        run, began = rig.launch(), rig.clock.now()

        async def body() -> None:
            async with server(rig, "first") as runner:
                assert (await once(runner, rig, run)).status is Status.RUNNING
                await eventually_async(asked)  # a server that is gone asks nobody any more
            rig.clock.advance(minutes=1)
            async with server(rig, "second") as runner:
                again = await once(runner, rig, run)
                assert (again.status, again.lease_owner) == (Status.RUNNING, "second")
                assert (again.started_at, again.attempts) == (began, 2)
                http.release()
                await eventually_async(lambda: ended(runner))

        async def asked() -> bool:
            return bool(http.requests)

        async def ended(runner: RunnerContext) -> bool:
            return (await once(runner, rig, run)).ended

        asyncio.run(body())
    found = rig.run_of(run.id)
    assert (found.status, found.result) == (Status.COMPLETED, 3)
    assert [one.header("idempotency-key") for one in http.requests] == [run.id, run.id]
