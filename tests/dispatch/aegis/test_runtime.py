"""A run as a session of an Aegis server: every trap of that API has a test by its name."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.dispatch.aegis.runtime import AegisSessions
from reconciler.dispatch.base import (
    Ended,
    Gone,
    Handle,
    Started,
    Stopped,
    Stopping,
    TargetDown,
    Transient,
    Unseen,
    Working,
)
from tests.dispatch.aegis.runtime_kit import WAITS, begin, end, job_on, sessions_of
from tests.dispatch.builders import PROMPT, Recorder, poll
from tests.support.aegis import Aegis
from tests.support.eventually import eventually_async

pytestmark = pytest.mark.anyio


@pytest.fixture
async def runtime() -> AsyncIterator[AegisSessions]:
    async with sessions_of() as made:
        yield made


async def test_a_run_is_a_session_followed_to_its_end(runtime: AegisSessions, aegis: Aegis) -> None:
    spec = {"permissionMode": "plan", "model": "sonnet"}
    job, recorder = job_on(aegis, spec=spec, env={"AUTOPILOT_TOKEN": "x"}), Recorder()
    handle = await begin(runtime, job, recorder)
    (session,) = aegis.sessions
    assert session["windowName"] == job.run_id
    assert session["permissionMode"] == "plan"
    assert session["extra"] == {"env": {"AUTOPILOT_TOKEN": "x"}, "model": "sonnet"}
    assert [h.session_id for h in recorder.handles] == [session["id"]] * 2
    assert handle == recorder.last
    assert await end(runtime, job, handle) == Completed("Labelled 3 issues.")
    assert await end(runtime, job, handle) == Completed("Labelled 3 issues."), "until released"
    assert await runtime.release(job, handle) == Stopped()
    assert aegis.sessions == []
    assert await runtime.release(job, handle) == Stopped()


async def test_the_handle_is_recorded_before_the_prompt_is_sent(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    seen: list[list[str]] = []

    async def record(_handle: Handle) -> None:
        seen.append(aegis.sessions[0]["prompts"])

    await runtime.start(job_on(aegis), record)
    assert seen[0] == []


async def test_trap_1_a_prompt_is_not_given_at_creation_which_would_block(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    aegis.control(script={"create_block": 60.0})
    job = job_on(aegis)
    await asyncio.wait_for(begin(runtime, job), 5)
    assert aegis.sessions[0]["prompts"] == [PROMPT]
    assert aegis.calls["send"] == 1


async def test_trap_1_a_long_prompt_goes_with_the_creation(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    aegis.control(script={"create_block": 0.05})
    job = job_on(aegis, prompt="é" * 10_001)
    handle = await begin(runtime, job)
    assert isinstance(await end(runtime, job, handle), Completed)
    assert aegis.sessions[0]["prompts"] == [job.prompt]
    assert "send" not in aegis.calls


async def test_trap_1_a_creation_that_blocks_for_too_long_is_found_by_its_name(
    aegis: Aegis,
) -> None:
    aegis.control(script={"create_block": 60.0, "hold": True})
    job, recorder = job_on(aegis, prompt="x" * 20_000), Recorder()
    async with sessions_of(waits=replace(WAITS, create_with_prompt=0.3)) as runtime:
        handle = await begin(runtime, job, recorder)
    assert [s["id"] for s in aegis.sessions] == [handle.session_id]
    assert aegis.calls["create"] == 1


async def test_trap_1_a_prompt_beyond_all_limits_is_cut_and_says_so(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    prompt = f"Do it.\n<untrusted-payload n1>\n{'🙂' * 80_000}\n</untrusted-payload n1>"
    job = job_on(aegis, prompt=prompt)
    assert isinstance(await end(runtime, job, await begin(runtime, job)), Completed)
    (sent,) = aegis.sessions[0]["prompts"]
    assert sent.startswith("Do it.\n<untrusted-payload n1>\n🙂")
    assert sent.endswith("\n</untrusted-payload n1>")
    assert "[cut: " in sent
    assert len(sent.encode("utf-16-le")) // 2 in (99_999, 100_000)


async def test_trap_2_a_second_attempt_finds_the_session_of_the_first(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    """The first attempt died after the creation, before its handle was recorded."""
    others = [{"name": f"other-{i}", "workDir": f"/srv/{i}", "key": "key-1"} for i in range(150)]
    aegis.control(plant=others)  # so that it is not on the first page
    job = job_on(aegis)
    aegis.control(plant=[{"name": job.run_id, "workDir": "/srv/demo", "key": "key-1"}])
    recorder = Recorder()
    handle = await begin(runtime, replace(job, attempt=2), recorder)
    ours = [s for s in aegis.sessions if s["windowName"] == job.run_id]
    assert [s["id"] for s in ours] == [handle.session_id]
    assert ours[0]["prompts"] == [PROMPT]
    assert "create" not in aegis.calls


async def test_trap_2_a_creation_whose_answer_is_lost_is_not_repeated(aegis: Aegis) -> None:
    aegis.control(fault={"endpoint": "create", "lag": 60.0})
    job = job_on(aegis)
    async with sessions_of(waits=replace(WAITS, create=0.2)) as runtime:
        handle = await begin(runtime, job)
    assert [s["id"] for s in aegis.sessions] == [handle.session_id]
    assert aegis.sessions[0]["prompts"] == [PROMPT]
    assert aegis.calls["create"] == 1


async def test_trap_2_a_creation_that_failed_is_transient(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    aegis.control(fault={"endpoint": "create", "status": 500})
    start = await runtime.start(job_on(aegis), Recorder())
    assert isinstance(start, Transient)
    assert "answered 500 to POST /v1/sessions: As the test asked" in start.message
    assert aegis.calls["list"] == 1, "it was looked for"


@pytest.mark.parametrize("owner", ["key-1", "key-2"])
async def test_trap_3_an_idle_session_of_somebody_is_never_used(
    runtime: AegisSessions, aegis: Aegis, owner: str
) -> None:
    aegis.control(plant=[{"name": "somebody", "workDir": "/srv/demo", "key": owner}])
    recorder = Recorder()
    start = await runtime.start(job_on(aegis), recorder)
    assert isinstance(start, TargetDown)
    assert start.in_the_way == "somebody"
    assert recorder.handles == []
    (session,) = aegis.sessions
    assert session["prompts"] == []
    aegis.control(session="somebody", die=True)
    assert isinstance(await runtime.start(job_on(aegis), recorder), Started)


async def test_trap_4_a_prompt_that_arrived_unseen_is_not_sent_again(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    aegis.control(script={"delivery": ["ran"]})
    job = job_on(aegis)
    handle = await begin(runtime, job)
    assert await end(runtime, job, handle) == Completed("Labelled 3 issues.")
    assert aegis.sessions[0]["prompts"] == [PROMPT]
    assert aegis.calls["send"] == 1


async def test_trap_4_a_prompt_that_did_not_arrive_is_sent_by_the_next_attempt(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    aegis.control(script={"delivery": ["lost"]})
    job, recorder = job_on(aegis), Recorder()
    start = await runtime.start(job, recorder)
    assert isinstance(start, Transient)
    assert "did not take its prompt" in start.message
    assert isinstance(await poll(runtime, job, recorder.last), Working)
    again = replace(job, attempt=2, handle=recorder.last)
    handle = await begin(runtime, again, recorder)
    assert await end(runtime, job, handle) == Completed("Labelled 3 issues.")
    assert aegis.sessions[0]["prompts"] == [PROMPT]
    assert aegis.calls["create"] == 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"lag": 60.0}, id="no answer"),
        pytest.param({"status": 502, "html": True}, id="a proxy's page"),
    ],
)
async def test_trap_4_an_unanswered_send_is_looked_up_in_the_transcript(
    aegis: Aegis, fault: dict[str, object]
) -> None:
    aegis.control(fault={"endpoint": "send", **fault})
    job, recorder = job_on(aegis), Recorder()
    async with sessions_of(waits=replace(WAITS, call=0.3)) as runtime:
        start = await runtime.start(job, recorder)
        if isinstance(start, Transient):  # the proxy did not pass it on
            start = await runtime.start(replace(job, attempt=2, handle=recorder.last), recorder)
        assert isinstance(start, Started)
        assert isinstance(await end(runtime, job, start.handle), Completed)
    assert aegis.sessions[0]["prompts"] == [PROMPT]


async def test_trap_4_a_server_that_died_after_the_send_does_not_repeat_it(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    """The second record never came about: the handle says that the prompt was not sent."""
    job, recorder = job_on(aegis), Recorder()
    await begin(runtime, job, recorder)
    first = recorder.handles[0]
    assert first.detail["prompted"] is False
    async with sessions_of() as next_server:
        handle = await begin(next_server, replace(job, attempt=2, handle=first), recorder)
        assert isinstance(await end(next_server, job, handle), Completed)
    assert aegis.sessions[0]["prompts"] == [PROMPT]


async def test_trap_4_a_session_that_is_not_ready_is_waited_for(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    job, recorder = job_on(aegis), Recorder()
    aegis.control(plant=[{"name": job.run_id, "workDir": "/srv/demo", "key": "key-1"}])
    aegis.control(session=job.run_id, status="settings")
    start = await runtime.start(replace(job, attempt=2), recorder)
    assert isinstance(start, TargetDown)
    assert "not ready for its prompt: settings" in start.message
    aegis.control(session=job.run_id, status="idle")
    await begin(runtime, replace(job, attempt=3, handle=recorder.last), recorder)
    assert aegis.sessions[0]["prompts"] == [PROMPT]


async def test_trap_5_no_call_has_a_json_type_and_no_body(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    """The stand-in answers 400 to those; the session would stay."""
    aegis.control(script={"hold": True})
    job = job_on(aegis)
    handle = await begin(runtime, job)
    assert await runtime.stop(job, handle) == Stopped()
    assert aegis.sessions == []
    assert aegis.calls["interrupt"] == aegis.calls["delete"] == 1


async def test_one_list_call_per_round_for_all_runs_of_an_agent(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    aegis.control(script={"hold": True})
    jobs = [job_on(aegis, spec={"workDir": f"/srv/{i}"}) for i in range(5)]
    followed = [(job, await begin(runtime, job)) for job in jobs]
    await eventually_async(lambda: all_working(aegis))
    aegis.control(forget_calls=True)
    seen = await runtime.observe(followed)
    assert seen == {job.run_id: Working("") for job in jobs}
    assert aegis.calls == {"list": 1}


async def all_working(aegis: Aegis) -> bool:
    """Whether every session has begun its work."""
    return all(s["status"] == "working" for s in aegis.sessions)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param("working", Working(""), id="at work"),
        pytest.param("compacting", Working("compacting"), id="at work on itself"),
        *(
            pytest.param(status, Working(f"waits for approval: {status}"), id=status)
            for status in ("permission_prompt", "bash_approval", "plan_mode", "ask_question")
        ),
        pytest.param("rate_limit", Working("waits for the model: rate_limit"), id="rate limited"),
        pytest.param("idle", Working("idle, without an answer yet"), id="idle before the work"),
        pytest.param("dreaming", Working("dreaming"), id="a status that is new"),
    ],
)
async def test_no_status_by_itself_is_an_end(
    runtime: AegisSessions, aegis: Aegis, status: str, expected: Working
) -> None:
    aegis.control(script={"hold": True})
    job = job_on(aegis)
    handle = await begin(runtime, job)
    aegis.control(session=job.run_id, status=status)
    assert await poll(runtime, job, handle) == expected


async def test_thinking_is_no_answer_and_a_rest_without_one_is_no_end(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    aegis.control(script={"silent": True})
    job = job_on(aegis)
    handle = await begin(runtime, job)

    async def idle() -> bool:
        return bool(aegis.sessions[0]["status"] == "idle")

    await eventually_async(idle)
    assert await poll(runtime, job, handle) == Working("idle, without an answer yet")


async def test_an_error_that_stays_is_a_failure_and_one_that_mends_itself_is_not(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    aegis.control(script={"hold": True})
    job = job_on(aegis)
    handle = await begin(runtime, job)
    aegis.control(session=job.run_id, status="error", detail="API Error")
    assert await poll(runtime, job, handle) == Working("the session shows an error")
    aegis.control(session=job.run_id, status="working")
    assert await poll(runtime, job, handle) == Working("")
    aegis.control(session=job.run_id, status="error", detail="API Error")
    outcome = await end(runtime, job, handle)
    assert isinstance(outcome, Failed)
    assert outcome.reason is Reason.SESSION_FAILED
    assert "stays in error" in outcome.message


async def test_a_session_that_ended_by_itself_is_gone(runtime: AegisSessions, aegis: Aegis) -> None:
    aegis.control(script={"hold": True})
    job = job_on(aegis)
    handle = await begin(runtime, job)
    aegis.control(session=job.run_id, die=True)
    seen = await poll(runtime, job, handle)
    assert isinstance(seen, Gone)
    assert seen.reason is Reason.SESSION_FAILED
    start = await runtime.start(replace(job, attempt=2, handle=handle), Recorder())
    assert isinstance(start, Ended)
    assert isinstance(start.outcome, Failed)
    assert start.outcome.reason is Reason.SESSION_FAILED


async def test_after_a_restart_of_aegis_a_404_proves_nothing(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    """The new server lists no session, and the agents of the old one live on."""
    aegis.control(script={"hold": True})
    job = job_on(aegis)
    handle = await begin(runtime, job)
    aegis.control(restart=True)
    seen = await poll(runtime, job, handle)
    assert isinstance(seen, Working)
    assert "was started anew" in seen.detail
    again = replace(job, attempt=2, handle=handle)
    assert await runtime.start(again, Recorder()) == Started(handle)
    assert isinstance(await runtime.stop(job, handle), Stopping)
    assert await runtime.release(job, handle) == Stopped(), "nothing is left to be given back"


async def test_another_server_process_follows_the_session_by_its_handle_alone(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    aegis.control(script={"hold": True})
    job = job_on(aegis)
    handle = await begin(runtime, job)
    async with sessions_of() as other:
        resumed = await begin(other, replace(job, attempt=2, handle=handle))
        assert resumed == handle
        aegis.control(session=job.run_id, finish="Done by now.")
        assert await end(other, job, handle) == Completed("Done by now.")
    assert aegis.sessions[0]["prompts"] == [PROMPT]
    assert aegis.calls["create"] == 1


async def test_a_long_answer_keeps_its_tail(runtime: AegisSessions, aegis: Aegis) -> None:
    aegis.control(script={"answer": "x" * 300_000 + "the end"})
    job = job_on(aegis)
    outcome = await end(runtime, job, await begin(runtime, job))
    assert isinstance(outcome, Completed)
    assert outcome.result.startswith("[cut: the first 37863 bytes are not kept]\n")
    assert outcome.result.endswith("the end")


@pytest.mark.parametrize("retry_after", [1, None], ids=["with Retry-After", "without"])
async def test_a_limited_key_rests_as_long_as_it_is_told(
    aegis: Aegis, retry_after: int | None
) -> None:
    aegis.control(script={"hold": True})
    job = job_on(aegis)
    async with sessions_of(waits=replace(WAITS, limited=60.0, longest_rest=300.0)) as runtime:
        handle = await begin(runtime, job)
        told = {} if retry_after is None else {"retry_after": "90"}
        aegis.control(fault={"endpoint": "list", "status": 429, **told}, forget_calls=True)
        seen = await poll(runtime, job, handle)
        assert isinstance(seen, Unseen)
        assert "429" in seen.message
        assert isinstance(await poll(runtime, job, handle), Unseen)
        start = await runtime.start(job_on(aegis), Recorder())
        assert isinstance(start, TargetDown)
        assert start.retry_after == pytest.approx(90 if told else 60, abs=5)
    assert aegis.calls == {"list": 1}, "no call leaves while the key rests"


async def test_a_limited_key_goes_on_after_its_rest(runtime: AegisSessions, aegis: Aegis) -> None:
    aegis.control(script={"per_minute": 4, "retry_after": None})
    job = job_on(aegis)
    handle = await begin(runtime, job)
    seen = [await poll(runtime, job, handle) for _ in range(4)]
    assert isinstance(seen[-1], Unseen)
    aegis.control(script={"per_minute": 0})
    assert isinstance(await end(runtime, job, handle), Completed)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(
            {"status": 422, "code": "CC_VERSION_TOO_OLD"}, Reason.DISPATCH_FAILED, id="too old"
        ),
        pytest.param({"status": 400}, Reason.DISPATCH_FAILED, id="not understood"),
        pytest.param({"status": 403}, Reason.DISPATCH_FAILED, id="not allowed"),
        pytest.param({"status": 404}, Reason.DISPATCH_FAILED, id="no such API"),
        pytest.param({"status": 307}, Reason.DISPATCH_FAILED, id="redirects are not followed"),
    ],
)
async def test_what_aegis_will_never_do_fails_the_dispatch(
    runtime: AegisSessions, aegis: Aegis, fault: dict[str, object], expected: Reason
) -> None:
    code = "NOT_FOUND" if fault["status"] == 404 else "VALIDATION_ERROR"
    aegis.control(fault={"endpoint": "create", "code": code, **fault})
    start = await runtime.start(job_on(aegis), Recorder())
    assert isinstance(start, Ended)
    assert isinstance(start.outcome, Failed)
    assert start.outcome.reason is expected
    assert str(fault["status"]) in start.outcome.message


async def test_a_folder_that_is_not_there_fails_the_dispatch_in_its_words(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    start = await runtime.start(job_on(aegis, spec={"workDir": "/srv/missing"}), Recorder())
    assert isinstance(start, Ended)
    assert "workDir does not exist" in str(start.outcome)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"mode": ExecutionMode.RUN_ONLY}, "no mode run_only", id="run_only"),
        pytest.param(
            {"spec": {"permissionMode": "bypassPermissions"}},
            "setting allowed_permission_modes admits default, plan",
            id="a mode that the operator does not allow",
        ),
        pytest.param(
            {"spec": {"url": "http://127.0.0.1.example.org"}},
            "setting allowed_runtime_urls admits http://127.0.0.1",
            id="a URL that the operator does not allow",
        ),
        pytest.param({"secret": "s3cr\net"}, "header authorization", id="a token of two lines"),
        pytest.param({"secret": "s3cr"}, "401", id="a token that is not known"),
    ],
)
async def test_what_is_not_allowed_fails_the_dispatch_and_the_token_is_not_told(
    runtime: AegisSessions, aegis: Aegis, changes: dict[str, object], expected: str
) -> None:
    start = await runtime.start(job_on(aegis, **changes), Recorder())
    assert isinstance(start, Ended)
    assert isinstance(start.outcome, Failed)
    assert start.outcome.reason is Reason.DISPATCH_FAILED
    assert expected in start.outcome.message
    assert "s3cr" not in start.outcome.message


async def test_a_server_that_is_down_is_waited_for(runtime: AegisSessions) -> None:
    job = job_on("http://127.0.0.1:9")
    start = await runtime.start(job, Recorder())
    assert isinstance(start, TargetDown)
    assert "http://127.0.0.1:9 cannot be reached" in start.message
    handle = Handle("7a0e9a30-6c1c-4f0a-8d7e-0c7d3b6ad201", {"prompted": True})
    assert isinstance(await poll(runtime, job, handle), Unseen)
    assert isinstance(await runtime.stop(job, handle), Stopping)


async def test_a_session_under_another_key_is_not_seen_and_not_proven_gone(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    aegis.control(script={"hold": True})
    job = job_on(aegis)
    handle = await begin(runtime, job)
    stranger = replace(job, secret="key-2")
    assert isinstance(await poll(runtime, stranger, handle), Unseen)
    stop = await runtime.stop(stranger, handle)
    assert isinstance(stop, Stopping)
    assert "403" in stop.message
    assert len(aegis.sessions) == 1


async def test_a_proxys_404_is_no_proof(runtime: AegisSessions, aegis: Aegis) -> None:
    aegis.control(script={"hold": True})
    job = job_on(aegis)
    handle = await begin(runtime, job)
    aegis.control(fault={"endpoint": "list", "html": True})
    assert isinstance(await poll(runtime, job, handle), Unseen)
    aegis.control(fault={"endpoint": "delete", "html": True})
    assert isinstance(await runtime.stop(job, handle), Stopping)
    aegis.control(fault={"endpoint": "get", "html": True})
    assert isinstance(await runtime.stop(job, handle), Stopping)
    assert await runtime.stop(job, handle) == Stopped()


async def test_what_an_attempt_left_without_a_record_is_released_by_its_name(
    runtime: AegisSessions, aegis: Aegis
) -> None:
    job = job_on(aegis)
    assert await runtime.release(job, None) == Stopped()
    aegis.control(plant=[{"name": job.run_id, "workDir": "/srv/demo", "key": "key-1"}])
    assert await runtime.release(job, None) == Stopped()
    assert aegis.sessions == []


async def test_a_long_prompt_that_never_arrives_gives_the_session_back(
    aegis: Aegis,
) -> None:
    job, recorder = job_on(aegis, prompt="x" * 20_000), Recorder()
    aegis.control(plant=[{"name": job.run_id, "workDir": "/srv/demo", "key": "key-1"}])
    async with sessions_of() as runtime:
        start = await runtime.start(replace(job, attempt=2), recorder)
        assert isinstance(start, Transient)
        assert recorder.last.session_id is None
        assert aegis.sessions == []
        again = replace(job, attempt=3, handle=recorder.last)
        handle = await begin(runtime, again, recorder)
        assert isinstance(await end(runtime, job, handle), Completed)
    assert aegis.sessions[0]["prompts"] == [job.prompt]
