"""What the tests of the aegis runtime need: a runtime on the stand-in, jobs, a way to the end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from reconciler.clock import SystemClock
from reconciler.core.manifest.reach import Grant
from reconciler.core.manifest.runtime import AegisRuntime
from reconciler.core.runs.run import Outcome
from reconciler.dispatch.aegis.runtime import AegisSessions
from reconciler.dispatch.aegis.waits import Waits
from reconciler.dispatch.base import Ended, Gone, Handle, Job, Observation, Started
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import new_client
from tests.dispatch.builders import Recorder, a_job, poll
from tests.support.aegis.local import LocalAegis
from tests.support.aegis.process import Aegis
from tests.support.virtual_time import LoopClock

LOOPBACK = Reach(("http://127.0.0.1", "http://localhost"))
MODES = ("default", "plan", "acceptEdits", "dontAsk", "auto")
WAITS = Waits(
    poll=0.02, between_lists=0.02, quiet=0.05, read_again=0.1, cost=0.0, per_minute=100_000
)
"""For a stand-in in real time; on virtual time the real ones cost nothing."""
QUICK = {"boot": 0.05, "shown_late": 0.05, "work": 0.1, "settle": 0.05, "per_minute": 0}
"""The script that goes with them."""


@asynccontextmanager
async def sessions_of(server: LocalAegis, **changes: Any) -> AsyncIterator[AegisSessions]:
    """A runtime with a client of its own: what another server process would have."""
    async with server.client() as http:
        yield AegisSessions(
            http,
            changes.pop("reach", LOOPBACK),
            changes.pop("modes", MODES),
            changes.pop("clock", LoopClock()),
            changes.pop("waits", None),
            grant=changes.pop("grant", Grant(folders=("/srv",))),
            **changes,
        )


@asynccontextmanager
async def sessions_in_real_time(**changes: Any) -> AsyncIterator[AegisSessions]:
    """A runtime for a stand-in that is a process."""
    async with new_client() as http:
        grant = Grant(folders=("/srv",))
        yield AegisSessions(http, LOOPBACK, MODES, SystemClock(), WAITS, grant=grant, **changes)


def job_on(aegis: Aegis | LocalAegis | str, **changes: Any) -> Job:
    """A job for the stand-in, by the first of its keys."""
    url = aegis if isinstance(aegis, str) else aegis.url
    spec = {"type": "aegis", "url": url, "workDir": "/srv/demo"} | changes.pop("spec", {})
    return a_job(AegisRuntime.model_validate(spec), **{"secret": "key-1"} | changes)


async def begin(runtime: AegisSessions, job: Job, recorder: Recorder | None = None) -> Handle:
    """Start the job; return its handle."""
    started = await runtime.start(job, recorder or Recorder())
    assert isinstance(started, Started), started
    return started.handle


async def last_word(
    runtime: AegisSessions, job: Job, handle: Handle, within: float = 300.0
) -> Observation:
    """Poll each second until it is over; return the last observation."""
    seen = await poll(runtime, job, handle)
    for _ in range(int(within)):
        if isinstance(seen, Ended | Gone):
            break
        await asyncio.sleep(1.0)
        seen = await poll(runtime, job, handle)
    return seen


async def end(runtime: AegisSessions, job: Job, handle: Handle) -> Outcome:
    """Poll until the run has ended."""
    seen = await last_word(runtime, job, handle)
    assert isinstance(seen, Ended), seen
    return seen.outcome
