"""Loops: notified or in time, never ended by a failure."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.base.errors import Unavailable
from reconciler.server import loops
from reconciler.server.loops import repeat
from reconciler.server.signals import Pace, WorkSignal

LONG = 3600.0


def test_a_notification_ends_the_sleep() -> None:
    async def body() -> None:
        notify = WorkSignal()
        sleeping = asyncio.create_task(notify.sleep(LONG))
        await asyncio.sleep(0)
        notify.notify()
        await asyncio.wait_for(sleeping, 60)

    asyncio.run(body())


def test_a_notification_between_two_sleeps_is_not_lost() -> None:
    async def body() -> None:
        notify = WorkSignal()
        notify.notify()
        notify.notify()
        await asyncio.wait_for(notify.sleep(LONG), 60)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(notify.sleep(LONG), 0.01)

    asyncio.run(body())


@pytest.mark.parametrize("seconds", [0, -5])
def test_no_time_is_no_sleep(seconds: float) -> None:
    asyncio.run(asyncio.wait_for(WorkSignal().sleep(seconds), 60))


def test_a_round_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "AFTER_FAILURE", 0.0)
    failures = [Unavailable("the database is away"), ValueError("a mistake"), KeyError("x")]

    async def body() -> int:
        rounds, done = 0, asyncio.Event()

        async def once() -> float:
            nonlocal rounds
            rounds += 1
            if failures:
                raise failures.pop()
            done.set()
            return LONG

        looping = asyncio.create_task(repeat("test", once, WorkSignal(), untold))
        await asyncio.wait_for(done.wait(), 60)
        looping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looping
        return rounds

    assert asyncio.run(body()) == 4


def test_each_notification_is_a_round() -> None:
    async def body() -> None:
        notify, rounds = WorkSignal(), asyncio.Queue[int]()
        looping = asyncio.create_task(repeat("test", lambda: counted(rounds), notify, untold))
        for _ in range(3):
            await asyncio.wait_for(rounds.get(), 60)
            notify.notify()
        looping.cancel()

    asyncio.run(body())


async def counted(rounds: "asyncio.Queue[int]") -> float:
    """A round that is noted."""
    await rounds.put(1)
    return LONG


async def untold() -> bool:
    """Nothing is in the log yet."""
    return False


def test_a_burst_of_notifications_is_one_round() -> None:
    async def body() -> int:
        notify, rounds = WorkSignal(), asyncio.Queue[int]()
        looping = asyncio.create_task(repeat("test", lambda: counted(rounds), notify, untold))
        await asyncio.wait_for(rounds.get(), 60)
        for _ in range(50):
            notify.notify()
        await asyncio.wait_for(rounds.get(), 60)
        looping.cancel()
        return rounds.qsize()

    assert asyncio.run(body()) == 0


PAUSES = st.lists(st.integers(0, 400).map(lambda each: each / 8), min_size=1, max_size=40)


@given(gap=st.integers(1, 80).map(lambda each: each / 8), burst=st.integers(1, 5), pauses=PAUSES)
def test_however_often_it_is_notified_there_are_so_many_rounds(
    gap: float, burst: int, pauses: list[float]
) -> None:
    """`pauses` are from the moment at which a round may begin until it is notified."""
    pace, now, begun = Pace(gap, burst), 100.0, list[float]()
    for pause in pauses:
        begun.append(now)
        wait = pace.begin(now)
        assert wait <= gap
        now += max(wait, pause)
    for first, since in enumerate(begun):
        for last, until in enumerate(begun[first:], start=first):
            assert last - first + 1 <= burst + (until - since) / gap


def test_what_comes_alone_waits_for_nothing() -> None:
    pace = Pace(0.05, 3)
    assert [pace.begin(at) for at in (1.0, 1.03, 1.1, 1.14)] == [0.0] * 4


def test_what_comes_again_and_again_waits() -> None:
    pace = Pace(1.0, 3)
    assert [pace.begin(5.0) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert pace.begin(6.0) == 1.0
    assert [pace.begin(99.0) for _ in range(3)] == [0.0, 0.0, 1.0], "as at the beginning"
