"""`examples/agents/langgraph.yaml` against LangGraph's own server."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import pytest

from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.dispatch.base import (
    Ended,
    Handle,
    Job,
    NeedsApproval,
    Observation,
    Started,
    Stopped,
    Working,
)
from reconciler.dispatch.http.api.runtime import ApiPatience
from reconciler.dispatch.http.runtime import HttpAgents
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import new_client
from tests.dispatch.builders import Recorder, poll
from tests.support.clock import FakeClock
from tests.support.eventually import eventually_async
from tests.support.example_agents import example_job
from tests.support.langgraph import LangGraph, langgraph

pytestmark = pytest.mark.anyio
WITHIN = 60.0
HOST = "http://127.0.0.1:2024"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LangGraph]:
    """One server for all tests: it takes seconds to start."""
    with langgraph(tmp_path_factory.mktemp("langgraph")) as started:
        yield started


@pytest.fixture
async def runtime(evaluator: Evaluator, clock: FakeClock) -> AsyncIterator[HttpAgents]:
    async with new_client() as http:
        patience = ApiPatience(search=(0.0,))
        made = HttpAgents(
            http, Reach(own_port=8484), clock, evaluate=evaluator.values, api_patience=patience
        )
        yield made
        await made.close()


def job_of(server: LangGraph, clock: FakeClock, prompt: str) -> Job:
    """A run with this prompt, which the graph obeys."""
    return example_job("langgraph", HOST, server.url, clock, prompt=prompt)


async def begun(runtime: HttpAgents, job: Job) -> Handle:
    started = await runtime.start(job, Recorder())
    assert isinstance(started, Started), started
    return started.handle


News = Callable[[Observation], bool]


def is_word(observation: Observation) -> bool:
    """The server says that the work has ended or waits for a person."""
    return not isinstance(observation, Working)


async def seen(
    runtime: HttpAgents, clock: FakeClock, job: Job, handle: Handle, news: News = is_word
) -> Observation:
    """What is known of the run once it is news."""

    async def look() -> Observation | None:
        clock.advance(hours=1)
        now = await poll(runtime, job, handle)
        return now if news(now) else None

    observation = await eventually_async(look, WITHIN)
    assert observation is not None
    return observation


async def test_a_run_is_created_followed_and_its_last_message_is_the_result(
    server: LangGraph, runtime: HttpAgents, clock: FakeClock
) -> None:
    job = job_of(server, clock, "Label the issues.")
    handle = await begun(runtime, job)
    assert handle.detail["handle"] == {"id": handle.session_id, "thread": job.run_id}
    end = await seen(runtime, clock, job, handle)
    assert end == Ended(Completed("Done, allowed by nobody"))


async def test_a_graph_that_raises_is_quoted(
    server: LangGraph, runtime: HttpAgents, clock: FakeClock
) -> None:
    job = job_of(server, clock, "FAIL")
    end = await seen(runtime, clock, job, await begun(runtime, job))
    assert isinstance(end, Ended)
    assert isinstance(end.outcome, Failed)
    assert end.outcome.reason is Reason.AGENT_FAILED
    assert end.outcome.message == "the API reports: the model refused"


async def test_a_graph_that_asks_a_person_waits_and_goes_on_with_the_answer(
    server: LangGraph, runtime: HttpAgents, clock: FakeClock
) -> None:
    job = job_of(server, clock, "ASK")
    handle = await begun(runtime, job)
    assert isinstance(await seen(runtime, clock, job, handle), NeedsApproval)
    server.resume(job.run_id, "Ada")
    end = await seen(runtime, clock, job, handle, lambda now: isinstance(now, Ended))
    assert end == Ended(Completed("Done, allowed Ada"))


@pytest.mark.parametrize("prompt", ["WAIT", "ASK"])
async def test_work_is_stopped_on_its_word(
    prompt: str, server: LangGraph, runtime: HttpAgents, clock: FakeClock
) -> None:
    """A graph that asks has nothing at work that could be cancelled: nothing of it is alive."""
    job = job_of(server, clock, prompt)
    handle = await begun(runtime, job)
    if prompt == "ASK":
        assert isinstance(await seen(runtime, clock, job, handle), NeedsApproval)

    async def stopped() -> bool:
        clock.advance(hours=1)
        return isinstance(await runtime.stop(job, handle), Stopped)

    assert await eventually_async(stopped, WITHIN)
    (run,) = server.runs(job.run_id)
    assert run["status"] == ("interrupted" if prompt == "WAIT" else "success")


async def test_work_whose_creation_was_never_answered_is_found_and_not_begun_again(
    server: LangGraph, runtime: HttpAgents, clock: FakeClock
) -> None:
    job = job_of(server, clock, "Label the issues.")
    handle = await begun(runtime, job)
    after = await begun(runtime, replace(job, attempt=2, unsure=True))
    assert after == handle
    assert len(server.runs(job.run_id)) == 1
    assert isinstance(await seen(runtime, clock, job, after), Ended)


async def test_an_assistant_that_does_not_exist_is_told_in_the_servers_words(
    server: LangGraph, runtime: HttpAgents, clock: FakeClock
) -> None:
    job = job_of(server, clock, "Label the issues.")
    document = job.runtime.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["request"]["body"]["assistant_id"] = "nobody"
    other = replace(job, runtime=type(job.runtime).model_validate(document))
    end = await runtime.start(other, Recorder())
    assert isinstance(end, Ended)
    assert isinstance(end.outcome, Failed)
    assert end.outcome.reason is Reason.DISPATCH_FAILED
    assert "Invalid assistant: 'nobody'" in end.outcome.message


async def test_a_server_that_is_killed_goes_on_with_the_run_and_so_do_we(
    server: LangGraph, runtime: HttpAgents, clock: FakeClock
) -> None:
    job = job_of(server, clock, "WAIT")
    handle = await begun(runtime, job)
    await server.keep(job.run_id)
    server.kill()
    down = await seen(runtime, clock, job, handle, lambda now: now != Working())
    assert isinstance(down, Working)
    assert down.detail.startswith("it cannot be followed")
    server.start()
    go = server.folder / "go"
    go.touch()
    end = await seen(runtime, clock, job, handle, lambda now: isinstance(now, Ended))
    go.unlink()
    assert end == Ended(Completed("Done, allowed by nobody"))
    assert len(server.runs(job.run_id)) == 1
