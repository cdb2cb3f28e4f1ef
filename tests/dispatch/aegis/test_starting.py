"""One session and one prompt for a run, whatever is lost on the way."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from reconciler.core.runs.run import Completed, Failed, Reason
from reconciler.dispatch.aegis.runtime import AegisSessions
from reconciler.dispatch.base import Ended, Handle, Job, Started, TargetDown, Transient
from tests.dispatch.aegis.runtime_kit import begin, end, job_on, sessions_of
from tests.dispatch.builders import PROMPT, Recorder
from tests.support.aegis.local import LocalAegis, Loss

pytestmark = pytest.mark.anyio

LONG = "\n".join(["Read this line."] * 800)


def lose(server: LocalAegis, loss: Loss, method: str, ending: str, times: int = 1) -> None:
    """Lose the next such exchanges."""
    left = [times]

    def decide(request: httpx.Request) -> Loss | None:
        hit = request.method == method and request.url.path.endswith(ending) and left[0] > 0
        left[0] -= hit
        return loss if hit else None

    server.lose = decide


async def test_a_session_carries_the_runs_id_and_what_the_manifest_sets(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    spec = {"permissionMode": "plan", "model": "sonnet"}
    job, recorder = job_on(server, spec=spec, env={"AUTOPILOT_TOKEN": "x"}), Recorder()
    handle = await begin(runtime, job, recorder)
    (session,) = server.world.sessions.values()
    assert session.name == job.run_id
    assert session.permission_mode == "plan"
    assert session.extra == {"env": {"AUTOPILOT_TOKEN": "x"}, "model": "sonnet"}
    assert [h.detail["phase"] for h in recorder.handles] == ["made", "sent", "working"]
    assert {h.session_id for h in recorder.handles} == {session.id}
    assert handle == recorder.last


async def test_the_handle_is_recorded_before_the_prompt_is_sent(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    seen: list[int] = []

    async def record(handle: Handle) -> None:
        if handle.detail["phase"] != "working":
            seen.append(server.calls.get("send", 0))

    await runtime.start(job_on(server), record)
    assert seen == [0, 0]


@pytest.mark.parametrize("text", ["", " \n\t", "\x00"])
async def test_a_run_without_a_description_asks_for_its_title(
    runtime: AegisSessions, server: LocalAegis, text: str
) -> None:
    job = job_on(server, prompt=text)
    assert isinstance(await end(runtime, job, await begin(runtime, job)), Completed)
    assert server.prompts(job.run_id) == [job.title]


@pytest.mark.parametrize("length", [10_000, 99_000])
async def test_a_long_prompt_goes_with_the_creation(
    runtime: AegisSessions, server: LocalAegis, length: int
) -> None:
    text = ("- é Read this line.\n" * 10_000)[:length].strip()
    job = job_on(server, prompt=text)
    handle = await begin(runtime, job)
    assert isinstance(await end(runtime, job, handle), Completed)
    assert [said.split() for said in server.prompts(job.run_id)] == [text.split()]
    assert "send" not in server.calls


async def test_a_prompt_beyond_all_limits_is_cut_and_says_so(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    text = f"Do it.\n<untrusted-payload n1>\n{'🙂' * 80_000}\n</untrusted-payload n1>"
    job = job_on(server, prompt=text)
    assert isinstance(await end(runtime, job, await begin(runtime, job)), Completed)
    (arrived,) = server.prompts(job.run_id)
    assert arrived.startswith("Do it.\n<untrusted-payload n1>\n🙂")
    assert arrived.endswith("\n</untrusted-payload n1>")
    assert "[cut: " in arrived


async def test_a_session_with_variables_takes_a_long_payload_cut_and_no_long_task(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    """A batch takes no variables, and a single creation may type into a stranger's session."""
    text = f"Do it.\n<untrusted-payload n1>\n{'z ' * 20_000}\n</untrusted-payload n1>"
    job = job_on(server, prompt=text, env={"AUTOPILOT_TOKEN": "x"})
    await begin(runtime, job)
    (arrived,) = server.prompts(job.run_id)
    assert arrived.endswith("\n</untrusted-payload n1>")
    start = await runtime.start(
        job_on(server, prompt=LONG, spec={"workDir": "/srv/x", "model": "opus"}), Recorder()
    )
    assert isinstance(start, Ended)
    assert "shorten spec.description" in str(start.outcome)


async def test_two_long_prompts_wait_for_each_others_batch(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    jobs = [job_on(server, prompt=LONG, spec={"workDir": f"/srv/{i}"}) for i in range(3)]
    started = await asyncio.gather(*(runtime.start(job, Recorder()) for job in jobs))
    assert all(isinstance(start, Started) for start in started), started


@pytest.mark.parametrize("text", [PROMPT, LONG], ids=["short", "long"])
async def test_a_second_attempt_finds_the_session_of_the_first(
    runtime: AegisSessions, server: LocalAegis, text: str
) -> None:
    """The first attempt died after the creation, before its handle was recorded."""
    others = [{"name": f"other-{i}", "workDir": f"/srv/{i}", "key": "key-1"} for i in range(150)]
    server.control(plant=others)  # so that it is not on the first page
    job = job_on(server, prompt=text)
    await left_by_a_crash(server, job)
    handle = await begin(runtime, replace(job, attempt=2))
    assert isinstance(await end(runtime, job, handle), Completed)
    assert len(server.prompts(job.run_id)) == 1
    assert server.world.made[job.run_id] == 1


async def left_by_a_crash(server: LocalAegis, job: Job) -> None:
    """Start a run and die before anything is recorded."""

    async def record(_handle: Handle) -> None:
        raise ConnectionError

    async with sessions_of(server) as dying:
        with pytest.raises(ConnectionError):
            await dying.start(job, record)


@pytest.mark.parametrize("text", [PROMPT, LONG], ids=["short", "long"])
async def test_a_creation_whose_answer_is_lost_is_not_repeated(
    runtime: AegisSessions, server: LocalAegis, text: str
) -> None:
    lose(server, Loss.UNHEARD, "POST", "/sessions" if text == PROMPT else "/batch")
    job = job_on(server, prompt=text)
    handle = await begin(runtime, job)
    assert isinstance(await end(runtime, job, handle), Completed)
    assert len(server.prompts(job.run_id)) == 1
    assert server.world.made[job.run_id] == 1


async def test_a_creation_that_failed_is_transient(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.control(fault={"endpoint": "create", "status": 500})
    start = await runtime.start(job_on(server), Recorder())
    assert isinstance(start, Transient)
    assert "answered 500 to POST /v1/sessions: As the test asked" in start.message
    assert server.calls["list"] == 2, "it was searched for"


async def test_a_batch_that_could_not_type_is_made_good_by_another_session(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.control(script={"typing_fails": True})
    job, recorder = job_on(server, prompt=LONG), Recorder()
    start = await runtime.start(job, recorder)
    assert isinstance(start, Transient)
    server.control(script={"typing_fails": False})
    handle = await begin(runtime, replace(job, attempt=2, handle=recorder.last), recorder)
    assert isinstance(await end(runtime, job, handle), Completed)
    assert len(server.prompts(job.run_id)) == 1


@pytest.mark.parametrize("owner", ["key-1", "key-2"])
async def test_an_idle_session_of_somebody_is_never_used(
    runtime: AegisSessions, server: LocalAegis, owner: str
) -> None:
    server.control(plant=[{"name": "somebody", "workDir": "/srv/demo", "key": owner}])
    recorder = Recorder()
    start = await runtime.start(job_on(server), recorder)
    assert isinstance(start, TargetDown)
    assert start.in_the_way == "somebody"
    assert recorder.handles == []
    assert server.prompts("somebody") == []
    server.control(session="somebody", die=True)
    assert isinstance(await runtime.start(job_on(server), recorder), Started)


async def test_a_prompt_that_was_eaten_goes_to_another_session(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.control(script={"eaten": 1})
    job, recorder = job_on(server), Recorder()
    handle = await begin(runtime, job, recorder)
    assert isinstance(await end(runtime, job, handle), Completed)
    assert server.prompts(job.run_id) == [PROMPT]
    assert server.world.made[job.run_id] == 2
    assert [h.session_id is None for h in recorder.handles] == [False, False, True] + [False] * 3


async def test_a_prompt_that_is_eaten_for_ever_ends_the_attempt(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.control(script={"eaten": 100})
    start = await runtime.start(job_on(server), Recorder())
    assert isinstance(start, Transient)
    assert start.message.endswith("did not take its prompt, 3 times")
    assert server.world.sessions == {}


@pytest.mark.parametrize("loss", [*Loss])
async def test_an_unanswered_send_is_looked_up_in_the_transcript(
    runtime: AegisSessions, server: LocalAegis, loss: Loss
) -> None:
    lose(server, loss, "POST", "/send")
    job = job_on(server)
    handle = await begin(runtime, job)
    assert isinstance(await end(runtime, job, handle), Completed)
    assert server.prompts(job.run_id) == [PROMPT]


@pytest.mark.parametrize("recorded", [0, 1], ids=["made", "sent"])
async def test_a_crash_between_two_records_never_sends_twice(
    runtime: AegisSessions, server: LocalAegis, recorded: int
) -> None:
    """The process dies just before the record that comes next."""
    job, kept = job_on(server), Recorder()

    async def record(handle: Handle) -> None:
        if len(kept.handles) > recorded:
            raise ConnectionError
        await kept(handle)

    with pytest.raises(ConnectionError):
        await runtime.start(job, record)
    async with sessions_of(server) as next_server:
        handle = await begin(next_server, replace(job, attempt=2, handle=kept.last))
        assert isinstance(await end(next_server, job, handle), Completed)
    assert server.prompts(job.run_id) == [PROMPT]
    assert server.world.made[job.run_id] == 1


async def test_a_crash_of_aegis_before_the_prompt_costs_a_session_and_no_wait(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.control(script={"boot": 5.0})
    job = job_on(server)
    starting = asyncio.create_task(begin(runtime, job))
    await asyncio.sleep(2)
    server.control(crash=True)
    assert isinstance(await end(runtime, job, await starting), Completed)
    assert server.prompts(job.run_id) == [PROMPT]


async def test_a_verification_that_fails_uses_up_no_attempt(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.control(fault={"endpoint": "transcript", "status": 502, "html": True, "times": 100})
    job, recorder = job_on(server), Recorder()
    start = await runtime.start(job, recorder)
    assert isinstance(start, TargetDown)
    server.world.faults.pending.clear()
    handle = await begin(runtime, replace(job, attempt=2, handle=recorder.last))
    assert isinstance(await end(runtime, job, handle), Completed)
    assert server.prompts(job.run_id) == [PROMPT]


async def test_a_prompt_of_somebody_else_in_our_session_fails_the_run(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    server.control(script={"eaten": 1, "boot": 3.0})
    job = job_on(server)
    starting = asyncio.create_task(runtime.start(job, Recorder()))
    await asyncio.sleep(1)
    stranger = server.world.create("key-2", {"name": "x", "workDir": "/srv/demo"})
    stranger.agent.ready_at = 0.0
    server.world.script.eaten = 0
    server.world.type(stranger, "Something else.")
    server.world.script.eaten = 1
    start = await starting
    assert isinstance(start, Ended)
    assert isinstance(start.outcome, Failed)
    assert start.outcome.reason is Reason.SESSION_FAILED
    assert "'Something else.'" in start.outcome.message
    assert server.at_work(job.run_id) == 0


async def test_a_handle_of_an_earlier_version_is_gone_on_with(
    runtime: AegisSessions, server: LocalAegis
) -> None:
    job = job_on(server)
    handle = await begin(runtime, job)
    old = {"url": server.url, "since": handle.detail["since"]}
    for prompted in (True, False):
        earlier = Handle(handle.session_id, old | {"prompted": prompted})
        resumed = await begin(runtime, replace(job, attempt=2, handle=earlier))
        assert resumed.session_id == handle.session_id
        assert resumed.detail["phase"] == "working"
    assert server.prompts(job.run_id) == [PROMPT]
