"""A run at an API that is not ours: sent once, followed by templates, stopped on the API's word."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from reconciler.control.evaluation.evaluator import Evaluator
from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.runtime import HttpRuntime
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.core.runs.usage import Usage
from reconciler.dispatch.base import (
    Ended,
    Handle,
    Job,
    NeedsApproval,
    Observation,
    Start,
    Started,
    Stopped,
    Stopping,
    TargetDown,
    Working,
)
from reconciler.dispatch.http.api.runtime import ApiPatience
from reconciler.dispatch.http.runtime import HttpAgents
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import new_client
from tests.dispatch.builders import PROMPT, Recorder, a_job, poll
from tests.support.clock import FakeClock
from tests.support.eventually import eventually_async
from tests.support.http_agent import HttpAgent

pytestmark = pytest.mark.anyio

WAITS = ApiPatience(settle=20.0, search=(0.0, 0.0), ask=20.0)
"""What answers at once answers within these on a busy machine, too."""
HELD = "it may be at work, and is held until its deadline"
STATUS = (
    'answer.status == "finished" ? "completed" : answer.status == "error" ? "failed" : '
    'answer.status == "blocked" ? "waiting" : answer.status'
)


@pytest.fixture
def api() -> Iterator[HttpAgent]:
    with HttpAgent() as made:
        yield made


@asynccontextmanager
async def opened(
    evaluator: Evaluator, clock: FakeClock, waits: ApiPatience = WAITS
) -> AsyncIterator[HttpAgents]:
    async with new_client() as http:
        made = HttpAgents(
            http,
            Reach(own_port=8484),
            clock,
            evaluate=evaluator.values,
            api_patience=waits,
        )
        yield made
        await made.close()


@pytest.fixture
async def runtime(evaluator: Evaluator, clock: FakeClock) -> AsyncIterator[HttpAgents]:
    async with opened(evaluator, clock) as made:
        yield made


def spec_of(api: HttpAgent, **fields: Any) -> dict[str, Any]:
    """A runtime that follows; a field given as `...` is left out."""
    base = api.url.removesuffix("/runs")
    spec: dict[str, Any] = {
        "type": "http",
        "url": f"{base}/sessions",
        "headers": {"Authorization": "Bearer key"},
        "request": {
            "body": {"prompt": "{{ prompt }}", "tags": ["{{ run.id }}"]},
            "handle": {"id": "answer.session_id", "url": "answer.url"},
        },
        "follow": {
            "url": base + "/sessions/{{ handle.id }}",
            "every": "10s",
            "status": STATUS,
            "result": "answer.output",
        },
        "cancel": {"method": "DELETE", "url": base + "/sessions/{{ handle.id }}"},
        "find": {
            "url": base + "/sessions?tag={{ run.id }}",
            "handle": {"id": "answer.items[0].session_id", "url": "answer.items[0].url"},
        },
    }
    merged = {
        **spec,
        **{k: {**spec.get(k, {}), **v} if isinstance(v, dict) else v for k, v in fields.items()},
    }
    return {key: value for key, value in merged.items() if value is not ...}


def job_on(api: HttpAgent, clock: FakeClock, **changes: Any) -> Job:
    spec = HttpRuntime.model_validate(spec_of(api, **changes.pop("spec", {})))
    headers = {"headers": {"Authorization": "Bearer key"}}
    deadline = {"deadline": clock.now().replace(year=clock.now().year + 1)}
    return a_job(spec, **{**headers, **deadline, **changes})


CREATED = {"session_id": "s 1/2", "url": "https://app.example.org/s1"}
KEPT = {"id": "s 1/2", "url": "https://app.example.org/s1"}


async def begun(runtime: HttpAgents, api: HttpAgent, job: Job) -> Handle:
    api.answer(200, CREATED)
    started = await runtime.start(job, Recorder())
    assert isinstance(started, Started)
    api.requests.clear()
    return started.handle


async def seen_after(
    runtime: HttpAgents, clock: FakeClock, job: Job, handle: Handle
) -> Observation:
    """What is known once the question of this moment was answered."""
    await poll(runtime, job, handle)
    follower = runtime._apis._followers[job.run_id]
    assert follower._task is not None
    await follower._task
    clock.advance(seconds=10)
    return follower.seen


async def test_the_handle_is_recorded_before_anything_else(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job, recorder = job_on(api, clock), Recorder()
    api.answer(201, CREATED)
    expected = Handle("s 1/2", {"url": job.runtime.url, "handle": KEPT})  # type: ignore[union-attr]
    assert await runtime.start(job, recorder) == Started(expected)
    assert recorder.handles == [expected]
    (request,) = api.requests
    assert (request.method, request.path) == ("POST", "/sessions")
    assert request.json() == {"prompt": PROMPT, "tags": [job.run_id]}
    assert request.header("authorization") == "Bearer key"
    assert request.header("content-type") == "application/json"
    assert request.header("idempotency-key") == job.run_id


async def test_work_is_followed_to_its_end(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock)
    handle = await begun(runtime, api, job)
    api.answer(200, {"status": "running"})
    assert await seen_after(runtime, clock, job, handle) == Working()
    api.answer(200, {"status": "blocked"})
    waits = NeedsApproval("the agent waits for a person", f"at {KEPT['url']}")
    assert await seen_after(runtime, clock, job, handle) == waits
    api.answer(200, {"status": "finished", "output": {"pr": 7}})
    assert await seen_after(runtime, clock, job, handle) == Ended(Completed({"pr": 7}))
    assert [request.path for request in api.requests] == ["/sessions/s%201%2F2"] * 3
    assert api.requests[0].header("authorization") == "Bearer key"


async def test_what_the_work_uses_is_read_while_it_works_and_at_its_end(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    usage = '{"costUsd": double(answer.acus) * 2.0, "turns": answer.turns}'
    job = job_on(api, clock, spec={"follow": {"usage": usage}})
    handle = await begun(runtime, api, job)
    api.answer(200, {"status": "running", "acus": None})
    assert await seen_after(runtime, clock, job, handle) == Working()
    api.answer(200, {"status": "running", "acus": 0.25, "turns": 2})
    half = Usage(cost_micros=500_000, turns=2)
    assert await seen_after(runtime, clock, job, handle) == Working(usage=half)
    api.answer(200, {"status": "finished", "output": 1, "acus": 0.5, "turns": -1})
    ended = await seen_after(runtime, clock, job, handle)
    assert isinstance(ended, Ended)
    note = "the usage that the agent reported is ignored: turns must be from 0 to 1000000000000"
    assert ended.outcome == Completed(1, note=note)


async def test_a_session_that_brings_all_that_was_said_can_be_followed(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock)
    handle = await begun(runtime, api, job)
    said = [{"text": "x" * 1000} for _ in range(3000)]
    api.answer(200, {"status": "finished", "output": "Done.", "messages": said})
    assert await seen_after(runtime, clock, job, handle) == Ended(Completed("Done."))


async def test_an_api_is_asked_no_more_often_than_every(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock)
    handle = await begun(runtime, api, job)
    api.answer(200, {"status": "running"})
    await seen_after(runtime, clock, job, handle)
    clock.advance(seconds=-1)
    for _ in range(5):
        assert await poll(runtime, job, handle) == Working()
    assert len(api.requests) == 1


UNKIND = [
    pytest.param(200, b"<html>Maintenance</html>", {}, "did not answer JSON", id="a page"),
    pytest.param(404, {"error": "no such session"}, {}, "404: no such session", id="404"),
    pytest.param(500, b"<html>", {}, "the API answered 500", id="500"),
    pytest.param(
        302, b"", {"Location": "http://127.0.0.1/"}, "redirects are not followed", id="moved"
    ),
    pytest.param(200, b"\x1f\x8b", {"Content-Encoding": "gzip"}, "packed (gzip)", id="packed"),
    pytest.param(200, {"state": "done"}, {}, "follow.status cannot be evaluated", id="no status"),
    pytest.param(200, {"status": "done"}, {}, "follow.status gave 'done'", id="an unknown status"),
    pytest.param(200, [1], {}, "follow.status cannot be evaluated", id="a list"),
]


@pytest.mark.parametrize(("status", "body", "headers", "note"), UNKIND)
async def test_what_is_no_clear_word_of_the_api_ends_nothing(
    runtime: HttpAgents,
    api: HttpAgent,
    clock: FakeClock,
    status: int,
    body: Any,
    headers: dict[str, str],
    note: str,
) -> None:
    job = job_on(api, clock)
    handle = await begun(runtime, api, job)
    api.answer(status, body, headers)
    seen = await seen_after(runtime, clock, job, handle)
    assert isinstance(seen, Working)
    assert note in seen.detail
    api.answer(200, {"status": "error", "message": "no access", "output": None})
    failed = Failed(Reason.AGENT_FAILED, "the API reports: no access")
    assert await seen_after(runtime, clock, job, handle) == Ended(failed)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        pytest.param({"message": "no access"}, "the API reports: no access", id="a message"),
        pytest.param({"error": "no access"}, "the API reports: no access", id="an error"),
        pytest.param(
            {"error": {"message": "no access", "error": "E"}},
            "the API reports: no access",
            id="an error with a message",
        ),
        pytest.param({"error": {"code": 7}}, "the API reports: error", id="an error without"),
    ],
)
async def test_why_work_failed_is_told_in_the_words_of_its_api(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock, answer: dict[str, Any], sentence: str
) -> None:
    job = job_on(api, clock)
    handle = await begun(runtime, api, job)
    api.answer(200, {"status": "error", "output": None, **answer})
    failed = Failed(Reason.AGENT_FAILED, sentence)
    assert await seen_after(runtime, clock, job, handle) == Ended(failed)


async def test_an_api_that_asks_to_be_left_alone_is(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock)
    handle = await begun(runtime, api, job)
    api.answer(429, b"", {"Retry-After": "120"})
    await seen_after(runtime, clock, job, handle)
    for _ in range(10):
        await poll(runtime, job, handle)
        clock.advance(seconds=10)
    assert len(api.requests) == 1


async def test_an_answer_that_is_slow_holds_up_no_round(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock)
    handle = await begun(runtime, api, job)
    api.answer(200, {"status": "finished", "output": 1}, hold=True)
    for _ in range(3):
        assert await asyncio.wait_for(poll(runtime, job, handle), 60) == Working()
        clock.advance(seconds=10)
    api.release()

    async def ended() -> bool:
        return await poll(runtime, job, handle) == Ended(Completed(1))

    await eventually_async(ended)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(429, TargetDown("the API answered 429", 7, quota=True), id="full"),
        pytest.param(503, TargetDown("the API answered 503", 7), id="down"),
        pytest.param(
            401, Ended(Failed(Reason.DISPATCH_FAILED, "the API answered 401")), id="refused"
        ),
        pytest.param(
            307,
            Ended(
                Failed(Reason.DISPATCH_FAILED, "the API answered 307; redirects are not followed")
            ),
            id="sent elsewhere",
        ),
    ],
)
async def test_an_api_that_takes_nothing(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock, status: int, expected: Start
) -> None:
    recorder = Recorder()
    api.answer(status, b"", {"Retry-After": "7", "Location": "http://127.0.0.1:1/"})
    assert await runtime.start(job_on(api, clock), recorder) == expected
    assert (len(api.requests), recorder.handles) == (1, [])


async def test_nobody_listens(runtime: HttpAgents, api: HttpAgent, clock: FakeClock) -> None:
    job = job_on(api, clock, spec={"url": "http://127.0.0.1:9/sessions"})
    assert isinstance(await runtime.start(job, Recorder()), TargetDown)


LOST = [
    pytest.param({"status": 200, "body": CREATED, "cut": True}, id="the answer broke off"),
    pytest.param({"status": 502}, id="a gateway lost it"),
    pytest.param({"status": 500, "body": b"<html>"}, id="the API broke"),
    pytest.param({"status": 200, "body": b"<html>Log in</html>"}, id="a page"),
    pytest.param({"status": 201, "body": {"id": "other"}}, id="an answer without the handle"),
    pytest.param({"status": 201, "body": {"session_id": None, "url": "x"}}, id="a handle of null"),
]


@pytest.mark.parametrize("answer", LOST)
async def test_a_creation_whose_answer_was_lost_is_found_and_never_sent_again(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock, answer: dict[str, Any]
) -> None:
    job, recorder = job_on(api, clock), Recorder()
    api.answer(**answer)
    api.answer(503)
    api.answer(200, {"items": [CREATED]})
    started = await runtime.start(job, recorder)
    assert isinstance(started, Started)
    assert started.handle.detail["handle"] == KEPT
    assert recorder.handles == [started.handle]
    assert [request.method for request in api.requests] == ["POST", "GET", "GET"]
    assert api.requests[1].path == f"/sessions?tag={job.run_id}"


async def test_what_the_api_does_not_know_was_lost(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    api.answer(504, b"")
    api.answer(200, {"items": []})
    api.answer(200, {"items": []})
    result = await runtime.start(job_on(api, clock), Recorder())
    why = "the API answered 504, and spec.runtime.find knows nothing of the run"
    assert result == Ended(Failed(Reason.LOST, why))
    assert [request.method for request in api.requests] == ["POST", "GET", "GET"]


async def test_without_find_a_lost_creation_is_held_and_stopped_by_nothing(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock, spec={"find": ...})
    api.answer(504, b"")
    started = await runtime.start(job, Recorder())
    assert isinstance(started, Started)
    assert await poll(runtime, job, started.handle) == Working(f"the API answered 504: {HELD}")
    assert isinstance(await runtime.stop(job, started.handle), Stopping)
    again = replace(job, attempt=2, handle=started.handle)
    assert await runtime.start(again, Recorder()) == started
    assert [request.method for request in api.requests] == ["POST"]


async def test_after_a_crash_before_the_answer_the_work_is_found(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock, attempt=2, unsure=True)
    api.answer(200, {"items": [CREATED]})
    started = await runtime.start(job, Recorder())
    assert isinstance(started, Started)
    assert started.handle.session_id == "s 1/2"
    assert [request.method for request in api.requests] == ["GET"]


async def test_another_server_follows_what_was_recorded(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock, evaluator: Evaluator
) -> None:
    job = job_on(api, clock)
    handle = await begun(runtime, api, job)
    async with opened(evaluator, clock) as other:
        again = replace(job, attempt=2, handle=handle)
        assert await other.start(again, Recorder()) == Started(handle)
        api.answer(200, {"status": "finished", "output": 1})
        assert await seen_after(other, clock, again, handle) == Ended(Completed(1))
    assert [request.method for request in api.requests] == ["GET"]


async def test_stopped_is_what_the_api_says_is_over(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock)
    handle = await begun(runtime, api, job)
    for body in ({"status": "running"}, {}, {"status": "running"}, {"status": "running"}):
        api.answer(200, body)
    stopping = Stopping("it was asked to stop, and the API still shows it at work")
    assert await runtime.stop(job, handle) == stopping
    assert [request.method for request in api.requests] == ["GET", "DELETE", "GET", "GET"]
    api.answer(200, {"status": "running"})
    assert isinstance(await runtime.stop(job, handle), Stopping)
    assert [r.method for r in api.requests][4:] == ["GET"], "it is not asked again at once"
    api.answer(200, {"status": "error", "output": "half"})
    assert await runtime.stop(job, handle) == Stopped("half")


async def test_what_is_not_proven_to_have_stopped_is_told_by_what_the_api_said(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock)
    handle = await begun(runtime, api, job)
    for body in ({"status": 7}, {}, {"status": 7}, {"status": 7}):
        api.answer(200, body)
    stop = await runtime.stop(job, handle)
    assert isinstance(stop, Stopping)
    assert "follow.status gave '7'" in stop.message
    assert "at work" not in stop.message


async def test_the_place_of_an_answer_is_one_line(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock)
    api.answer(201, {**CREATED, "url": "https://example.org/\x1b[2J\nagain"})
    started = await runtime.start(job, Recorder())
    assert isinstance(started, Started)
    api.answer(200, {"status": "blocked"})

    async def asks() -> NeedsApproval | None:
        seen = await poll(runtime, job, started.handle)
        return seen if isinstance(seen, NeedsApproval) else None

    asked = await eventually_async(asks)
    assert asked is not None
    assert asked.answer_at == "at https://example.org/ [2J again"


async def test_work_that_goes_by_the_runs_own_id_needs_no_handle(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    base = api.url.removesuffix("/runs")
    spec = {
        "request": {"handle": {}},
        "follow": {"url": base + "/jobs/{{ run.id }}", "result": None},
        "cancel": {"method": "DELETE", "url": base + "/jobs/{{ run.id }}"},
        "find": ...,
    }
    job = job_on(api, clock, spec=spec)
    handle = await begun(runtime, api, job)
    api.answer(200, {"status": "running"})
    assert await seen_after(runtime, clock, job, handle) == Working()
    for answer in ({"status": "running"}, {}, {"status": "error"}):
        api.answer(200, answer)
    assert await runtime.stop(job, handle) == Stopped({"status": "error"})
    assert {request.path for request in api.requests} == {f"/jobs/{job.run_id}"}


async def test_what_was_deleted_and_is_gone_has_stopped(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock)
    handle = await begun(runtime, api, job)
    api.answer(200, {"status": "running"})
    api.answer(204)
    api.answer(404)
    api.answer(404)
    assert await runtime.stop(job, handle) == Stopped()


async def test_a_404_alone_proves_nothing(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock)
    handle = await begun(runtime, api, job)
    api.answer(404)
    api.answer(404)
    assert await runtime.stop(job, handle) == Stopping("the API answered 404 to DELETE")


@pytest.mark.parametrize("status", [404, 409])
async def test_work_that_waits_for_a_person_has_stopped_where_there_is_nothing_to_stop(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock, status: int
) -> None:
    job = job_on(api, clock)
    handle = await begun(runtime, api, job)
    for word, stop in (
        ("running", Stopping(f"the API answered {status} to DELETE")),
        ("blocked", Stopped()),
    ):
        clock.advance(hours=1)
        api.answer(200, {"status": word})
        api.answer(status)
        api.answer(200, {"status": word})
        assert await runtime.stop(job, handle) == stop


async def test_an_api_that_cannot_stop_says_so(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock, spec={"cancel": ...})
    handle = await begun(runtime, api, job)
    api.answer(200, {"status": "running"})
    stop = await runtime.stop(job, handle)
    assert isinstance(stop, Stopping)
    assert "spec.runtime has no cancel" in stop.message


async def test_a_cancelled_run_between_two_servers_is_found_and_stopped(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock, attempt=2, unsure=True)
    api.answer(200, {"items": [CREATED]})
    api.answer(200, {"status": "finished", "output": 1})
    assert await runtime.release(job, None) == Stopped(1)
    api.answer(200, {"items": []})
    assert await runtime.release(job, None) == Stopped()
    api.answer(500)
    assert isinstance(await runtime.release(job, None), Stopping)
    assert await runtime.release(replace(job, unsure=False), None) == Stopped()


RESPONSE = {
    "request": {"done": "response", "handle": {}},
    "follow": ...,
    "find": ...,
    "cancel": ...,
}


@pytest.mark.parametrize("mode", ExecutionMode)
@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(200, {"n": 1}, Completed({"n": 1}), id="JSON"),
        pytest.param(
            200,
            {"usage": {"turns": 3}},
            Completed({"usage": {"turns": 3}}, Usage(turns=3)),
            id="JSON that tells its usage",
        ),
        pytest.param(200, b"done", Completed("done"), id="text"),
        pytest.param(204, b"", Completed(), id="nothing"),
        pytest.param(
            500,
            {"message": "node failed"},
            Failed(
                Reason.AGENT_FAILED,
                "the API answered 500: node failed",
                {"message": "node failed"},
            ),
            id="the work failed",
        ),
        pytest.param(
            404, b"", Failed(Reason.DISPATCH_FAILED, "the API answered 404"), id="refused"
        ),
    ],
)
async def test_an_answer_that_is_the_end(
    runtime: HttpAgents,
    api: HttpAgent,
    clock: FakeClock,
    mode: ExecutionMode,
    status: int,
    body: Any,
    expected: Completed | Failed,
) -> None:
    job = job_on(api, clock, spec=RESPONSE, mode=mode)
    api.answer(status, body)
    assert await runtime.start(job, Recorder()) == Ended(expected)


async def test_a_late_answer_ends_the_run(
    evaluator: Evaluator, api: HttpAgent, clock: FakeClock
) -> None:
    job, recorder = job_on(api, clock, spec=RESPONSE), Recorder()
    api.answer(200, {"n": 1}, hold=True)
    async with opened(evaluator, clock, replace(WAITS, settle=0.1)) as runtime:
        started = await runtime.start(job, recorder)
        assert isinstance(started, Started)
        assert recorder.handles == [started.handle]
        assert await poll(runtime, job, started.handle) == Working()
        api.release()

        async def ended() -> bool:
            return await poll(runtime, job, started.handle) == Ended(Completed({"n": 1}))

        await eventually_async(ended)
        assert await runtime.stop(job, started.handle) == Stopped({"n": 1})
    assert [request.method for request in api.requests] == ["POST"]


async def test_a_lost_answer_does_not_end_the_run(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock, spec=RESPONSE)
    api.answer(200, b"x", cut=True)
    lost = await runtime.start(job, Recorder())
    assert isinstance(lost, Started)
    seen = await poll(runtime, job, lost.handle)
    assert isinstance(seen, Working)
    assert HELD in seen.detail
    assert [request.method for request in api.requests] == ["POST"]


async def test_an_answer_that_another_server_waited_for_is_never_asked_for_again(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(api, clock, spec=RESPONSE)
    handle = Handle(None, {"url": "x", "runId": job.run_id})
    again = replace(job, attempt=2, handle=handle)
    assert await runtime.start(again, Recorder()) == Started(handle)
    seen = await poll(runtime, again, handle)
    assert isinstance(seen, Working)
    assert "another server process" in seen.detail
    assert isinstance(await runtime.stop(again, handle), Stopping)
    assert api.requests == []


ACCEPTED = {"request": {"done": "accepted"}, "follow": ..., "cancel": ...}


async def test_what_is_handed_over_is_completed_and_shows_where_it_went(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    recorder = Recorder()
    api.answer(200, CREATED)
    result = await runtime.start(job_on(api, clock, spec=ACCEPTED), recorder)
    assert result == Ended(Completed(KEPT))
    assert recorder.last.session_id == "s 1/2"
    api.answer(202, b"queued")
    assert await runtime.start(job_on(api, clock, spec=ACCEPTED), Recorder()) == Ended(
        Completed("queued")
    )


async def test_what_was_handed_over_and_not_answered_is_found(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    api.answer(502)
    api.answer(200, {"items": [CREATED]})
    result = await runtime.start(job_on(api, clock, spec=ACCEPTED), Recorder())
    assert result == Ended(Completed(KEPT))
    assert [request.method for request in api.requests] == ["POST", "GET"]


async def test_without_a_body_the_run_is_sent_and_never_its_token(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    job = job_on(
        api,
        clock,
        spec={**RESPONSE, "request": {"done": "response", "handle": {}, "body": None}},
        callback_url="http://127.0.0.1/complete",
        run_token="rct_run_x",
        payload={"n": 1},
    )
    api.answer(200, {})
    await runtime.start(job, Recorder())
    assert api.requests[0].json() == {**job.run, "prompt": PROMPT}


async def test_what_a_payload_brings_changes_no_address_and_no_body(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    base = api.url.removesuffix("/runs")
    spec = {
        **RESPONSE,
        "url": base + "/{{ run.payload.ref }}/x",
        "request": {
            "done": "response",
            "handle": {},
            "body": '{"ref": "{{ run.payload.ref }}"}',
            "headers": {"X-Ref": "{{ run.payload.safe }}"},
        },
    }
    hostile = '../../admin?x=1#"}, "admin": true, {"a": "'
    job = job_on(api, clock, spec=spec, payload={"ref": hostile, "safe": "main"})
    api.answer(200, {})
    await runtime.start(job, Recorder())
    (request,) = api.requests
    assert request.path.startswith("/..%2F..%2Fadmin%3Fx%3D1%23%22")
    assert request.json() == {"ref": hostile}
    assert request.header("x-ref") == "main"
    for payload in (
        {"ref": "..", "safe": "x"},
        {"ref": "a", "safe": "x\r\nX-Admin: 1"},
        {"safe": "x"},
    ):
        refused = await runtime.start(job_on(api, clock, spec=spec, payload=payload), Recorder())
        assert isinstance(refused, Ended)
        assert isinstance(refused.outcome, Failed)
        assert refused.outcome.reason is Reason.DISPATCH_FAILED
    assert len(api.requests) == 1


async def test_a_secret_of_the_manifest_is_no_template(
    runtime: HttpAgents, api: HttpAgent, clock: FakeClock
) -> None:
    spec = {
        **RESPONSE,
        "request": {
            "done": "response",
            "handle": {},
            "headers": {"X-Key": {"env": "AUTOPILOT_SECRET_PLATFORM__KEY"}},
        },
    }
    job = job_on(api, clock, spec=spec, own_headers={"X-Key": "{{ prompt }}"})
    api.answer(200, {})
    await runtime.start(job, Recorder())
    assert api.requests[0].header("x-key") == "{{ prompt }}"


async def test_an_address_is_admitted_as_it_is_called(
    evaluator: Evaluator, api: HttpAgent, clock: FakeClock
) -> None:
    async with new_client() as http:
        strict = HttpAgents(
            http,
            Reach((f"{api.url.removesuffix('/runs')}/sessions",)),
            clock,
            evaluate=evaluator.values,
            api_patience=WAITS,
        )
        job = job_on(api, clock, spec={"follow": {"url": api.url + "/{{ handle.id }}"}})
        handle = await begun(strict, api, job)
        seen = await seen_after(strict, clock, job, handle)
        await strict.close()
    assert isinstance(seen, Working)
    assert "allowed_runtime_urls" in seen.detail
    assert api.requests == []
