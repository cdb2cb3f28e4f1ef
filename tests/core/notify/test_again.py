"""When a message is tried again."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.notify.again import GIVE_UP_AFTER, next_attempt, pause_after

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
IDS = st.text("abcdef0123456789", min_size=8, max_size=8)


@given(entry=IDS, times=st.integers(1, 1000))
def test_the_pause_grows_to_a_quarter_of_an_hour_and_is_shortened_by_half_at_most(
    entry: str, times: int
) -> None:
    longest = min(timedelta(minutes=15), timedelta(seconds=5) * (1 << min(times - 1, 20)))
    assert longest / 2 <= pause_after(entry, times) <= longest


def test_those_that_failed_together_do_not_come_back_together() -> None:
    assert len({pause_after(f"entry-{number}", 5) for number in range(50)}) > 25


@given(
    entry=IDS,
    times=st.integers(1, 50),
    age=st.integers(0, 90_000),
    wait=st.none() | st.floats(0, 1e9),
)
def test_it_is_tried_until_it_is_a_day_old(
    entry: str, times: int, age: int, wait: float | None
) -> None:
    created = NOW - timedelta(seconds=age)
    again = next_attempt(entry, created, times, NOW, wait)
    if timedelta(seconds=age) >= GIVE_UP_AFTER:
        assert again is None
    else:
        assert again is not None
        assert NOW < again <= created + GIVE_UP_AFTER


def test_a_receiver_that_asks_for_time_gets_it_up_to_an_hour() -> None:
    assert next_attempt("a", NOW, 1, NOW, 120.0) == NOW + timedelta(seconds=120)
    assert next_attempt("a", NOW, 1, NOW, 1e9) == NOW + timedelta(hours=1)
