"""A run as a signed request."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from reconciler.clock import SystemClock
from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.runtime import HttpRuntime
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.core.webhooks.ingress import verify
from reconciler.core.webhooks.outgoing import signed_headers
from reconciler.dispatch.base import (
    Ended,
    Handle,
    Job,
    Start,
    Started,
    Stopped,
    Stopping,
    TargetDown,
    Transient,
    Unseen,
    Working,
)
from reconciler.dispatch.http.runtime import HttpAgents, Patience
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import new_client
from tests.dispatch.builders import Recorder, a_job, poll
from tests.support.eventually import eventually_async
from tests.support.http_agent import HttpAgent

pytestmark = pytest.mark.anyio

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CALLBACK = "https://reconciler.example.org/v1/runs/x/complete"
RUN_ONLY = ExecutionMode.RUN_ONLY
CREATE = ExecutionMode.CREATE_SESSION


@pytest.fixture
def agent() -> Iterator[HttpAgent]:
    with HttpAgent() as agent:
        yield agent


@asynccontextmanager
async def runtime_with(**patience: float) -> AsyncIterator[HttpAgents]:
    async with new_client() as http:
        made = HttpAgents(
            http, Reach(own_port=8484), SystemClock(), Patience(**{"settle": 20.0} | patience)
        )
        yield made
        await made.close()


@pytest.fixture
async def runtime() -> AsyncIterator[HttpAgents]:
    async with runtime_with() as made:
        yield made


def job_for(agent: HttpAgent | str, **changes: Any) -> Job:
    url = agent if isinstance(agent, str) else agent.url
    spec = {"type": "http", "url": url} | changes.pop("spec", {})
    given = {"secret": SECRET, "callback_url": CALLBACK, "run_token": "rct_run_x"}
    return a_job(HttpRuntime.model_validate(spec), **given | changes)


async def test_a_session_is_accepted_and_reports_by_itself(
    runtime: HttpAgents, agent: HttpAgent
) -> None:
    job, recorder = job_for(agent, payload={"n": "ü"}), Recorder()
    handle = Handle(f"s-{job.run_id}", {"url": agent.url})
    assert await runtime.start(job, recorder) == Started(handle)
    assert recorder.handles == [handle]
    (request,) = agent.requests
    assert request.json() == {
        **job.run,
        "prompt": job.prompt,
        "callbackUrl": CALLBACK,
        "token": "rct_run_x",
    }
    assert await poll(runtime, job, handle) == Working()
    assert await runtime.release(job, handle) == Stopped()
    assert len(agent.requests) == 1, "an ended session is left alone"


async def test_a_request_is_signed_by_standard_webhooks(
    runtime: HttpAgents, agent: HttpAgent
) -> None:
    job = job_for(agent, headers={"X-Team": "core", "Authorization": "Bearer own"})
    await runtime.start(job, Recorder())
    (request,) = agent.requests
    assert Webhook(SECRET).verify(request.body, request.headers) == request.json()
    assert request.header("webhook-id") == request.header("idempotency-key") == job.run_id
    assert request.header("content-type") == "application/json"
    assert request.header("x-team") == "core"
    assert request.header("authorization") == "Bearer own"


async def test_without_a_secret_a_request_is_not_signed(
    runtime: HttpAgents, agent: HttpAgent
) -> None:
    await runtime.start(job_for(agent, secret=None), Recorder())
    assert agent.requests[0].header("webhook-signature") == ""
    assert agent.requests[0].header("idempotency-key")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(
            {"status": "completed", "result": {"n": 1}}, Completed({"n": 1}), id="completed"
        ),
        pytest.param({"status": "completed"}, Completed(None), id="completed, nothing to say"),
        pytest.param(
            {"status": "failed", "result": "no\naccess"},
            Failed(Reason.AGENT_FAILED, "the agent reports: no access", "no\naccess"),
            id="failed",
        ),
        pytest.param(
            {"status": "failed", "failureReason": "quota", "result": [1]},
            Failed(Reason.AGENT_FAILED, "the agent reports: quota", [1]),
            id="failed, with a reason",
        ),
        pytest.param(
            {"status": "failed"},
            Failed(Reason.AGENT_FAILED, "the agent reports that it failed"),
            id="failed, nothing to say",
        ),
    ],
)
@pytest.mark.parametrize("mode", [RUN_ONLY, CREATE], ids=["run_only", "create_session"])
async def test_an_answer_of_200_ends_the_run(
    runtime: HttpAgents, agent: HttpAgent, mode: ExecutionMode, answer: Any, expected: Any
) -> None:
    agent.answer(200, answer)
    job = job_for(agent, mode=mode)
    recorder = Recorder()
    assert await runtime.start(job, recorder) == Ended(expected)
    assert recorder.handles == []
    if mode is RUN_ONLY:
        assert "token" not in agent.requests[0].json(), "there is nothing to call back"


def refused(message: str) -> Ended:
    return Ended(Failed(Reason.DISPATCH_FAILED, message))


@pytest.mark.parametrize("mode", [RUN_ONLY, CREATE], ids=["run_only", "create_session"])
@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        pytest.param(
            503,
            {"detail": "full"},
            {"Retry-After": "7"},
            TargetDown("the agent answered 503: full", 7.0),
            id="full, with a time",
        ),
        pytest.param(
            429,
            b"",
            {},
            TargetDown("the agent answered 429", quota=True),
            id="limited, without a time",
        ),
        pytest.param(
            500, b"oops\n", {}, Transient("the agent answered 500: oops"), id="an error of its own"
        ),
        pytest.param(
            302,
            b"",
            {"Location": "http://127.0.0.1:1/"},
            refused("the agent answered 302; redirects are not followed"),
            id="a redirect",
        ),
        pytest.param(
            401,
            {"message": "who\x00are\nyou"},
            {},
            refused("the agent answered 401: who are you"),
            id="not allowed",
        ),
        pytest.param(
            408, b"", {}, Transient("the agent answered 408"), id="it did not take the request"
        ),
    ],
)
async def test_an_answer_that_starts_nothing(
    runtime: HttpAgents,
    agent: HttpAgent,
    mode: ExecutionMode,
    status: int,
    body: Any,
    headers: dict[str, str],
    expected: Start,
) -> None:
    agent.answer(status, body, headers)
    recorder = Recorder()
    assert await runtime.start(job_for(agent, mode=mode), recorder) == expected
    assert recorder.handles == []


@pytest.mark.parametrize(
    ("mode", "status", "body"),
    [
        pytest.param(CREATE, 202, {}, id="no session id"),
        pytest.param(CREATE, 202, {"sessionId": 7}, id="a number"),
        pytest.param(CREATE, 202, {"sessionId": "x" * 201}, id="too long"),
        pytest.param(CREATE, 202, {"sessionId": "a\nb"}, id="two lines"),
        pytest.param(CREATE, 200, {"claude_code_session_id": "s-1"}, id="a Claude routine"),
        pytest.param(CREATE, 201, {"id": "bc_1"}, id="another API's creation"),
        pytest.param(RUN_ONLY, 202, {"sessionId": "s"}, id="run_only, accepted"),
        pytest.param(RUN_ONLY, 200, {"status": "running"}, id="run_only, 200 that ends nothing"),
        pytest.param(RUN_ONLY, 200, b"[" * 100_000, id="run_only, nested nonsense"),
        pytest.param(RUN_ONLY, 204, b"", id="run_only, 204"),
        pytest.param(RUN_ONLY, 200, b"x" * (2 * 1024 * 1024), id="run_only, an endless answer"),
    ],
)
async def test_work_that_an_unknown_answer_may_have_begun_is_followed_and_stopped(
    runtime: HttpAgents, agent: HttpAgent, mode: ExecutionMode, status: int, body: Any
) -> None:
    """It is no refusal: nobody knows that nothing runs."""
    agent.answer(status, body)
    job, recorder = job_for(agent, mode=mode), Recorder()
    assert await runtime.start(job, recorder) == Started(recorder.last)
    seen = await poll(runtime, job, recorder.last)
    assert isinstance(seen, Working)
    assert "answered" in seen.detail
    async with runtime_with() as another:
        again = replace(job, attempt=2, handle=recorder.last)
        assert await another.start(again, Recorder()) == Started(recorder.last)
        assert await poll(another, job, recorder.last) == seen
    assert await runtime.stop(job, recorder.last) == Stopped()
    assert [request.method for request in agent.requests] == ["POST", "DELETE"]


async def test_an_agent_that_is_down_is_waited_for(runtime: HttpAgents) -> None:
    start = await runtime.start(job_for("http://127.0.0.1:9/runs?key=s3cret"), Recorder())
    assert isinstance(start, TargetDown)
    assert start.message.startswith("http://127.0.0.1:9 cannot be reached")
    assert "s3cret" not in start.message


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        pytest.param({"hold": True}, "did not answer within 0.2 s", id="no answer"),
        pytest.param({"cut": True}, "broke off", id="half an answer"),
        pytest.param({"status": 504}, "answered 504", id="a gateway that gave up"),
        pytest.param({"status": 409}, "answered 409", id="the first request is at work"),
    ],
)
async def test_an_answer_that_is_lost_is_asked_for_again_under_the_same_key(
    agent: HttpAgent, lost: dict[str, Any], expected: str
) -> None:
    create = 0.2 if "hold" in lost else 30.0
    job, recorder = job_for(agent), Recorder()
    answer: dict[str, Any] = {"status": 202, "body": {"sessionId": "s"}}
    agent.answer(**answer | lost)
    async with runtime_with(create=create, again=0.5) as runtime:
        assert await runtime.start(job, recorder) == Started(recorder.last)
        assert recorder.last == Handle(None, {"url": agent.url, "runId": job.run_id})
        seen = await poll(runtime, job, recorder.last)
        assert isinstance(seen, Working)
        assert expected in seen.detail

        async def repeated() -> bool:
            return job.run_id in agent.runs

        await eventually_async(repeated)
        assert isinstance(await poll(runtime, job, recorder.last), Working)
    keys = {(r.header("idempotency-key"), r.header("webhook-id")) for r in agent.requests}
    assert keys == {(job.run_id, job.run_id)}


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_once_work_may_have_begun_only_the_agents_own_word_ends_the_run(
    agent: HttpAgent, status: int
) -> None:
    job, recorder = job_for(agent, mode=RUN_ONLY), Recorder()
    agent.answer(200, {"status": "completed"}, cut=True)
    agent.answer(status, b"")
    agent.answer(200, {"status": "completed", "result": "late"})
    async with runtime_with(again=0.01) as runtime:
        assert isinstance(await runtime.start(job, recorder), Started)

        async def ended() -> bool:
            seen = await poll(runtime, job, recorder.last)
            return seen == Ended(Completed("late")) or not isinstance(seen, Working)

        await eventually_async(ended)
        assert await poll(runtime, job, recorder.last) == Ended(Completed("late"))
    assert len(agent.requests) == 3


async def test_a_run_that_was_asked_to_stop_is_not_posted_again(agent: HttpAgent) -> None:
    """An agent that has forgotten it would begin the work anew."""
    job, recorder = job_for(agent, mode=RUN_ONLY), Recorder()
    agent.answer(200, {"status": "completed"}, cut=True)
    agent.answer(202, b"")
    async with runtime_with(again=0.3) as runtime:
        await runtime.start(job, recorder)
        assert isinstance(await runtime.stop(job, recorder.last), Stopping)
        conversation = runtime._conversations[job.run_id]
        await asyncio.wait([conversation._task])
    assert [request.method for request in agent.requests] == ["POST", "DELETE"]


async def test_a_packed_answer_is_not_unpacked(runtime: HttpAgents, agent: HttpAgent) -> None:
    agent.answer(200, b"\x1f\x8b bomb", {"Content-Encoding": "gzip"})
    job, recorder = job_for(agent, mode=RUN_ONLY), Recorder()
    await runtime.start(job, recorder)
    seen = await poll(runtime, job, recorder.last)
    assert isinstance(seen, Working)
    assert "answered 200 and not" in seen.detail
    assert agent.requests[0].header("accept-encoding") == "identity"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(
            {"spec": {"url": "http://127.0.0.1.example.org/"}},
            "this server may not call http://127.0.0.1.example.org/: setting allowed_runtime_urls",
            id="a URL that the operator does not allow",
        ),
        pytest.param(
            {"spec": {"url": "http://127.0.0.1:8484/v1/apply"}},
            "this server may not call http://127.0.0.1:8484/v1/apply",
            id="the server's own API",
        ),
        pytest.param(
            {"spec": {"url": "http://me@127.0.0.1/"}}, "holds a user name", id="a user in the URL"
        ),
        pytest.param(
            {"headers": {"Host": "internal"}}, "may not set host", id="a header that redirects"
        ),
        pytest.param(
            {"headers": {"Webhook-Id": "1"}}, "may not set webhook-id", id="a header that forges"
        ),
        pytest.param(
            {"headers": {"X-A": "s3cret\r\nX-B: b"}},
            "header x-a cannot be sent",
            id="a header of two lines",
        ),
        pytest.param({"headers": {"X-A": "s3crét"}}, "header x-a cannot be sent", id="not ASCII"),
        pytest.param(
            {"secret": "whsec_s3cret!"}, "spec.runtime.secret is not base64", id="a bad secret"
        ),
        pytest.param({"payload": {1j}}, "cannot be written as JSON", id="a run that is not JSON"),
    ],
)
async def test_what_cannot_be_sent_fails_the_dispatch_and_tells_no_secret(
    runtime: HttpAgents, agent: HttpAgent, changes: dict[str, Any], expected: str
) -> None:
    start = await runtime.start(job_for(agent, **changes), Recorder())
    assert isinstance(start, Ended)
    assert isinstance(start.outcome, Failed)
    assert start.outcome.reason is Reason.DISPATCH_FAILED
    assert expected in start.outcome.message
    assert "s3cr" not in start.outcome.message
    assert agent.requests == []


async def arrived(agent: HttpAgent) -> bool:
    """Whether the agent has been asked: a start may stop waiting for it before that."""
    return bool(agent.requests)


async def test_a_long_request_runs_until_it_is_answered(agent: HttpAgent) -> None:
    agent.answer(200, {"status": "completed", "result": "late"}, hold=True)
    job, recorder = job_for(agent, mode=RUN_ONLY), Recorder()
    async with runtime_with(settle=0.05) as runtime:
        started = await runtime.start(job, recorder)
        assert started == Started(Handle(None, {"url": agent.url, "runId": job.run_id}))
        assert recorder.handles == [recorder.last]
        assert await poll(runtime, job, recorder.last) == Working()
        agent.release()

        async def ended() -> bool:
            return await poll(runtime, job, recorder.last) == Ended(Completed("late"))

        await eventually_async(ended)
        assert await ended(), "told again until it is released"
        await runtime.release(job, recorder.last)
    assert len(agent.requests) == 1


async def test_a_request_outlasts_the_deadline_so_that_the_run_is_stopped_and_not_ended(
    agent: HttpAgent,
) -> None:
    agent.answer(200, {"status": "completed"}, hold=True)
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    job, recorder = job_for(agent, mode=RUN_ONLY, deadline=soon), Recorder()
    async with runtime_with(settle=0.5) as runtime:
        assert isinstance(await runtime.start(job, recorder), Started)
        await eventually_async(lambda: arrived(agent))
        assert datetime.now(UTC) > soon
        assert await poll(runtime, job, recorder.last) == Working()
        assert await runtime.stop(job, recorder.last) == Stopped()
    assert [request.method for request in agent.requests] == ["POST", "DELETE"]


async def test_a_record_that_fails_closes_the_request(agent: HttpAgent) -> None:
    async def record(_handle: Handle) -> None:
        raise LookupError

    agent.answer(200, {"status": "completed"}, hold=True)
    job = job_for(agent, mode=RUN_ONLY)
    async with runtime_with(settle=0.05) as runtime:
        with pytest.raises(LookupError):
            await runtime.start(job, record)
        assert runtime._conversations == {}


async def test_the_next_server_posts_an_open_request_again_under_the_same_key(
    agent: HttpAgent,
) -> None:
    job, recorder = job_for(agent, mode=RUN_ONLY), Recorder()
    agent.answer(200, {"status": "completed"}, hold=True)

    async with runtime_with(settle=0.05) as first:
        await first.start(job, recorder)
        await eventually_async(lambda: arrived(agent))
    async with runtime_with() as second:
        assert isinstance(await poll(second, job, recorder.last), Unseen)
        start = await second.start(replace(job, attempt=2, handle=recorder.last), recorder)
    assert start == Ended(Completed({"labelled": 3}))
    assert {r.header("idempotency-key") for r in agent.requests} == {job.run_id}


async def test_the_next_server_waits_for_an_accepted_session(
    runtime: HttpAgents, agent: HttpAgent
) -> None:
    handle = Handle("s-1", {"url": agent.url})
    job = replace(job_for(agent), attempt=2, handle=handle)
    assert await runtime.start(job, Recorder()) == Started(handle)
    assert agent.requests == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(200, Stopped(), id="stopped"),
        pytest.param(204, Stopped(), id="stopped, nothing to say"),
        pytest.param(410, Stopped(), id="gone already"),
        pytest.param(202, Stopping("the agent is stopping it"), id="under way"),
        pytest.param(
            404,
            Stopping("the agent answered 404 to DELETE: it cannot be asked to stop a run"),
            id="404 may be said by one that knows no DELETE",
        ),
        pytest.param(
            405,
            Stopping("the agent answered 405 to DELETE: it cannot be asked to stop a run"),
            id="no such method",
        ),
        pytest.param(
            500,
            Stopping("the agent answered 500 to DELETE, which proves nothing"),
            id="an error of its own",
        ),
    ],
)
async def test_stopping_is_asked_by_delete_and_proven_by_its_answer(
    runtime: HttpAgents, agent: HttpAgent, status: int, expected: Stopped | Stopping
) -> None:
    job = job_for(agent, spec={"url": f"{agent.url}/?team=core"})
    agent.answer(status, b"")
    assert await runtime.stop(job, Handle("s-1", {})) == expected
    (request,) = agent.requests
    assert (request.method, request.path) == ("DELETE", f"/runs/{job.run_id}?team=core")
    assert request.header("webhook-id") == f"cancel-{job.run_id}"
    assert verify("standard", [SECRET], request.headers, b"", datetime.now(UTC))


async def test_an_open_request_is_closed_only_on_proof(agent: HttpAgent) -> None:
    agent.answer(200, {"status": "completed"}, hold=True)
    job, recorder = job_for(agent, mode=RUN_ONLY), Recorder()
    async with runtime_with(settle=0.05) as runtime:
        await runtime.start(job, recorder)
        await eventually_async(lambda: arrived(agent))
        agent.answer(405, b"")
        assert isinstance(await runtime.stop(job, recorder.last), Stopping)
        agent.answer(200, b"")
        assert await runtime.stop(job, recorder.last) == Stopped()


async def test_an_agent_that_is_down_proves_nothing(runtime: HttpAgents) -> None:
    stop = await runtime.stop(job_for("http://127.0.0.1:9/"), Handle("s-1", {}))
    assert isinstance(stop, Stopping)


def test_the_signature_of_the_specification() -> None:
    """Standard Webhooks, the example of its reference libraries."""
    body = json.dumps({"test": 2432232314}, separators=(",", ": ")).encode()
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signed_headers(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
