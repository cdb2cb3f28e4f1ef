"""The endpoint of the examples, as the server reaches it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.clock import SystemClock
from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.runtime import HttpRuntime
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.dispatch.base import Ended, Job, Started, Stopped
from reconciler.dispatch.http.runtime import HttpAgents, Patience
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import new_client
from tests.dispatch.builders import PROMPT, Recorder, a_job
from tests.support.eventually import eventually_async
from tests.support.http_agent import HttpAgent

pytestmark = pytest.mark.anyio

ENDPOINT = Path(__file__).parents[3] / "examples/agents/endpoint.py"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def url() -> Iterator[str]:
    """Where it serves; its program repeats a prompt, or goes on for ever where it says so."""
    program = ["sh", "-c", 'read -r line; case "$line" in stay) sleep 60 ;; esac; echo "$line"']
    endpoint = subprocess.Popen(
        [sys.executable, ENDPOINT, "0", *program],
        stdout=subprocess.PIPE,
        env={**os.environ, "ENDPOINT_SECRET": SECRET},
        text=True,
    )
    assert endpoint.stdout is not None
    yield endpoint.stdout.readline().strip()
    endpoint.kill()
    endpoint.wait()
    endpoint.stdout.close()


async def test_the_example_takes_a_run_once_reports_its_end_and_stops(url: str) -> None:
    with HttpAgent() as callback:
        job = a_job(
            HttpRuntime.model_validate({"type": "http", "url": url}),
            secret=SECRET,
            callback_url=callback.url,
            run_token="rct_run_x",
        )
        async with new_client() as http:
            runtime = HttpAgents(http, Reach(own_port=8484), SystemClock(), Patience(settle=20.0))

            async def start(job: Job) -> object:
                return await runtime.start(job, Recorder())

            first = await start(job)
            assert isinstance(first, Started)
            assert await start(job) == first, "asked again, it is at work on the same"
            await eventually_async(lambda: _is_true(len(callback.requests) == 1))
            (report,) = callback.requests
            assert report.json() == {"status": "completed", "result": f"{PROMPT}\n"}
            assert report.header("authorization") == "Bearer rct_run_x"

            stays = replace(job, run_id="stays", prompt="stay\n", run={**job.run, "id": "stays"})
            begun = await start(stays)
            assert isinstance(begun, Started)
            assert await runtime.stop(stays, begun.handle) == Stopped()

            answered = replace(job, run_id="now", mode=ExecutionMode.RUN_ONLY, callback_url=None)
            ended = Ended(Completed(f"{PROMPT}\n"))
            assert await start(answered) == ended
            assert await start(answered) == ended, "its answer may have been lost"

            refused = await start(replace(job, run_id="other", secret=f"whsec_{'A' * 32}"))
            assert isinstance(refused, Ended)
            assert isinstance(refused.outcome, Failed)
            assert refused.outcome.reason is Reason.DISPATCH_FAILED
            assert "is it the same secret?" in refused.outcome.message
            await runtime.close()


async def _is_true(value: bool) -> bool:
    return value
