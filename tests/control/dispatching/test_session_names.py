"""A session that names itself late is on the run all the same."""

import asyncio
from typing import Any

import pytest

from reconciler.core.runs.run import Completed, Failed, Outcome, Reason
from reconciler.dispatch.base import Ended, Handle, Observation, Started, Stopped
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
