"""Loops: notified or in time, never ended by a failure."""

import asyncio

import pytest

from reconciler.core.base.errors import Unavailable
from reconciler.server import loops
from reconciler.server.loops import repeat
from reconciler.server.signals import WorkSignal

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
            await asyncio.sleep(0)
        await asyncio.wait_for(rounds.get(), 60)
        looping.cancel()
        return rounds.qsize()

    assert asyncio.run(body()) == 0
