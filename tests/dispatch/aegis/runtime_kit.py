"""What the tests of the aegis runtime need: a runtime on the stand-in, jobs, a way to the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from reconciler.clock import SystemClock
from reconciler.core.manifest.reach import Grant
from reconciler.core.manifest.runtime import AegisRuntime
from reconciler.core.runs.run import Outcome
from reconciler.dispatch.aegis.client import Waits
from reconciler.dispatch.aegis.runtime import AegisSessions
from reconciler.dispatch.base import Ended, Handle, Job, Started
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import new_client
from tests.dispatch.builders import Recorder, a_job, poll
from tests.support.aegis import Aegis
from tests.support.eventually import eventually_async

LOOPBACK = Reach(("http://127.0.0.1", "http://localhost"))
MODES = ("default", "plan", "acceptEdits", "dontAsk", "auto")
WAITS = Waits(
    call=5.0,
    create=5.0,
    create_with_prompt=5.0,
    limited=0.05,
    longest_rest=0.2,
    poll=0.02,
    error_stays=0.05,
    read_again=0.0,
)


@asynccontextmanager
async def sessions_of(**changes: Any) -> AsyncIterator[AegisSessions]:
    """A runtime with a client of its own: what another server process would have."""
    async with new_client() as http:
        yield AegisSessions(
            http,
            changes.pop("reach", LOOPBACK),
            changes.pop("modes", MODES),
            changes.pop("clock", SystemClock()),
            changes.pop("waits", WAITS),
            grant=changes.pop("grant", Grant(folders=("/srv",))),
            **changes,
        )


def job_on(aegis: Aegis | str, **changes: Any) -> Job:
    """A job for the stand-in, by the first of its keys."""
    url = aegis if isinstance(aegis, str) else aegis.url
    spec = {"type": "aegis", "url": url, "workDir": "/srv/demo"} | changes.pop("spec", {})
    return a_job(AegisRuntime.model_validate(spec), **{"secret": "key-1"} | changes)


async def begin(runtime: AegisSessions, job: Job, recorder: Recorder | None = None) -> Handle:
    """Start the job; its handle."""
    started = await runtime.start(job, recorder or Recorder())
    assert isinstance(started, Started), started
    return started.handle


async def end(runtime: AegisSessions, job: Job, handle: Handle) -> Outcome:
    """Look until the run has ended."""

    async def ended() -> Outcome | None:
        seen = await poll(runtime, job, handle)
        return seen.outcome if isinstance(seen, Ended) else None

    outcome = await eventually_async(ended)
    assert outcome is not None
    return outcome
