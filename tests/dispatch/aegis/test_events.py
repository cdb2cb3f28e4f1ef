"""Events of Aegis as hints to look sooner."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.runs.run import Completed, Failed
from reconciler.dispatch.aegis.events import LONGEST_LINE, Frames, Rhythm
from reconciler.dispatch.aegis.runtime import AegisSessions
from tests.dispatch.aegis.runtime_kit import QUICK, begin, end, job_on, sessions_in_real_time
from tests.dispatch.builders import poll
from tests.support.aegis.process import Aegis
from tests.support.eventually import eventually_async

RHYTHM = Rhythm(first_pause=0.02, longest_pause=0.05, between_hints=0.0)


@pytest.fixture
def anyio_backend() -> str:
    """Asyncio in real time: the stand-in is a process."""
    return "asyncio"


@pytest.fixture
def aegis(aegis: Aegis) -> Aegis:
    """The stand-in, quicker than a real one."""
    aegis.control(script=QUICK)
    return aegis


class Hints(asyncio.Event):
    """Counts the hints."""

    count = 0

    def set(self) -> None:
        """Another one."""
        self.count += 1
        super().set()


@asynccontextmanager
async def hinted(rhythm: Rhythm = RHYTHM) -> AsyncIterator[tuple[AegisSessions, Hints]]:
    hint = Hints()
    async with sessions_in_real_time(notify=hint.set, rhythm=rhythm) as runtime:
        yield runtime, hint
        await runtime.close()


async def listening(aegis: Aegis, streams: int = 1) -> None:
    """Until that many streams have been opened."""

    async def opened() -> bool:
        return aegis.calls.get("events", 0) >= streams

    await eventually_async(opened)


@pytest.mark.anyio
async def test_a_change_of_a_followed_session_is_a_hint(aegis: Aegis) -> None:
    aegis.control(script={"hold": True})
    job = job_on(aegis)
    async with hinted() as (runtime, hint):
        handle = await begin(runtime, job)
        await poll(runtime, job, handle)
        await listening(aegis)
        aegis.control(session=job.run_id, finish="Done.")
        await asyncio.wait_for(hint.wait(), 10)


@pytest.mark.anyio
async def test_what_others_do_is_no_hint_and_the_stream_is_opened_once(aegis: Aegis) -> None:
    aegis.control(script={"hold": True})
    job, other = job_on(aegis), job_on(aegis, spec={"workDir": "/srv/other"})
    async with hinted() as (runtime, hint):
        handle = await begin(runtime, job)
        await begin(runtime, other)
        for _ in range(3):
            await poll(runtime, job, handle)
        await listening(aegis)
        before = hint.count
        hint.clear()
        aegis.control(session=other.run_id, finish="Done.")
        aegis.control(session=job.run_id, finish="Done.")
        await asyncio.wait_for(hint.wait(), 10)
        assert hint.count == before + 1
        assert aegis.calls["events"] == aegis.calls["sse-token"] == 1


@pytest.mark.anyio
async def test_a_broken_stream_comes_back_and_misses_nothing(aegis: Aegis) -> None:
    aegis.control(script={"hold": True})
    jobs = [job_on(aegis, spec={"workDir": f"/srv/{i}"}) for i in range(2)]
    async with hinted() as (runtime, hint):
        followed = [(job, await begin(runtime, job)) for job in jobs]
        await runtime.observe(followed)
        await listening(aegis)
        aegis.control(session=jobs[0].run_id, finish="Done.")
        await asyncio.wait_for(hint.wait(), 10)
        hint.clear()
        aegis.control(fault={"endpoint": "sse-token", "status": 500, "times": 2})
        aegis.control(drop_streams=True)
        aegis.control(session=jobs[1].run_id, finish="Done.")  # while nobody listens
        await asyncio.wait_for(hint.wait(), 10)


@pytest.mark.anyio
@pytest.mark.parametrize(("fails", "expected"), [(None, Completed), ("Odd words.", Failed)])
async def test_of_a_server_without_hook_fields_the_events_tell_the_end(
    aegis: Aegis, fails: str | None, expected: type[Completed | Failed]
) -> None:
    aegis.control(script={"later_build": True, "work": 1.0, "fails": fails})
    job = job_on(aegis)
    async with hinted() as (runtime, _):
        handle = await begin(runtime, job)
        await poll(runtime, job, handle)
        await listening(aegis)
        assert isinstance(await end(runtime, job, handle), expected)


@pytest.mark.anyio
async def test_without_events_polling_goes_on(aegis: Aegis) -> None:
    aegis.control(fault={"endpoint": "sse-token", "status": 404, "html": True, "times": 1000})
    job = job_on(aegis)
    async with hinted() as (runtime, hint):
        handle = await begin(runtime, job)

        async def tried() -> bool:
            await poll(runtime, job, handle)
            return aegis.calls.get("sse-token", 0) > 2

        await eventually_async(tried)
        assert not hint.is_set()


@pytest.mark.anyio
async def test_a_server_that_nobody_looks_at_is_not_listened_to(aegis: Aegis) -> None:
    job = job_on(aegis)
    async with hinted(Rhythm(first_pause=0.01, silence=0.05, unused=0.1)) as (runtime, _):
        handle = await begin(runtime, job)
        await poll(runtime, job, handle)
        (listener,) = runtime._listeners.values()

        async def over() -> bool:
            return listener._task is not None and listener._task.done()

        await eventually_async(over)
        ended = listener._task
        await poll(runtime, job, handle)
        assert listener._task is not ended  # it may be over again by now


STREAM = (
    b': hello\n\nid: 7\ndata: {"a":\ndata: 1}\n\nevent: x\r\ndata:b\r\n\r\nid: 9\n\ndata: c\n\nda'
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_frames_do_not_depend_on_how_the_bytes_arrive(cuts: list[int]) -> None:
    frames, found, at = Frames(), [], 0
    for cut in [*sorted(cuts), len(STREAM)]:
        found += frames.feed(STREAM[at:cut])
        at = cut
    assert found == [("7", '{"a":\n1}'), (None, "b"), (None, "c")]


def test_a_line_without_end_is_refused() -> None:
    frames = Frames()
    with pytest.raises(ValueError, match="without end"):
        frames.feed(b"x" * (LONGEST_LINE + 1))
