"""A run as a task of a real A2A server: each protocol and binding, crashes, and lost answers."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from reconciler.clock import SystemClock
from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.manifest.runtime import A2aRuntime
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.core.runs.usage import Usage
from reconciler.dispatch.a2a.runtime import A2aPatience, A2aTasks
from reconciler.dispatch.base import (
    Answered,
    Ended,
    Handle,
    Hints,
    Job,
    NeedsApproval,
    NotAnswered,
    Observation,
    Started,
    Stopped,
    Stopping,
    TargetDown,
    Transient,
    Unseen,
    Working,
    Written,
)
from reconciler.dispatch.reach import Reach
from reconciler.dispatch.wire import new_client
from tests.dispatch.builders import Recorder, a_job, poll
from tests.support.a2a_agent import V03, V1, A2aAgent
from tests.support.eventually import eventually_async
from tests.support.http_agent import HttpAgent

pytestmark = pytest.mark.anyio

WAITS = A2aPatience(settle=20.0, ask=20.0, every=0.05, search=(0.05, 0.05))
KINDS = [(binding, version) for binding in ("JSONRPC", "HTTP+JSON") for version in (V1, V03)]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: " ".join(kind))
def every_kind(request: pytest.FixtureRequest) -> Iterator[A2aAgent]:
    """A server of each binding and protocol."""
    binding, version = request.param
    with A2aAgent(binding, version) as agent:
        yield agent


@pytest.fixture(scope="module")
def shared() -> Iterator[A2aAgent]:
    with A2aAgent() as agent:
        yield agent


@pytest.fixture
def own() -> Iterator[A2aAgent]:
    """A server that a test may kill."""
    with A2aAgent() as agent:
        yield agent


@asynccontextmanager
async def opened(**waits: Any) -> AsyncIterator[A2aTasks]:
    async with new_client() as http:
        made = A2aTasks(
            http, Reach(own_port=8484), SystemClock(), lambda: None, replace(WAITS, **waits)
        )
        yield made
        await made.close()


@pytest.fixture
async def runtime() -> AsyncIterator[A2aTasks]:
    async with opened() as made:
        yield made


def job_on(agent: A2aAgent | str, prompt: str, **changes: Any) -> Job:
    url = agent if isinstance(agent, str) else agent.url
    return a_job(A2aRuntime(type="a2a", url=url), prompt=prompt, **changes)


async def begun(runtime: A2aTasks, job: Job) -> Handle:
    recorder = Recorder()
    started = await runtime.start(job, recorder)
    assert isinstance(started, Started), started
    assert recorder.last == started.handle
    return started.handle


async def until(
    runtime: A2aTasks, job: Job, handle: Handle, kind: type[Observation]
) -> Observation:
    async def seen() -> Observation | None:
        observation = await poll(runtime, job, handle)
        return observation if isinstance(observation, kind) else None

    observation = await eventually_async(seen)
    assert observation is not None
    return observation


ENDS = [
    pytest.param(
        "complete",
        Completed("Labelled 3 issues.", Usage(cost_micros=250_000, input_tokens=100)),
        id="completed",
    ),
    pytest.param("data", Completed({"labelled": 3}), id="data"),
    pytest.param(
        "fail",
        Failed(Reason.AGENT_FAILED, "the agent reports that it failed: no access", "no access"),
        id="failed",
    ),
    pytest.param(
        "reject",
        Failed(
            Reason.AGENT_FAILED, "the agent rejected the task: not my business", "not my business"
        ),
        id="rejected",
    ),
    pytest.param(
        "crash",
        Failed(Reason.AGENT_FAILED, "the agent reports that it failed"),
        id="its executor has a bug",
    ),
]


@pytest.mark.parametrize(("prompt", "outcome"), ENDS)
async def test_a_task_is_followed_to_its_end(
    runtime: A2aTasks, every_kind: A2aAgent, prompt: str, outcome: Completed | Failed
) -> None:
    job = job_on(every_kind, prompt)
    handle = await begun(runtime, job)
    assert handle.session_id == handle.detail["taskId"]
    assert await until(runtime, job, handle, Ended) == Ended(outcome)
    assert every_kind.executions().count(job.run_id) == 1


@pytest.mark.parametrize("mode", ExecutionMode)
async def test_a_message_as_the_answer_ends_the_run(
    runtime: A2aTasks, every_kind: A2aAgent, mode: ExecutionMode
) -> None:
    job = job_on(every_kind, "message", mode=mode)
    assert await runtime.start(job, Recorder()) == Ended(Completed("Nothing to do."))


async def test_a_message_that_takes_long_ends_the_run_later(every_kind: A2aAgent) -> None:
    async with opened() as runtime:
        await runtime.start(job_on(every_kind, "message"), Recorder())  # its card is known
        runtime._patience = replace(WAITS, settle=0.2)
        job = job_on(every_kind, "message")
        every_kind.freeze()
        try:
            handle = await begun(runtime, job)
            assert handle.session_id is None
            assert await poll(runtime, job, handle) == Working()
        finally:
            every_kind.thaw()
        assert await until(runtime, job, handle, Ended) == Ended(Completed("Nothing to do."))
    assert every_kind.executions().count(job.run_id) == 1


async def test_a_question_is_shown_and_answered_once(
    runtime: A2aTasks, every_kind: A2aAgent
) -> None:
    yes, no = job_on(every_kind, "ask"), job_on(every_kind, "ask")
    for job, approved in ((yes, True), (no, False)):
        handle = await begun(runtime, job)
        asked = NeedsApproval("Delete the branch?")
        assert await until(runtime, job, handle, NeedsApproval) == asked
        other = await runtime.answer(job, handle, "Read the branch?", approved)
        assert other == NotAnswered("the agent asks something else now")
        assert await runtime.answer(job, handle, asked.question, approved) == Answered()
        ended = await until(runtime, job, handle, Ended)
        assert isinstance(ended, Ended)
        assert isinstance(ended.outcome, Completed if approved else Failed)
        again = await runtime.answer(job, handle, asked.question, approved)
        assert again == NotAnswered("the agent does not ask any more")
        assert every_kind.executions().count(job.run_id) == 2, "the work, and the answer"


async def test_what_an_agent_says_can_be_read_while_it_works(
    runtime: A2aTasks, every_kind: A2aAgent
) -> None:
    job = job_on(every_kind, "work")
    handle = await begun(runtime, job)

    async def said() -> str | None:
        written = await runtime.output(job, handle, None)
        assert written is not None
        return written.position if written.text == "Reading.\nLabelling." else None

    position = await eventually_async(said)
    assert await runtime.output(job, handle, position) == Written("", str(position))
    assert await runtime.output(job, handle, "9") == Written("Labelling.", str(position))
    assert await runtime.output(job, handle, "rubbish") == Written(
        "Reading.\nLabelling.", str(position)
    )
    assert isinstance(await runtime.stop(job, handle), Stopped)


async def test_an_agent_says_by_itself_that_its_task_has_news(every_kind: A2aAgent) -> None:
    """Between two questions lies an hour here: only a hint leads to the second one in time."""
    with HttpAgent() as receiver:
        hints = Hints(f"{receiver.url}/1/hint", "rct_hint_abc")
        job = job_on(every_kind, "work", hints=hints)
        async with opened(every=3600.0) as runtime, opened() as other:
            handle = await begun(runtime, job)
            await until(runtime, job, handle, Working)
            assert not runtime.hint("another run")
            before = len(receiver.requests)
            assert isinstance(await other.stop(job, handle), Stopped)

            async def hinted() -> bool:
                return len(receiver.requests) > before

            await eventually_async(hinted)
            assert runtime.hint(job.run_id)
            ended = await until(runtime, job, handle, Ended)
            assert isinstance(ended, Ended)
            assert isinstance(ended.outcome, Failed)
            assert "cancelled at the agent" in ended.outcome.message
        told = receiver.requests[-1]
        assert told.path == "/runs/1/hint"
        assert told.header("x-a2a-notification-token") == "rct_hint_abc"


@pytest.mark.parametrize("pushes", [True, False])
async def test_where_it_is_told_to_say_so_is_for_agents_that_can(
    runtime: A2aTasks, pushes: bool
) -> None:
    with HttpAgent() as server:
        base = server.url.removesuffix("/runs")
        hints = Hints("http://127.0.0.1:8484/v1/runs/1/hint", "rct_hint_abc")
        server.answer(200, a_card(base, pushes=pushes))
        server.answer(200, CREATED)
        await begun(runtime, job_on(base, "complete", hints=hints))
        configuration = server.requests[1].json()["params"]["configuration"]
        assert ("taskPushNotificationConfig" in configuration) == pushes
        assert configuration["returnImmediately"]


@pytest.mark.parametrize("code", [-32602, -32003], ids=["invalid", "not supported"])
@pytest.mark.parametrize("began", [True, False])
async def test_an_agent_that_does_not_want_to_call_there_gets_its_work_once(
    runtime: A2aTasks, code: int, began: bool
) -> None:
    with HttpAgent() as server:
        base = server.url.removesuffix("/runs")
        hints = Hints("http://127.0.0.1:8484/v1/runs/1/hint", "rct_hint_abc")
        job = job_on(base, "complete", hints=hints)
        mine = TASK.replace(b"RUN", job.run_id.encode())
        server.answer(200, a_card(base, pushes=True))
        server.answer(
            200, {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "Invalid URL"}}
        )
        server.answer(200, NO_TASKS.replace(b"[]", b"[" + mine + b"]") if began else NO_TASKS)
        server.answer(200, CREATED)
        handle = await begun(runtime, job)
        assert handle.session_id == "t1"
        asked = [request.json() for request in server.requests[1:]]
        sent = ["SendMessage", "ListTasks", *([] if began else ["SendMessage"])]
        assert [each["method"] for each in asked] == sent
        assert began or "taskPushNotificationConfig" not in asked[-1]["params"]["configuration"]


async def test_a_credential_cannot_be_given_from_here(runtime: A2aTasks, shared: A2aAgent) -> None:
    job = job_on(shared, "auth")
    handle = await begun(runtime, job)
    where = "with the agent itself: it asks for a credential"
    seen = await until(runtime, job, handle, NeedsApproval)
    assert seen == NeedsApproval("Log in first.", where)
    assert isinstance(await runtime.answer(job, handle, "Log in first.", True), NotAnswered)


@pytest.mark.parametrize("prompt", ["work", "ask", "complete"])
async def test_stopped_is_a_task_that_has_ended(
    runtime: A2aTasks, every_kind: A2aAgent, prompt: str
) -> None:
    job = job_on(every_kind, prompt)
    handle = await begun(runtime, job)
    assert isinstance(await runtime.stop(job, handle), Stopped)
    assert isinstance(await runtime.stop(job, handle), Stopped), "idempotent"


class BeforeCancels(httpx.AsyncHTTPTransport):
    """Does something before each request that cancels a task."""

    act: Callable[[], Awaitable[None]]
    cancels = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if b"cancel" in (request.url.path.encode() + await request.aread()).lower():
            self.cancels += 1
            await self.act()
        return await super().handle_async_request(request)


async def test_a_task_that_ends_just_before_its_cancel_has_stopped(every_kind: A2aAgent) -> None:
    job = job_on(every_kind, "ask")
    transport = BeforeCancels()
    async with opened() as other, new_client() as cards:
        runtime = A2aTasks(
            cards, Reach(own_port=8484), SystemClock(), lambda: None, WAITS, transport
        )
        handle = await begun(runtime, job)
        asked = await until(runtime, job, handle, NeedsApproval)
        assert isinstance(asked, NeedsApproval)
        question = asked.question

        async def end() -> None:
            assert await other.answer(job, handle, question, True) == Answered()
            await until(other, job, handle, Ended)

        transport.act = end
        assert isinstance(await runtime.stop(job, handle), Stopped)
        await runtime.close()
    assert transport.cancels == 1


async def test_another_server_goes_on_with_the_task(shared: A2aAgent) -> None:
    job = job_on(shared, "work")
    async with opened() as first:
        handle = await begun(first, job)
    async with opened() as second:
        again = replace(job, attempt=2, handle=handle)
        assert await second.start(again, Recorder()) == Started(handle)
        assert await poll(second, again, handle) == Working()
        assert isinstance(await second.stop(again, handle), Stopped)
    assert shared.executions().count(job.run_id) == 1


async def test_a_server_that_died_before_it_recorded_the_task_finds_it(
    shared: A2aAgent,
) -> None:
    job = job_on(shared, "work")

    class Dies(Exception):
        pass

    async def dies(_handle: Handle) -> None:
        raise Dies

    async with opened() as first:
        with pytest.raises(Dies):
            await first.start(job, dies)
    async with opened() as second:
        unsure = replace(job, attempt=2, unsure=True)
        handle = await begun(second, unsure)
        assert handle.session_id is not None
        assert isinstance(await second.stop(unsure, handle), Stopped)
    assert shared.executions().count(job.run_id) == 1


async def test_what_an_attempt_left_is_cancelled_without_a_handle(
    runtime: A2aTasks, shared: A2aAgent
) -> None:
    job = job_on(shared, "work")
    await begun(runtime, job)
    unsure = replace(job, attempt=2, unsure=True)
    async with opened() as other:
        assert isinstance(await other.release(unsure, None), Stopped)
        nothing = replace(unsure, run_id="00000000-0000-7000-8000-000000000000")
        assert await other.release(nothing, None) == Stopped()


async def test_an_earlier_attempt_that_came_to_nothing_is_begun_anew(
    runtime: A2aTasks, shared: A2aAgent
) -> None:
    job = job_on(shared, "complete", attempt=2, unsure=True)
    handle = await begun(runtime, job)
    assert isinstance(await until(runtime, job, handle, Ended), Ended)
    assert shared.executions().count(job.run_id) == 1


async def test_what_cannot_be_listed_is_held_rather_than_begun_twice(
    runtime: A2aTasks,
) -> None:
    with A2aAgent(version=V03) as agent:
        job = job_on(agent, "complete", attempt=2, unsure=True)
        handle = await begun(runtime, job)
        seen = await until(runtime, job, handle, Working)
        assert isinstance(seen, Working)
        assert "protocol 0.3 cannot tell which tasks it has" in seen.detail
        assert isinstance(await runtime.stop(job, handle), Stopping)
        assert agent.executions() == []


async def test_an_agent_that_hangs_gets_no_second_message(own: A2aAgent) -> None:
    async with opened() as runtime:
        warm = job_on(own, "complete")
        await until(runtime, warm, await begun(runtime, warm), Ended)  # its card is known
        own.freeze()
        runtime._patience = replace(WAITS, settle=0.3, ask=0.3)
        job = job_on(own, "work")
        handle = await begun(runtime, job)
        assert handle.session_id is None
        assert await poll(runtime, job, handle) == Working()
    # The server dies with the request still open; the agent wakes up, and has read it or not.
    async with opened() as second:
        again = replace(job, attempt=2, handle=handle)
        assert await second.start(again, Recorder()) == Started(handle)
        own.thaw()
        await until(second, again, handle, Working)
    assert own.executions().count(job.run_id) <= 1


async def test_an_agent_that_died_is_away_and_its_task_is_held(
    runtime: A2aTasks, own: A2aAgent
) -> None:
    job = job_on(own, "work")
    handle = await begun(runtime, job)
    own.kill()
    assert isinstance(await until(runtime, job, handle, Unseen), Unseen)
    new = await runtime.start(job_on(own, "work"), Recorder())
    assert isinstance(new, TargetDown)
    own.begin()

    async def held() -> bool:
        seen = await poll(runtime, job, handle)
        return isinstance(seen, Working) and "which proves nothing" in seen.detail

    await eventually_async(held)
    assert isinstance(await runtime.stop(job, handle), Stopping)
    assert own.executions().count(job.run_id) == 1


async def test_the_token_goes_with_every_call(runtime: A2aTasks) -> None:
    with A2aAgent(token="s3cret") as agent:
        refused = await runtime.start(job_on(agent, "complete"), Recorder())
        assert refused == Ended(Failed(Reason.DISPATCH_FAILED, "the agent answered 401")), (
            "nothing was sent"
        )
        job = job_on(agent, "work", secret="s3cret")
        handle = await begun(runtime, job)
        assert await until(runtime, job, handle, Working) == Working()
        assert isinstance(await runtime.stop(job, handle), Stopped)


async def test_a_card_that_leads_elsewhere_is_not_followed(runtime: A2aTasks) -> None:
    with HttpAgent() as elsewhere, A2aAgent(card_url=elsewhere.url) as agent:
        refused = await runtime.start(job_on(agent, "complete"), Recorder())
        assert isinstance(refused, Ended)
        assert isinstance(refused.outcome, Failed)
        assert "leads elsewhere" in refused.outcome.message
        assert elsewhere.requests == []


async def test_without_the_extra_nothing_is_sent(
    runtime: A2aTasks, shared: A2aAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "reconciler.dispatch.a2a.connection", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "a2a"]:
        monkeypatch.setitem(sys.modules, name, None)
    refused = await runtime.start(job_on(shared, "complete"), Recorder())
    why = "this server speaks no A2A: install autopilot-reconciler[a2a]"
    assert refused == Ended(Failed(Reason.DISPATCH_FAILED, why))


CARDS = [
    pytest.param(404, b"", "there is no agent card", id="none"),
    pytest.param(200, b"<html>", "there is no agent card", id="a page"),
    pytest.param(200, b'{"name": "x"}', "its card names none", id="no interface"),
    pytest.param(200, b'{"supportedInterfaces": 3}', "cannot be read", id="not a card"),
    pytest.param(302, b"", "redirects are not followed", id="moved"),
]


@pytest.mark.parametrize(("status", "body", "says"), CARDS)
async def test_without_a_card_nothing_is_sent(
    runtime: A2aTasks, status: int, body: bytes, says: str
) -> None:
    with HttpAgent() as server:
        for _ in range(2):
            server.answer(status, body, {"Location": "http://127.0.0.1:9/"})
        base = server.url.removesuffix("/runs")
        refused = await runtime.start(job_on(base, "complete"), Recorder())
        assert isinstance(refused, Ended)
        assert isinstance(refused.outcome, Failed)
        assert refused.outcome.reason is Reason.DISPATCH_FAILED
        assert says in refused.outcome.message
        assert {request.method for request in server.requests} == {"GET"}


def a_card(base: str, *, pushes: bool = False) -> bytes:
    capabilities = '"capabilities": {"pushNotifications": true}, ' if pushes else ""
    return (
        f'{{"name": "x", {capabilities}"supportedInterfaces": [{{"url": "{base}/a2a", '
        '"protocolBinding": "JSONRPC", "protocolVersion": "1.0"}]}'
    ).encode()


NO_TASKS = b'{"jsonrpc": "2.0", "id": 1, "result": {"tasks": []}}'
CREATED = (
    b'{"jsonrpc": "2.0", "id": 1, "result": {"task": {"id": "t1", "contextId": "RUN", '
    b'"status": {"state": "TASK_STATE_WORKING"}}}}'
)
TASK = b'{"id": "t1", "contextId": "RUN", "status": {"state": "TASK_STATE_WORKING"}}'


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"status": 200, "body": b"{}", "cut": True}, id="it breaks off"),
        pytest.param({"status": 502, "body": b"<html>"}, id="a gateway"),
        pytest.param({"status": 200, "body": b"<html>"}, id="a page"),
        pytest.param({"status": 200, "body": b"[" * 100_000}, id="too deep"),
        pytest.param(
            {"status": 200, "body": b'{"jsonrpc":"2.0","id":1,"error":{"code":-32603}}'},
            id="an internal error",
        ),
    ],
)
async def test_an_answer_that_is_lost_is_searched_for(
    runtime: A2aTasks, answer: dict[str, Any]
) -> None:
    with HttpAgent() as server:
        base = server.url.removesuffix("/runs")
        job = job_on(base, "complete")
        server.answer(200, a_card(base))
        server.answer(**answer)
        mine = TASK.replace(b"RUN", job.run_id.encode())
        server.answer(200, NO_TASKS.replace(b"[]", b"[" + TASK + b"," + mine + b"]"))
        handle = await begun(runtime, job)
        assert handle.session_id == "t1"
        methods = [request.json()["method"] for request in server.requests[1:]]
        assert methods == ["SendMessage", "ListTasks"]
        other = replace(job, run_id="other")
        server.answer(**answer)
        server.answer(200, NO_TASKS)
        server.answer(200, NO_TASKS)
        assert isinstance(await runtime.start(other, Recorder()), Transient)


async def test_an_agent_that_is_full_is_waited_for(runtime: A2aTasks) -> None:
    with HttpAgent() as server:
        base = server.url.removesuffix("/runs")
        server.answer(200, a_card(base))
        server.answer(429, b"", {"Retry-After": "30"})
        full = await runtime.start(job_on(base, "complete"), Recorder())
        assert full == TargetDown("the agent answered 429", 30.0, quota=True)


async def test_a_cookie_of_one_agent_goes_to_no_other(runtime: A2aTasks) -> None:
    with HttpAgent() as server, HttpAgent() as neighbour:
        for each in (server, neighbour):
            base = each.url.removesuffix("/runs")
            each.answer(200, a_card(base), {"Set-Cookie": "session=theirs; Path=/"})
            each.answer(429, b"", {"Set-Cookie": "session=theirs; Path=/"})
            assert isinstance(await runtime.start(job_on(base, "complete"), Recorder()), TargetDown)
        assert len(neighbour.requests) == 2
        assert not any(request.header("cookie") for request in neighbour.requests)


async def test_an_answer_without_end_is_cut_off(runtime: A2aTasks) -> None:
    with HttpAgent() as server:
        base = server.url.removesuffix("/runs")
        server.answer(200, a_card(base))
        server.answer(200, b'{"result": "' + b"x" * (5 * 1024 * 1024))
        server.answer(200, NO_TASKS)
        server.answer(200, NO_TASKS)
        lost = await runtime.start(job_on(base, "complete"), Recorder())
        assert isinstance(lost, Transient)
        assert "more than" in lost.message


@pytest.mark.parametrize(
    ("task", "why"),
    [
        pytest.param(TASK.replace(b'"t1"', b'""'), "no id", id="without an id"),
        pytest.param(TASK.replace(b"t1", b"t" * 300_000), "no id", id="an id without end"),
        pytest.param(
            TASK.replace(b"}}", b'}, "metadata": {"x": [' + b"1," * 120_000 + b"1]}}"),
            "more values",
            id="values without end",
        ),
    ],
)
async def test_a_task_that_cannot_be_kept_holds_its_run(
    runtime: A2aTasks, task: bytes, why: str
) -> None:
    with HttpAgent() as server:
        base = server.url.removesuffix("/runs")
        job, recorder = job_on(base, "work"), Recorder()
        mine = task.replace(b"RUN", job.run_id.encode())
        server.answer(200, a_card(base))
        server.answer(200, b'{"jsonrpc": "2.0", "id": 1, "result": {"task": ' + mine + b"}}")
        for _ in range(2):
            server.answer(200, NO_TASKS.replace(b"[]", b"[" + mine + b"]"))
        started = await runtime.start(job, recorder)
        assert isinstance(started, Started)
        assert recorder.last.session_id is None
        assert why in str(recorder.last.detail["answer"])


async def test_the_end_of_another_task_is_no_end(runtime: A2aTasks) -> None:
    ended = TASK.replace(b"WORKING", b"COMPLETED").replace(b"t1", b"t2")
    with HttpAgent() as server:
        base = server.url.removesuffix("/runs")
        job = job_on(base, "work")
        server.answer(200, a_card(base))
        server.answer(200, b'{"jsonrpc": "2.0", "id": 1, "result": {"task": ' + TASK + b"}}")
        started = await runtime.start(job, Recorder())
        assert isinstance(started, Started)
        for _ in range(3):
            server.answer(200, b'{"jsonrpc": "2.0", "id": 1, "result": ' + ended + b"}")
        stop = await runtime.stop(job, started.handle)
        assert isinstance(stop, Stopping)
        assert "another task" in stop.message
