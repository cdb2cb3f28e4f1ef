"""Days by which money is counted: each moment belongs to one, and each begins once."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.calendar.days import day_of, days_between, start_of

ZONES = st.sampled_from(
    ["UTC", "Europe/Rome", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "Asia/Beirut"]
)
FIRST = datetime(1971, 1, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=43_000)).map(FIRST.__add__)


@given(MOMENTS, ZONES)
def test_a_moment_lies_in_its_day(moment: datetime, timezone: str) -> None:
    day = day_of(moment, timezone)
    assert start_of(day, timezone) <= moment < start_of(day + timedelta(days=1), timezone)


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=40)), ZONES)
def test_days_cover_a_stretch_without_gap_and_overlap(
    start: datetime, length: timedelta, timezone: str
) -> None:
    end = start + length
    days = list(days_between(start, end, timezone))
    edges = [start, *(day.end for day in days)]
    assert [day.start for day in days] == edges[:-1]
    assert edges[-1] == end
    assert all(day_of(day.start, timezone) == day.date for day in days)


@pytest.mark.parametrize(
    ("day", "timezone", "expected"),
    [
        pytest.param(date(2026, 11, 2), "UTC", "2026-11-02T00:00+00:00", id="UTC"),
        pytest.param(date(2026, 7, 1), "Europe/Rome", "2026-06-30T22:00+00:00", id="ahead"),
        pytest.param(
            date(2018, 11, 4), "America/Sao_Paulo", "2018-11-04T03:00+00:00", id="no midnight"
        ),
        pytest.param(
            date(2018, 11, 4), "America/Havana", "2018-11-04T04:00+00:00", id="midnight twice"
        ),
        pytest.param(
            date(2011, 12, 30), "Pacific/Apia", "2011-12-30T10:00+00:00", id="a day left out"
        ),
    ],
)
def test_when_a_day_begins(day: date, timezone: str, expected: str) -> None:
    assert start_of(day, timezone) == datetime.fromisoformat(expected)
