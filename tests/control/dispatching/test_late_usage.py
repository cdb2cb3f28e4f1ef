"""An agent that tells its cost only after the end: the run has it all the same, once."""

import asyncio
from pathlib import Path

from reconciler.control.access.secrets import SecretStore
from reconciler.control.dispatching.context import RunnerContext, RunnerSettings
from reconciler.control.dispatching.runner import run_once, settle
from reconciler.core.runs.run import Completed
from reconciler.core.runs.usage import Usage
from reconciler.dispatch.base import Ended, Handle, Job, Record, Start, Stop, Stopped, Stopping
from reconciler.dispatch.registry import Runtimes
from reconciler.store.runs.ends import add_usage
from tests.support.rig import KEY, Rig, agent, autopilot

USAGE = Usage(cost_micros=12_300, input_tokens=1200, output_tokens=340)


class Agents(Runtimes):
    """Runtimes at the seam: the work is over at once, its cost is known with the third release."""

    releases = 0

    async def start(self, job: Job, record: Record) -> Start:
        await record(Handle("s", {}))
        return Ended(Completed("done"))

    async def release(self, job: Job, handle: Handle | None) -> Stop:
        self.releases += 1
        return Stopped(usage=USAGE) if self.releases >= 3 else Stopping("its cost is awaited")


def test_a_cost_that_is_told_after_the_end_is_on_the_run(rig: Rig) -> None:
    rig.apply(agent(runtime={"type": "http", "url": "http://127.0.0.1:1"}), autopilot())
    run = rig.launch()

    async def body() -> None:
        async with Agents(rig.clock) as agents:
            secrets = SecretStore(Path("/nonexistent"), {})
            context = RunnerContext(rig.database, agents, secrets, "here", KEY, RunnerSettings())
            await run_once(context)
            await settle(context)
            assert rig.run_of(run.id).usage is None
            for _ in range(3):
                await run_once(context)
                await settle(context)
            assert context.leftovers == {}

    asyncio.run(body())
    ended = rig.run_of(run.id)
    assert ended.usage == USAGE.document()
    assert ended.cost_micros == 12_300
    assert not rig.database.write(lambda tx: add_usage(tx, run.id, Usage(cost_micros=5)))
    assert rig.run_of(run.id).cost_micros == 12_300
