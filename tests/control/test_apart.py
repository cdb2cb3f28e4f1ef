"""What failed rests for a while, is told once, and is forgotten once it succeeds."""

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from reconciler.control.apart import (
    AGAIN_AT_ONCE,
    FIRST_PAUSE,
    FORGOTTEN_AFTER,
    LONGEST_PAUSE,
    MOST,
    Failures,
)
from reconciler.core.base.errors import Locked, Unavailable
from tests.support.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def failures(clock: FakeClock) -> Failures:
    return Failures(clock.monotonic)


def fail(failures: Failures, *ids: str, error: Exception | None = None) -> int:
    """Let each of them fail; return how many are logged."""
    with capture_logs() as logs:
        for id_ in ids:
            with failures.apart(id_, "it failed"):
                raise error or ValueError("no")
    return len(logs)


def test_it_is_told_when_it_begins_and_when_it_is_another_failure(failures: Failures) -> None:
    assert fail(failures, "a") == 1
    assert fail(failures, "a") == 0
    assert fail(failures, "a", error=ValueError("something else")) == 1


def test_what_succeeds_is_remembered_no_more_and_told_again_when_it_fails_anew(
    failures: Failures,
) -> None:
    fail(failures, "a")
    with failures.apart("a", "it failed"):
        pass
    assert failures.ids() == failures.left_out() == frozenset()
    assert fail(failures, "a") == 1


def test_it_rests_twice_as_long_each_time_and_never_longer_than_minutes(
    failures: Failures, clock: FakeClock
) -> None:
    pauses = []
    for _ in range(12):
        fail(failures, "a")
        pause = FIRST_PAUSE
        while failures.left_out():
            clock.advance(seconds=FIRST_PAUSE / 2)
            pause += FIRST_PAUSE / 2
        pauses.append(pause - FIRST_PAUSE)
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE


def test_a_round_tries_a_few_again_and_each_has_its_turn(
    failures: Failures, clock: FakeClock
) -> None:
    ids = [f"{number:03}" for number in range(3 * AGAIN_AT_ONCE)]
    fail(failures, *ids)
    clock.advance(seconds=FIRST_PAUSE)
    tried = [sorted({*ids} - failures.left_out()) for _ in range(3)]
    assert [len(turn) for turn in tried] == [AGAIN_AT_ONCE] * 3
    assert [id_ for turn in tried for id_ in turn] == ids


def test_what_is_gone_without_us_is_forgotten(failures: Failures, clock: FakeClock) -> None:
    fail(failures, "a")
    clock.advance(seconds=FORGOTTEN_AFTER + 1)
    assert failures.left_out() == failures.ids() == frozenset()


def test_of_too_many_those_that_failed_last_are_remembered(failures: Failures) -> None:
    with capture_logs():
        fail(failures, *(f"{number}" for number in range(MOST + 1)))
    assert len(failures.ids()) == MOST
    assert "0" not in failures.ids()


@pytest.mark.parametrize("error", [Locked("…"), Unavailable("…")])
def test_a_database_that_is_away_is_the_fault_of_none(failures: Failures, error: Exception) -> None:
    with pytest.raises(type(error)):
        fail(failures, "a", error=error)
    assert not failures.ids()


def test_what_cannot_be_done_together_is_done_for_each_alone(failures: Failures) -> None:
    calls: list[Sequence[str]] = []

    async def work(ids: Sequence[str]) -> Sequence[str]:
        calls.append(ids)
        if "b" in ids:
            raise ValueError("no")
        return ids

    async def body() -> None:
        with capture_logs():
            assert await failures.together(["a", "b", "c"], work, "it failed") == ["a", "c"]
        assert calls == [["a", "b", "c"], ["a"], ["b"], ["c"]]
        assert failures.ids() == {"b"}
        assert await failures.together(["a", "c"], work, "it failed") == ["a", "c"]

    asyncio.run(body())
