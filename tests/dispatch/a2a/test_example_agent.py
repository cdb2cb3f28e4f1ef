"""The A2A agent of the examples, as the server reaches it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from reconciler.clock import SystemClock
from reconciler.core.manifest.runtime import A2aRuntime
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.dispatch.a2a.runtime import A2aPatience, A2aTasks
from reconciler.dispatch.base import Ended, Job, Started, Stopped
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import new_client
from tests.dispatch.builders import Recorder, a_job, poll
from tests.support.eventually import eventually, eventually_async
from tests.support.missing import missing
from tests.support.ports import free_port

pytestmark = pytest.mark.anyio

AGENT = Path(__file__).parents[3] / "examples/agents/a2a_agent.py"
PROGRAM = 'read -r line; case "$line" in stay) sleep 60 ;; fail) exit 3 ;; esac; echo "$line"'


@pytest.fixture
def url() -> Iterator[str]:
    """Where it serves; its program does as the first line of a message says."""
    if find_spec("a2a") is None:
        missing("the extra a2a")
    port = free_port()
    agent = subprocess.Popen([sys.executable, AGENT, str(port), "sh", "-c", PROGRAM])
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: _serves(url))
    yield url
    agent.kill()
    agent.wait()


def _serves(url: str) -> bool:
    with suppress(httpx.TransportError):
        httpx.get(url, timeout=5, trust_env=False)
        return True
    return False


async def test_the_example_works_fails_and_stops(url: str) -> None:
    async with new_client() as http:
        patience = A2aPatience(every=0.05)
        runtime = A2aTasks(http, Reach(own_port=8484), SystemClock(), lambda: None, patience)

        async def begun(prompt: str) -> tuple[Job, Started]:
            spec = A2aRuntime.model_validate({"type": "a2a", "url": url})
            job = a_job(spec, prompt=f"{prompt}\n")
            started = await runtime.start(job, Recorder())
            assert isinstance(started, Started)
            return job, started

        async def end_of(prompt: str) -> Ended:
            job, started = await begun(prompt)

            async def ended() -> Ended | None:
                seen = await poll(runtime, job, started.handle)
                return seen if isinstance(seen, Ended) else None

            found = await eventually_async(ended)
            assert found is not None
            return found

        assert await end_of("hello") == Ended(Completed("hello\n"))
        why = "the agent reports that it failed: sh exited with status 3"
        assert (await end_of("fail")).outcome == Failed(Reason.AGENT_FAILED, why)
        job, started = await begun("stay")
        assert isinstance(await runtime.stop(job, started.handle), Stopped)
        await runtime.close()
