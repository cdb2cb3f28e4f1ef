"""What is not allowed, what Aegis refuses, and keys that have to rest."""

import asyncio

import pytest

from reconciler.core.manifest.model import ExecutionMode
from reconciler.core.runs.run import Failed, Reason
from reconciler.dispatch.aegis.runtime import AegisSessions
from reconciler.dispatch.base import Ended, Start, TargetDown, Unseen
from tests.dispatch.aegis.runtime_kit import begin, job_on
from tests.dispatch.builders import Recorder, poll
from tests.support.aegis.local import LocalAegis

pytestmark = pytest.mark.anyio


def refused(start: Start) -> str:
    """The message of a dispatch that will never work."""
    assert isinstance(start, Ended)
    assert isinstance(start.outcome, Failed)
    assert start.outcome.reason is Reason.DISPATCH_FAILED
    return start.outcome.message


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 422, "code": "CC_VERSION_TOO_OLD"}, id="too old"),
        pytest.param({"status": 400}, id="not understood"),
        pytest.param({"status": 403}, id="not allowed"),
        pytest.param({"status": 404, "code": "NOT_FOUND"}, id="no such API"),
        pytest.param({"status": 307}, id="redirects are not followed"),
    ],
)
async def test_what_aegis_will_never_do_fails_the_dispatch(
    runtime: AegisSessions, server: LocalAegis, fault: dict[str, object]
) -> None:
    server.control(fault={"endpoint": "create", "code": "VALIDATION_ERROR", **fault})
    assert str(fault["status"]) in refused(await runtime.start(job_on(server), Recorder()))


async def test_a_folder_that_is_not_there_fails_the_dispatch_in_its_words(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = job_on(server, spec={"workDir": "/srv/missing"})
    assert "workDir does not exist" in refused(await runtime.start(job, Recorder()))


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
    runtime: AegisSessions, server: LocalAegis, changes: dict[str, object], expected: str
) -> None:
    message = refused(await runtime.start(job_on(server, **changes), Recorder()))
    assert expected in message
    assert "s3cr" not in message


async def test_a_server_that_is_down_is_waited_for(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.down = True
    start = await runtime.start(job_on(server), Recorder())
    assert isinstance(start, TargetDown)
    assert "http://127.0.0.1:9100 cannot be reached" in start.message


@pytest.mark.parametrize("told", [None, 90], ids=["without Retry-After", "with Retry-After"])
async def test_a_limited_key_rests_as_long_as_it_is_told(
    runtime: AegisSessions, server: LocalAegis, told: int | None
) -> None:
    server.control(script={"hold": True})
    job = job_on(server)
    handle = await begin(runtime, job)
    retry_after = {} if told is None else {"retry_after": str(told)}
    server.control(fault={"endpoint": "list", "status": 429, **retry_after}, forget_calls=True)
    seen = await poll(runtime, job, handle)
    assert isinstance(seen, Unseen)
    assert "429" in seen.message
    start = await runtime.start(job_on(server), Recorder())
    assert isinstance(start, TargetDown)
    assert start.retry_after == pytest.approx(told or 10, abs=1)
    assert server.calls == {"list": 1}, "no call leaves while the key rests"
    await asyncio.sleep((told or 10) + 1)
    assert not isinstance(await poll(runtime, job, handle), Unseen)


async def test_an_agent_that_boots_while_its_key_rests_gets_its_prompt(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.control(fault={"endpoint": "ready", "status": 429, "code": "RATE_LIMITED"})
    job = job_on(server)
    await begin(runtime, job)
    assert len(server.prompts(job.run_id)) == 1
