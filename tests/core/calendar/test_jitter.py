"""Jitter: stable, spread, and below every bound."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.calendar.jitter import jitter_of

AT = datetime(2026, 1, 1, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("jitter", "gap"),
    [
        pytest.param(timedelta(0), MINUTE, id="no jitter"),
        pytest.param(timedelta(milliseconds=1), None, id="nothing is below the first millisecond"),
        pytest.param(MINUTE, timedelta(0), id="no gap"),
        pytest.param(timedelta(seconds=-5), None, id="a jitter below nothing"),
    ],
)
def test_no_room_is_no_jitter(jitter: timedelta, gap: timedelta | None) -> None:
    assert jitter_of("trigger", AT, jitter, gap) == timedelta(0)


def test_it_never_changes() -> None:
    # Written down: a replica of another version must come to the same moment.
    assert jitter_of("trigger", AT, timedelta(hours=1), None) == timedelta(milliseconds=1401295)


def test_the_moment_counts_and_not_how_it_is_written() -> None:
    tokyo = AT.astimezone(timezone(timedelta(hours=9)))
    assert jitter_of("t", tokyo, MINUTE, None) == jitter_of("t", AT, MINUTE, None)


def test_triggers_and_occurrences_are_spread() -> None:
    by_trigger = [jitter_of(f"trigger-{n}", AT, MINUTE, None) for n in range(600)]
    by_moment = [jitter_of("trigger", AT + n * MINUTE, MINUTE, None) for n in range(600)]
    for found in (by_trigger, by_moment):
        quarters = [sum(1 for f in found if f // (MINUTE / 4) == q) for q in range(4)]
        assert min(quarters) > 100


@given(
    st.text(max_size=50),
    st.datetimes(timezones=st.just(UTC)),
    st.timedeltas(timedelta(0), timedelta(days=3650)),
    st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=3650)),
)
def test_it_stays_below_both_bounds(
    trigger: str, at: datetime, jitter: timedelta, gap: timedelta | None
) -> None:
    found = jitter_of(trigger, at, jitter, gap)
    assert found % timedelta(milliseconds=1) == timedelta(0)
    assert timedelta(0) <= found
    assert found == timedelta(0) or found < jitter
    assert found == timedelta(0) or gap is None or found < gap
