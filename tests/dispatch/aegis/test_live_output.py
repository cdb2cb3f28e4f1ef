"""What an agent of Aegis has said can be read while it works, and costs its key few calls."""

import asyncio

import pytest

from reconciler.dispatch.aegis.runtime import AegisSessions
from reconciler.dispatch.base import Handle, Job, Stopped, Written
from tests.dispatch.aegis.runtime_kit import begin, job_on, sessions_of
from tests.dispatch.builders import poll
from tests.support.aegis.local import LocalAegis, Loss

pytestmark = pytest.mark.anyio

FIRST = "I read the issues."
AGAIN = 4.0
"""Seconds after which a session is read again."""


async def told(runtime: AegisSessions, job: Job, handle: Handle, after: str | None) -> Written:
    """What was said after a position."""
    written = await runtime.output(job, handle, after)
    assert written is not None
    return written


@pytest.fixture
def held(server: LocalAegis) -> None:
    """Agents work until a test ends it."""
    server.control(script={"hold": True})


@pytest.mark.usefixtures("held")
async def test_words_come_while_the_agent_works_and_the_reading_consumes_nothing(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = job_on(server)
    assert await told(runtime, job, Handle(None, {}), None) == Written("", "")
    handle = await begin(runtime, job)
    await poll(runtime, job, handle)
    await asyncio.sleep(AGAIN)
    server.control(forget_calls=True)
    assert await told(runtime, job, handle, None) == Written(FIRST, "18")
    assert await told(runtime, job, handle, "18") == Written("", "18")
    assert await told(runtime, job, handle, "7") == Written("the issues.", "18")
    for rubbish in ("x", "-1", "99", "\u0665"):
        assert await told(runtime, job, handle, rubbish) == Written(FIRST, "18")
    assert server.calls == {"transcript": 1}, "for all who watch"
    server.control(session=job.run_id, finish="Labelled 3 issues.")
    await asyncio.sleep(AGAIN)
    assert await told(runtime, job, handle, "18") == Written("\n\nLabelled 3 issues.", "38")
    async with sessions_of(server) as other:
        assert (await told(other, job, handle, "38")) == Written("", "38"), "any server tells it"
    assert "read" not in server.calls


@pytest.mark.usefixtures("held")
async def test_whoever_watches_leaves_the_calls_of_the_key_to_lists_starts_and_stops(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    followed = []
    for number in range(10):
        job = job_on(server, spec={"workDir": f"/srv/{number}"})
        followed.append((job, await begin(runtime, job)))
    await asyncio.sleep(60)
    server.control(forget_calls=True)
    for _ in range(2 * 60 * 2):  # two minutes, two looks a second
        await runtime.observe(followed)
        for job, handle in followed:
            await told(runtime, job, handle, None)
        await asyncio.sleep(0.5)
    assert server.calls["list"] >= 2 * 60 / 3.5, "ends are seen as soon as before"
    assert server.calls["transcript"] >= 10, "each of the ten now and then"
    assert sum(server.calls.values()) <= 2 * 70
    began = asyncio.get_running_loop().time()
    assert await runtime.stop(*followed[0]) == Stopped()
    assert asyncio.get_running_loop().time() - began < 1


@pytest.mark.usefixtures("held")
async def test_words_of_another_session_of_the_folder_are_never_told(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = job_on(server)
    handle = await begin(runtime, job)
    await asyncio.sleep(AGAIN)
    assert (await told(runtime, job, handle, None)).text == FIRST
    server.control(plant=[{"name": "x", "workDir": "/srv/demo", "key": "key-2"}])
    stranger = server.world.find("x")
    server.world.type(stranger, job.prompt)  # whatever it was asked, even the same
    await asyncio.sleep(1)
    server.world.find("x").agent.finish(server.world.now(), "A secret.")
    for watched in (True, False):
        async with sessions_of(server) as other:
            for _ in range(3):
                if watched:
                    await poll(other, job, handle)
                assert (await told(other, job, handle, None)).text == ""
                await asyncio.sleep(AGAIN)
        assert (await told(runtime, job, handle, None)).text == FIRST, "what was ours stays"
    assert isinstance(await runtime.stop(job, handle), Stopped)
    assert (await told(runtime, job, handle, None)).text == FIRST


FAULTS = [
    pytest.param({"status": 429, "retry_after": "20"}, id="limited"),
    pytest.param({"status": 500}, id="an error"),
    pytest.param({"html": True}, id="a proxy"),
    pytest.param({"lag": 30.0}, id="slow"),
]


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_reading_that_fails_tells_what_is_known_and_goes_on_later(
    runtime: AegisSessions, server: LocalAegis, fault: dict[str, object]
) -> None:
    job = job_on(server)
    handle = await begin(runtime, job)
    await asyncio.sleep(AGAIN)
    server.control(fault={"endpoint": "transcript", **fault}, forget_calls=True)
    assert await told(runtime, job, handle, None) == Written("", "0")
    assert await told(runtime, job, handle, None) == Written("", "0")
    assert server.calls["transcript"] == 1
    await asyncio.sleep(21)
    assert await told(runtime, job, handle, None) == Written(FIRST, "18")
    server.control(fault={"endpoint": "transcript", **fault})
    await asyncio.sleep(AGAIN)
    assert await told(runtime, job, handle, None) == Written(FIRST, "18")


@pytest.mark.usefixtures("held")
async def test_a_server_that_was_started_anew_takes_no_words_back(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = job_on(server)
    handle = await begin(runtime, job)
    await asyncio.sleep(AGAIN)
    assert (await told(runtime, job, handle, None)).text == FIRST
    server.control(crash=True)
    await asyncio.sleep(AGAIN)
    assert (await told(runtime, job, handle, None)).text == FIRST
    server.lose = lambda _request: Loss.UNREACHED
    await asyncio.sleep(AGAIN)
    assert (await told(runtime, job, handle, None)).text == FIRST


@pytest.mark.usefixtures("held")
async def test_what_was_said_before_a_stop_is_still_there_for_the_end(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = job_on(server)
    handle = await begin(runtime, job)
    await asyncio.sleep(AGAIN)
    assert isinstance(await runtime.stop(job, handle), Stopped)
    assert (await told(runtime, job, handle, None)).text == FIRST, "nobody had watched it"
    assert isinstance(await runtime.release(job, handle), Stopped)
    assert (await told(runtime, job, handle, None)).text == ""


@pytest.mark.usefixtures("held")
async def test_of_a_long_session_the_last_words_are_told(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = job_on(server)
    handle = await begin(runtime, job)
    await asyncio.sleep(1)
    server.control(session=job.run_id, finish="x" * 300_000 + "the end")
    await asyncio.sleep(AGAIN)
    written = await told(runtime, job, handle, "5")
    assert written.cut
    assert written.text.endswith("xthe end")
    assert len(written.text) == 256 * 1024
    assert await told(runtime, job, handle, written.position) == Written("", written.position)
