"""Schedules of every kind within their bounds: next, last, backwards, counted."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.calendar.occurrences import (
    Span,
    at_moment,
    count_between,
    occurrences_before,
    schedule_last,
    schedule_next,
)
from reconciler.core.calendar.timetable import AtSchedule, CronSchedule, EverySchedule, Schedule


def utc(text: str) -> datetime:
    """`2026-03-29T01:00` as a moment."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span_between(
    schedule: Schedule, after: datetime, until: datetime, cap: int = 1000
) -> Span | None:
    """The occurrences later than `after`, up to and including `until`, as a reader puts them."""
    first = schedule_next(schedule, after)
    last = schedule_last(schedule, until + timedelta(microseconds=1))
    if first is None or last is None or first > last:
        return None
    return Span(first, last, *count_between(schedule, first, last, cap=cap))


NINE = CronSchedule("0 9 * * *", "Europe/Rome")
EPOCH_90M = EverySchedule(timedelta(minutes=90))
FROM_NOON = EverySchedule(timedelta(days=1), utc("2026-01-10T12:00"))
ONCE = AtSchedule(datetime(2026, 12, 1, 9), "Europe/Rome")  # noqa: DTZ001
EXACT = AtSchedule(datetime(2026, 12, 1, 9, tzinfo=timezone(timedelta(hours=-5))), "Europe/Rome")


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        pytest.param(NINE, "2026-01-01T00:00", "2026-01-01T08:00", id="cron"),
        pytest.param(EPOCH_90M, "2026-01-01T00:00", "2026-01-01T01:30", id="from the epoch"),
        pytest.param(EPOCH_90M, "1960-01-01T00:00", "1970-01-01T00:00", id="nothing before 1970"),
        pytest.param(
            FROM_NOON, "2025-12-01T00:00", "2026-01-10T12:00", id="the start is the first"
        ),
        pytest.param(FROM_NOON, "2026-01-10T12:00", "2026-01-11T12:00", id="then every day"),
        pytest.param(FROM_NOON, "2026-03-29T11:59:59.999999", "2026-03-29T12:00", id="in UTC"),
        pytest.param(FROM_NOON, "9999-12-31T12:00", None, id="the end of the calendar"),
        pytest.param(ONCE, "2026-01-01T00:00", "2026-12-01T08:00", id="once, local"),
        pytest.param(ONCE, "2026-12-01T08:00", None, id="once is once"),
        pytest.param(EXACT, "2026-01-01T00:00", "2026-12-01T14:00", id="once, exact"),
    ],
)
def test_the_next_occurrence(schedule: Schedule, after: str, expected: str | None) -> None:
    found = schedule_next(schedule, utc(after))
    assert found == (utc(expected) if expected else None)
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("schedule", "before", "expected"),
    [
        pytest.param(NINE, "2026-01-02T00:00", "2026-01-01T08:00", id="cron"),
        pytest.param(EPOCH_90M, "2026-01-01T01:30", "2026-01-01T00:00", id="from the epoch"),
        pytest.param(EPOCH_90M, "1970-01-01T00:00", None, id="nothing before 1970"),
        pytest.param(EPOCH_90M, "1970-01-01T00:00:00.000001", "1970-01-01T00:00", id="the epoch"),
        pytest.param(FROM_NOON, "2026-01-10T12:00", None, id="nothing before the start"),
        pytest.param(FROM_NOON, "2026-01-12T11:00", "2026-01-11T12:00", id="every day"),
        pytest.param(ONCE, "2026-12-01T08:00", None, id="once, not yet"),
        pytest.param(ONCE, "2026-12-01T08:00:01", "2026-12-01T08:00", id="once, passed"),
    ],
)
def test_the_last_occurrence(schedule: Schedule, before: str, expected: str | None) -> None:
    assert schedule_last(schedule, utc(before)) == (utc(expected) if expected else None)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param("2026-01-01T08:00", None, "2026-01-01T08:00", id="the start is included"),
        pytest.param(
            "2026-01-01T08:00:00.000001", None, "2026-01-02T08:00", id="a microsecond late"
        ),
        pytest.param(None, "2025-12-01T08:00", "2025-12-01T08:00", id="the end is included"),
        pytest.param(None, "2025-12-01T07:59:59.999999", None, id="nothing after the end"),
        pytest.param("2026-01-01T08:00", "2026-01-01T07:00", None, id="the end before the start"),
    ],
)
def test_bounds_of_the_next(start: str | None, end: str | None, expected: str | None) -> None:
    found = schedule_next(
        NINE,
        utc("2025-12-01T00:00"),
        start_at=utc(start) if start else None,
        end_at=utc(end) if end else None,
    )
    assert found == (utc(expected) if expected else None)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param(None, "2026-01-05T08:00", "2026-01-05T08:00", id="the end is included"),
        pytest.param(None, "2026-01-05T07:59", "2026-01-04T08:00", id="nothing after the end"),
        pytest.param("2026-01-31T08:00", None, "2026-01-31T08:00", id="the start is included"),
        pytest.param("2026-01-31T08:01", None, None, id="nothing before the start"),
    ],
)
def test_bounds_of_the_last(start: str | None, end: str | None, expected: str | None) -> None:
    found = schedule_last(
        NINE,
        utc("2026-02-01T00:00"),
        start_at=utc(start) if start else None,
        end_at=utc(end) if end else None,
    )
    assert found == (utc(expected) if expected else None)


def test_bounds_at_the_ends_of_the_calendar() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert schedule_next(NINE, first, start_at=first, end_at=last) is not None
    assert schedule_last(NINE, last, start_at=first, end_at=last) is not None


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="must have an offset"):
        schedule_next(EPOCH_90M, datetime(2026, 1, 1))  # noqa: DTZ001


def test_backwards_finds_only_what_is_asked_for() -> None:
    every_minute = CronSchedule("* * * * *")
    before = utc("2026-02-01T00:00")
    newest = islice(occurrences_before(every_minute, before, not_before=utc("0001-01-01T00:00")), 2)
    assert list(newest) == [utc("2026-01-31T23:59"), utc("2026-01-31T23:58")]


def test_backwards_ends_with_the_lower_bound() -> None:
    found = occurrences_before(
        NINE,
        utc("2026-01-10T08:00"),
        not_before=utc("2026-01-07T08:00"),
        end_at=utc("2026-01-08T08:00"),
    )
    assert list(found) == [utc("2026-01-08T08:00"), utc("2026-01-07T08:00")]
    started = occurrences_before(
        NINE,
        utc("2026-01-10T08:00"),
        not_before=utc("2026-01-01T00:00"),
        start_at=utc("2026-01-09T08:00"),
    )
    assert list(started) == [utc("2026-01-09T08:00")]


@pytest.mark.parametrize(
    ("schedule", "after", "until", "expected"),
    [
        pytest.param(
            NINE,
            "2026-01-01T08:00",
            "2026-01-04T08:00",
            Span(utc("2026-01-02T08:00"), utc("2026-01-04T08:00"), 3, exact=True),
            id="the lower end is excluded, the upper one included",
        ),
        pytest.param(NINE, "2026-01-01T08:00", "2026-01-02T07:59", None, id="nothing between"),
        pytest.param(NINE, "2026-01-04T08:00", "2026-01-01T08:00", None, id="an empty stretch"),
        pytest.param(
            CronSchedule("* * * * *"),
            "2026-01-01T00:00",
            "2026-02-01T00:00",
            Span(utc("2026-01-01T00:01"), utc("2026-02-01T00:00"), 1000, exact=False),
            id="a month of minutes is not counted to its end",
        ),
        pytest.param(
            EverySchedule(timedelta(seconds=1)),
            "2026-01-01T00:00",
            "2027-01-01T00:00",
            Span(utc("2026-01-01T00:00:01"), utc("2027-01-01T00:00"), 31_536_000, exact=True),
            id="a year of seconds is",
        ),
        pytest.param(
            ONCE,
            "2026-01-01T00:00",
            "2027-01-01T00:00",
            Span(utc("2026-12-01T08:00"), utc("2026-12-01T08:00"), 1, exact=True),
            id="once",
        ),
    ],
)
def test_spans(schedule: Schedule, after: str, until: str, expected: Span | None) -> None:
    assert span_between(schedule, utc(after), utc(until)) == expected


def test_a_count_that_ends_at_the_cap_is_exact() -> None:
    first, last = utc("2026-01-01T08:00"), utc("2026-01-10T08:00")
    assert count_between(NINE, first, last, cap=10) == (10, True)
    assert count_between(NINE, first, last, cap=9) == (9, False)


def test_a_local_moment_that_was_skipped_never_comes() -> None:
    schedule = AtSchedule(datetime(2011, 12, 30, 9), "Pacific/Apia")  # noqa: DTZ001
    assert at_moment(schedule) is None
    assert schedule_next(schedule, utc("2011-01-01T00:00")) is None
    assert schedule_last(schedule, utc("2012-01-01T00:00")) is None


@given(
    st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=3650)),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.datetimes(timezones=st.just(UTC)),
)
@settings(deadline=None)
def test_a_period_has_neither_gap_nor_overlap(
    interval: timedelta, start: datetime | None, after: datetime
) -> None:
    schedule = EverySchedule(interval, start)
    anchor = start or utc("1970-01-01T00:00")
    found, last = schedule_next(schedule, after), schedule_last(schedule, after)
    if found is not None:
        assert found > after
        assert (found - anchor) % interval == timedelta(0)
        assert found == anchor or found - interval <= after
        assert schedule_next(schedule, found - timedelta(microseconds=1)) == found
    if last is not None:
        assert anchor <= last < after
        assert (last - anchor) % interval == timedelta(0)
        assert after - last <= interval
    if found is not None and last is not None:
        assert count_between(schedule, last, found) == (round((found - last) / interval) + 1, True)


@given(
    st.sampled_from([NINE, EPOCH_90M, FROM_NOON, CronSchedule("*/7 * * * *", "Asia/Tokyo")]),
    st.datetimes(datetime(2025, 12, 1), datetime(2026, 2, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.timedeltas(timedelta(0), timedelta(days=4)),
)
@settings(deadline=None, max_examples=50)
def test_forwards_backwards_and_counted_are_one_row(
    schedule: Schedule, after: datetime, length: timedelta
) -> None:
    until = after + length
    forwards, at = [], schedule_next(schedule, after, end_at=until)
    while at is not None:
        forwards.append(at)
        at = schedule_next(schedule, at, end_at=until)
    tick = timedelta(microseconds=1)
    backwards = list(occurrences_before(schedule, until + tick, not_before=after + tick))
    assert forwards == backwards[::-1]
    span = span_between(schedule, after, until, cap=10_000)
    assert (span.count if span else 0) == len(forwards)


def test_a_period_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        EverySchedule(timedelta(0))
