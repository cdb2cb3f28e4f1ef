"""next_after and last_before through clock changes, at the edges of time, and their laws."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from reconciler.core.calendar.cron import parse
from reconciler.core.calendar.errors import CronError, CronNeverFires, TimezoneError
from reconciler.core.calendar.schedule import (
    last_before,
    local_instant,
    local_time,
    next_after,
    occurrences,
)
from tests.support.crons import any_moments, expressions, moments, texts, zones


def utc(text: str) -> datetime:
    """`2026-03-29T01:00` as a moment."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fired(expr: str, zone: str, start: str, end: str) -> list[str]:
    """The occurrences from `start` (a moment in UTC) up to `end`, as local time and offset."""
    found, at = [], next_after(expr, zone, utc(start) - timedelta(microseconds=1))
    while at is not None and at < utc(end):
        found.append(local_time(at, zone).isoformat(timespec="minutes")[5:])
        at = next_after(expr, zone, at)
    return found


@pytest.mark.parametrize(
    ("expr", "zone", "start", "end", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            "Europe/Rome",
            "2026-03-28T00:00",
            "2026-03-31T00:00",
            ["03-28T02:30+01:00", "03-29T03:00+02:00", "03-30T02:30+02:00"],
            id="Rome, spring: a fixed time in the gap fires once, right after it",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Rome",
            "2026-10-24T00:00",
            "2026-10-27T00:00",
            ["10-24T02:30+02:00", "10-25T02:30+02:00", "10-26T02:30+01:00"],
            id="Rome, autumn: a fixed time in the overlap fires at the first of two",
        ),
        pytest.param(
            "0,20,40 2,3 * * *",
            "Europe/Rome",
            "2026-03-29T00:00",
            "2026-03-29T03:00",
            ["03-29T03:00+02:00", "03-29T03:20+02:00", "03-29T03:40+02:00"],
            id="Rome, spring: three fixed times in the gap and the one after it are one occurrence",
        ),
        pytest.param(
            "*/30 * * * *",
            "Europe/Rome",
            "2026-03-29T00:00",
            "2026-03-29T02:00",
            ["03-29T01:00+01:00", "03-29T01:30+01:00", "03-29T03:00+02:00", "03-29T03:30+02:00"],
            id="Rome, spring: an interval job skips the minutes that do not exist",
        ),
        pytest.param(
            "*/30 2 * * *",
            "Europe/Rome",
            "2026-03-28T12:00",
            "2026-03-30T12:00",
            ["03-30T02:00+02:00", "03-30T02:30+02:00"],
            id="Rome, spring: an interval job within the gap does not fire on that day",
        ),
        pytest.param(
            "*/30 2 * * *",
            "Europe/Rome",
            "2026-10-25T00:00",
            "2026-10-25T12:00",
            ["10-25T02:00+02:00", "10-25T02:30+02:00", "10-25T02:00+01:00", "10-25T02:30+01:00"],
            id="Rome, autumn: an interval job fires twice in the repeated hour",
        ),
        pytest.param(
            "@hourly",
            "America/New_York",
            "2026-11-01T04:00",
            "2026-11-01T07:00",
            ["11-01T00:00-04:00", "11-01T01:00-04:00", "11-01T01:00-05:00"],
            id="New York, autumn: @hourly is an interval job",
        ),
        pytest.param(
            "0-59/30 1 * * *",
            "America/New_York",
            "2026-11-01T00:00",
            "2026-11-02T00:00",
            ["11-01T01:00-04:00", "11-01T01:30-04:00"],
            id="New York, autumn: all minutes without a star are a fixed job",
        ),
        pytest.param(
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T00:00",
            "2026-10-05T00:00",
            ["10-04T02:30+11:00", "10-05T02:15+11:00"],
            id="Lord Howe: a gap of 30 minutes",
        ),
        pytest.param(
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T00:00",
            "2026-04-06T00:00",
            ["04-05T01:45+11:00", "04-06T01:45+10:30"],
            id="Lord Howe: an overlap of 30 minutes",
        ),
        pytest.param(
            "*/15 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T12:00",
            "2026-04-04T17:00",
            [
                "04-05T01:00+11:00",
                "04-05T01:15+11:00",
                "04-05T01:30+11:00",
                "04-05T01:45+11:00",
                "04-05T01:30+10:30",
                "04-05T01:45+10:30",
            ],
            id="Lord Howe: half an hour is repeated",
        ),
        pytest.param(
            "0 9 * * *",
            "Pacific/Apia",
            "2011-12-29T12:00",
            "2012-01-01T00:00",
            ["12-29T09:00-10:00", "12-31T09:00+14:00", "01-01T09:00+14:00"],
            id="Apia 2011: a day that the date line took is skipped over",
        ),
        pytest.param(
            "*/60 9 30 * *",
            "Pacific/Apia",
            "2011-12-01T00:00",
            "2012-02-01T00:00",
            ["01-30T09:00+14:00"],
            id="Apia 2011: so it is for an interval job",
        ),
        pytest.param(
            "0 18 * * *",
            "Antarctica/Vostok",
            "1994-01-30T20:00",
            "1994-02-02T20:00",
            ["01-31T18:00+07:00", "02-01T18:00+00:00", "02-02T18:00+00:00"],
            id="Vostok 1994: seven hours back, and still the first of two",
        ),
        pytest.param(
            "30 1 * * *",
            "Antarctica/Casey",
            "2009-10-16T00:00",
            "2009-10-19T00:00",
            ["10-17T01:30+08:00", "10-18T01:30+08:00", "10-19T01:30+11:00"],
            id="Casey 2009: before a gap of three hours",
        ),
        pytest.param(
            "30 3 * * *",
            "Antarctica/Casey",
            "2009-10-16T00:00",
            "2009-10-19T00:00",
            ["10-17T03:30+08:00", "10-18T05:00+11:00", "10-19T03:30+11:00"],
            id="Casey 2009: three hours are not more than three hours",
        ),
        pytest.param(
            "0 0 * * *",
            "America/Sao_Paulo",
            "2018-11-03T00:00",
            "2018-11-06T00:00",
            ["11-03T00:00-03:00", "11-04T01:00-02:00", "11-05T00:00-02:00"],
            id="Sao Paulo: a day that begins at one o'clock",
        ),
        pytest.param(
            "0 0 * * *",
            "Asia/Beirut",
            "2026-03-27T00:00",
            "2026-03-30T00:00",
            ["03-28T00:00+02:00", "03-29T01:00+03:00", "03-30T00:00+03:00"],
            id="Beirut: midnight does not exist",
        ),
        pytest.param(
            "30 23 * * *",
            "Asia/Beirut",
            "2026-10-24T00:00",
            "2026-10-26T00:00",
            ["10-24T23:30+03:00", "10-25T23:30+02:00"],
            id="Beirut: the hour before midnight comes twice",
        ),
        pytest.param(
            "30 2 * * *",
            "Antarctica/Troll",
            "2026-03-28T00:00",
            "2026-03-31T00:00",
            ["03-28T02:30+00:00", "03-29T03:00+02:00", "03-30T02:30+02:00"],
            id="Troll: a gap of two hours",
        ),
        pytest.param(
            "0 * * * *",
            "Antarctica/Troll",
            "2026-10-24T23:00",
            "2026-10-25T04:00",
            [
                "10-25T01:00+02:00",
                "10-25T02:00+02:00",
                "10-25T01:00+00:00",
                "10-25T02:00+00:00",
                "10-25T03:00+00:00",
            ],
            id="Troll: two hours are repeated",
        ),
        pytest.param(
            "30 2 * * *",
            "Africa/Casablanca",
            "2026-02-14T00:00",
            "2026-02-17T00:00",
            ["02-14T02:30+01:00", "02-15T02:30+01:00", "02-16T02:30+00:00"],
            id="Casablanca: Ramadan sets the clock back",
        ),
        pytest.param(
            "30 2 * * *",
            "Africa/Casablanca",
            "2026-03-21T00:00",
            "2026-03-24T00:00",
            ["03-21T02:30+00:00", "03-22T03:00+01:00", "03-23T02:30+01:00"],
            id="Casablanca: and ahead after it",
        ),
        pytest.param(
            "30 1 * * *",
            "Europe/Dublin",
            "2026-03-28T00:00",
            "2026-03-31T00:00",
            ["03-28T01:30+00:00", "03-29T02:00+01:00", "03-30T01:30+01:00"],
            id="Dublin, whose winter time is the daylight saving: the gap",
        ),
        pytest.param(
            "30 1 * * *",
            "Europe/Dublin",
            "2026-10-24T00:00",
            "2026-10-27T00:00",
            ["10-24T01:30+01:00", "10-25T01:30+01:00", "10-26T01:30+00:00"],
            id="Dublin, whose winter time is the daylight saving: the overlap",
        ),
    ],
)
def test_clock_changes(expr: str, zone: str, start: str, end: str, expected: list[str]) -> None:
    assert fired(expr, zone, start, end) == expected


@pytest.mark.parametrize(
    ("zone", "after", "expected"),
    [
        pytest.param("Africa/Monrovia", "1971-06-01T00:00", "1971-06-01T09:44:30", id="Monrovia"),
        pytest.param("Europe/Rome", "1850-01-01T00:00", "1850-01-01T08:10:04", id="old Rome"),
    ],
)
def test_offsets_of_seconds(zone: str, after: str, expected: str) -> None:
    at = utc(expected)
    assert next_after("0 9 * * *", zone, utc(after)) == at
    assert next_after("*/60 9 * * *", zone, utc(after)) == at
    assert local_time(at, zone).strftime("%H:%M:%S") == "09:00:00"
    assert last_before("0 9 * * *", zone, at + timedelta(microseconds=1)) == at


def test_a_gap_of_44_minutes_and_30_seconds() -> None:
    found = next_after("0-59/20 0 * * *", "Africa/Monrovia", utc("1972-01-06T12:00"))
    assert found == utc("1972-01-07T00:44:30")
    assert next_after("0 0 * * *", "Africa/Monrovia", utc("1972-01-07T00:44:29")) == found


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param("2026-01-01T09:00:00", "2026-01-02T09:00", id="the moment itself is excluded"),
        pytest.param("2026-01-01T08:59:59.999999", "2026-01-01T09:00", id="a microsecond before"),
        pytest.param("2026-01-01T09:00:00.000001", "2026-01-02T09:00", id="a microsecond after"),
        pytest.param("2026-01-01T08:59:30", "2026-01-01T09:00", id="seconds before"),
    ],
)
def test_next_after_excludes_exactly_the_moment(after: str, expected: str) -> None:
    assert next_after("0 9 * * *", "UTC", utc(after)) == utc(expected)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        pytest.param("2026-01-02T09:00:00", "2026-01-01T09:00", id="the moment itself is excluded"),
        pytest.param("2026-01-02T09:00:00.000001", "2026-01-02T09:00", id="a microsecond after"),
        pytest.param("2026-01-02T08:59:59.999999", "2026-01-01T09:00", id="a microsecond before"),
        pytest.param("2026-01-02T09:00:30", "2026-01-02T09:00", id="seconds after"),
    ],
)
def test_last_before_excludes_exactly_the_moment(before: str, expected: str) -> None:
    assert last_before("0 9 * * *", "UTC", utc(before)) == utc(expected)


def test_moments_of_a_repeated_hour_are_told_apart() -> None:
    rome = ZoneInfo("Europe/Rome")
    first = datetime(2026, 10, 25, 2, 15, tzinfo=rome)
    second = first.replace(fold=1)
    assert first == second  # equal as local times: a memo by datetime would mix them up
    assert next_after("*/30 * * * *", "Europe/Rome", first) == utc("2026-10-25T00:30")
    assert next_after("*/30 * * * *", "Europe/Rome", second) == utc("2026-10-25T01:30")


def test_moments_in_other_offsets_are_the_same_moments() -> None:
    after = utc("2026-01-01T08:30")
    tokyo = after.astimezone(timezone(timedelta(hours=9)))
    found = next_after("0 9 * * *", "UTC", tokyo)
    assert found == next_after("0 9 * * *", "UTC", after)
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    ("expr", "zone", "after", "expected"),
    [
        pytest.param("* * * * *", "UTC", "9999-12-31T23:59:59.999999", None, id="the last moment"),
        pytest.param("0 0 * * *", "UTC", "9999-12-31T00:00", None, id="the last day"),
        pytest.param(
            "59 23 * * *", "UTC", "9999-12-31T00:00", "9999-12-31T23:59", id="the last minute"
        ),
        pytest.param("0 0 29 2 *", "UTC", "9997-01-01T00:00", None, id="no leap year any more"),
        pytest.param(
            "0 5 * * *",
            "Asia/Tokyo",
            "9999-12-31T18:00",
            "9999-12-31T20:00",
            id="local time is in the year 10000",
        ),
        pytest.param(
            "* * * * *",
            "Pacific/Kiritimati",
            "0001-01-01T00:00",
            "0001-01-01T00:00:20",
            id="the first moment, in a local mean time of -10:29:20",
        ),
    ],
)
def test_the_ends_of_the_calendar(expr: str, zone: str, after: str, expected: str | None) -> None:
    assert next_after(expr, zone, utc(after)) == (utc(expected) if expected else None)


def test_before_the_first_occurrence_of_all_there_is_none() -> None:
    assert last_before("* * * * *", "UTC", datetime.min.replace(tzinfo=UTC)) is None
    assert last_before("0 0 * * *", "Asia/Tokyo", utc("0001-01-01T10:00")) is None
    assert last_before("0 0 * * *", "UTC", utc("0001-01-01T00:01")) == utc("0001-01-01T00:00")


def test_moments_that_no_calendar_in_utc_has() -> None:
    east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
    assert next_after("* * * * *", "UTC", datetime.min.replace(tzinfo=east)) is not None
    assert next_after("* * * * *", "UTC", datetime.max.replace(tzinfo=west)) is None
    assert last_before("* * * * *", "UTC", datetime.min.replace(tzinfo=east)) is None
    assert last_before("* * * * *", "UTC", datetime.max.replace(tzinfo=west)) is not None


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="must have an offset"):
        next_after("* * * * *", "UTC", datetime(2026, 1, 1))  # noqa: DTZ001


def test_an_unknown_zone_is_refused_with_the_near_miss() -> None:
    with pytest.raises(TimezoneError, match="unknown time zone 'Berlin', did you mean 'Europe/B"):
        next_after("* * * * *", "Berlin", utc("2026-01-01T00:00"))


def test_a_wrong_expression_is_refused() -> None:
    with pytest.raises(CronError, match="'61' is out of range"):
        next_after("61 * * * *", "UTC", utc("2026-01-01T00:00"))


def test_forty_years_are_crossed_in_both_directions() -> None:
    # Leap days that are Sundays: 2088, then 2128, as 2100 is no leap year.
    sundays = "0 0 29 2 */7"
    assert next_after(sundays, "UTC", utc("2088-03-01T00:00")) == utc("2128-02-29T00:00")
    assert last_before(sundays, "UTC", utc("2128-02-01T00:00")) == utc("2088-02-29T00:00")
    assert next_after("* * 29 2 */7", "Europe/Rome", utc("2088-03-01T00:00")) == utc(
        "2128-02-28T23:00"
    )


def test_far_occurrences_of_interval_jobs_have_the_offset_of_their_own_season() -> None:
    july, january = "*/30 0 1 7 *", "*/30 23 1 1 *"
    assert next_after(july, "Europe/Rome", utc("2026-01-01T00:00")) == utc("2026-06-30T22:00")
    assert last_before(january, "Europe/Rome", utc("2026-07-01T00:00")) == utc("2026-01-01T22:30")


@pytest.mark.parametrize(
    ("expr", "zone", "after", "notes"),
    [
        pytest.param(
            "30 2 * * *",
            "Europe/Rome",
            "2026-03-28T12:00",
            ["moved from 02:30, which the clock change skips", None],
            id="moved",
        ),
        pytest.param(
            "0-50/10 2 * * *",
            "Europe/Rome",
            "2026-03-28T12:00",
            ["moved from 02:00, 02:10, 02:20 and 3 more, which the clock change skips", None],
            id="many moved into one",
        ),
        pytest.param(
            "30 2,3 * * *",
            "Europe/Rome",
            "2026-03-28T12:00",
            ["moved from 02:30, which the clock change skips", None],
            id="moved, and the ordinary one later",
        ),
        pytest.param(
            "0 2,3 * * *",
            "Europe/Rome",
            "2026-03-28T12:00",
            [None, None],
            id="one that would have fired there anyway",
        ),
        pytest.param(
            "*/30 2 * * *",
            "Europe/Rome",
            "2026-10-25T00:00",
            [
                None,
                "repeated: the second 02:00, as the clock was set back",
                "repeated: the second 02:30, as the clock was set back",
                None,
            ],
            id="repeated",
        ),
        pytest.param(
            "30 2 * * *", "Europe/Rome", "2026-10-24T12:00", [None, None], id="the first of two"
        ),
    ],
)
def test_notes_say_what_a_clock_change_did(
    expr: str, zone: str, after: str, notes: list[str | None]
) -> None:
    found = occurrences(expr, zone, utc(after), len(notes))
    assert [occurrence.note for occurrence in found] == notes
    assert all(occurrence.local == occurrence.at for occurrence in found)


def test_occurrences_end_with_the_calendar() -> None:
    assert len(occurrences("0 0 * * *", "Asia/Tokyo", utc("9999-12-30T00:00"), 10)) == 2
    assert occurrences("* * * * *", "UTC", utc("2026-01-01T00:00"), 0) == []
    late = occurrences("59 23 * * *", "UTC", utc("9999-12-31T00:00"), 5)
    assert [item.local for item in late] == [utc("9999-12-31T23:59")]


@pytest.mark.parametrize(
    ("local", "zone", "expected"),
    [
        pytest.param("2026-12-01T09:00", "Europe/Rome", "2026-12-01T08:00", id="an ordinary day"),
        pytest.param("2026-03-29T02:30", "Europe/Rome", "2026-03-29T01:00", id="in a gap"),
        pytest.param("2026-10-25T02:30", "Europe/Rome", "2026-10-25T00:30", id="in an overlap"),
        pytest.param("2026-12-01T09:00:07.5", "UTC", "2026-12-01T09:00:07.5", id="with fractions"),
        pytest.param(
            "2026-03-29T02:30:07.5", "Europe/Rome", "2026-03-29T01:00", id="fractions in a gap"
        ),
        pytest.param("2011-12-30T09:00", "Pacific/Apia", None, id="a day that never was"),
    ],
)
def test_local_times_follow_the_fixed_rule(local: str, zone: str, expected: str | None) -> None:
    found = local_instant(datetime.fromisoformat(local), zone)
    assert found == (utc(expected) if expected else None)


def fires(expr: str) -> bool:
    """Whether a well-formed expression fires at all."""
    try:
        return parse(expr).canonical != ""
    except CronNeverFires:
        return False


@given(expressions, zones, moments)
@settings(deadline=None, max_examples=150)
def test_next_and_last_are_each_others_inverse(expr: str, zone: str, after: datetime) -> None:
    assume(fires(expr))
    first = next_after(expr, zone, after)
    assert first is not None
    second = next_after(expr, zone, first)
    assert second is not None
    assert after < first < second
    assert last_before(expr, zone, second) == first
    before = last_before(expr, zone, first)
    assert before is not None
    assert before <= after
    assert next_after(expr, zone, before) == first


@given(expressions, zones, moments, st.floats(0, 1))
@settings(deadline=None, max_examples=150)
def test_there_is_nothing_between_neighbours(
    expr: str, zone: str, after: datetime, share: float
) -> None:
    assume(fires(expr))
    first = next_after(expr, zone, after)
    assert first is not None
    second = next_after(expr, zone, first)
    assert second is not None
    between = first + (second - first) * share
    assert next_after(expr, zone, min(between, second - timedelta(microseconds=1))) == second
    assert last_before(expr, zone, max(between, first + timedelta(microseconds=1))) == first


@given(expressions, zones, moments)
@settings(deadline=None, max_examples=100)
def test_the_canonical_text_fires_alike(expr: str, zone: str, after: datetime) -> None:
    assume(fires(expr))
    canonical = parse(expr).canonical
    assert next_after(canonical, zone, after) == next_after(expr, zone, after)
    assert last_before(canonical, zone, after) == last_before(expr, zone, after)


@given(expressions, zones, any_moments)
@settings(deadline=None, max_examples=150)
@example("* * 29 2 */7", "Pacific/Apia", datetime.max.replace(tzinfo=UTC))
@example("* * 29 2 */7", "Pacific/Apia", datetime.min.replace(tzinfo=UTC))
@example("0-59 0-23 30 12 *", "Pacific/Apia", datetime(2011, 12, 29, tzinfo=UTC))
def test_no_moment_is_too_far(expr: str, zone: str, moment: datetime) -> None:
    assume(fires(expr))
    after, before = next_after(expr, zone, moment), last_before(expr, zone, moment)
    assert after is None or after > moment
    assert before is None or before < moment


@given(texts, st.text(max_size=80) | zones, moments)
@settings(deadline=None, max_examples=200)
def test_any_texts_give_a_moment_or_a_refusal(expr: str, zone: str, after: datetime) -> None:
    try:
        found = next_after(expr, zone, after)
    except (CronError, TimezoneError):
        return
    assert found is None or found > after
