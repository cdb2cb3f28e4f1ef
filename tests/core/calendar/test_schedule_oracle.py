"""The engine beside a slow second opinion that walks every minute (tests/support/oracle.py)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reconciler.core.calendar.cron import parse
from reconciler.core.calendar.errors import CronNeverFires
from reconciler.core.calendar.schedule import last_before, next_after
from reconciler.core.calendar.zone import timezones
from tests.support.crons import expressions, moments, zones
from tests.support.oracle import MINUTE, Oracle
from tests.support.tzif import changes_between, distinct_zones

AROUND = timedelta(hours=4)
_TICK = timedelta(microseconds=1)
_DISTINCT = distinct_zones(timezones())
_SAMPLE = _DISTINCT[::12]


def forwards(expr: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """Occurrences from `start` up to `end`, by `next_after`."""
    found, at = [], next_after(expr, zone, start - _TICK)
    while at is not None and at < end:
        found.append(at)
        at = next_after(expr, zone, at)
    return found


def backwards(expr: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """The same, by `last_before` from the end."""
    found, at = [], last_before(expr, zone, end)
    while at is not None and at >= start:
        found.append(at)
        at = last_before(expr, zone, at)
    return found[::-1]


def assert_agrees(expr: str, zone: str, start: datetime, end: datetime) -> None:
    expected = Oracle(expr, zone).between(start, end)
    assert forwards(expr, zone, start, end) == expected, (expr, zone, start)
    assert backwards(expr, zone, start, end) == expected, (expr, zone, start)


def assert_agrees_around(zone: str, change: datetime) -> None:
    """Within four hours of a clock change, for jobs of each kind that meet it."""
    shown = Oracle("* * * * *", zone).zone
    before = (change - MINUTE).astimezone(shown)
    after = change.astimezone(shown)
    jobs = [
        "*/7 * * * *",
        "0 * * * *",
        "0-59/7 0-23 * * *",
        f"{before.minute} {before.hour} * * *",
        f"{after.minute} {after.hour} * * *",
        f"15,45 {min(before.hour, after.hour)}-{max(before.hour, after.hour)} * * *",
        f"30 0-23/2 {after.day} {after.month} *",
    ]
    for expr in jobs:
        assert_agrees(expr, zone, change - AROUND, change + AROUND)


@given(expressions, zones, moments, st.integers(1, 60))
@settings(deadline=None, max_examples=60)
def test_any_job_in_any_zone(expr: str, zone: str, start: datetime, hours: int) -> None:
    try:
        parse(expr)
    except CronNeverFires:
        assume(False)
    start = start.replace(second=0, microsecond=0)
    assert_agrees(expr, zone, start, start + timedelta(hours=hours))


@given(expressions, st.sampled_from(_DISTINCT), st.integers(0, 10_000))
@settings(deadline=None, max_examples=40)
def test_any_job_around_a_clock_change(expr: str, zone: str, which: int) -> None:
    changes = changes_between(zone, 2005, 2014)
    assume(changes)
    try:
        parse(expr)
    except CronNeverFires:
        assume(False)
    change = changes[which % len(changes)]
    assert_agrees(expr, zone, change - AROUND, change + AROUND)


@pytest.mark.parametrize("zone", _SAMPLE)
def test_around_a_sample_of_clock_changes(zone: str) -> None:
    for change in changes_between(zone, 2009, 2013)[::4]:
        assert_agrees_around(zone, change)


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        pytest.param("Pacific/Apia", "2011-12-30T10:00", id="a day is skipped"),
        pytest.param("Pacific/Kwajalein", "1993-08-21T12:00", id="a day is skipped, 1993"),
        pytest.param("Pacific/Kwajalein", "1969-09-30T13:00", id="23 hours back"),
        pytest.param("Antarctica/Vostok", "1994-01-31T17:00", id="seven hours back"),
        pytest.param("Antarctica/Vostok", "1994-11-01T00:00", id="seven hours ahead"),
        pytest.param("Antarctica/Casey", "2009-10-17T18:00", id="three hours ahead"),
        pytest.param("Africa/Monrovia", "1972-01-07T00:44:30", id="44 minutes and 30 seconds"),
        pytest.param("America/Juneau", "1867-10-19T00:31:13", id="Alaska is bought"),
        pytest.param("Asia/Manila", "1844-12-31T15:56:08", id="Manila leaves America"),
        pytest.param("Asia/Kathmandu", "1985-12-31T18:30", id="a quarter of an hour"),
        pytest.param("Europe/Dublin", "1968-10-27T00:00", id="Irish standard time"),
    ],
)
def test_around_remarkable_clock_changes(zone: str, change: str) -> None:
    assert_agrees_around(zone, datetime.fromisoformat(change).replace(tzinfo=UTC))


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("zone", _DISTINCT)
def test_around_every_clock_change_from_1972_to_2037(zone: str) -> None:
    for change in changes_between(zone, 1972, 2037):
        assert_agrees_around(zone, change)


@pytest.mark.parametrize(
    "days",
    [
        pytest.param("31 * *", id="the 31st"),
        pytest.param("29 2 *", id="leap days"),
        pytest.param("30,31 */2 *", id="the end of every other month"),
        pytest.param("L * *", id="the last day"),
        pytest.param("LW * *", id="the last workday"),
        pytest.param("L 2 *", id="the last day of February"),
        pytest.param("15,LW 1-6 *", id="a day and the last workday"),
        pytest.param("* * FRI#5", id="a fifth Friday"),
        pytest.param("* * 1#1,3#3", id="two n-th weekdays"),
        pytest.param("* * SUNL", id="the last Sunday"),
        pytest.param("1 * FRI#2", id="the first day or the second Friday"),
        pytest.param("*/2 * FRI#2", id="an odd day that is the second Friday"),
        pytest.param("L * 5L", id="the last day or the last Friday"),
        pytest.param("*/31,L * 1-5", id="first or last day of the month, if a workday"),
        pytest.param("13 * FRI", id="the 13th or a Friday"),
        pytest.param("31 4,6 MON", id="no 31st, but Mondays"),
        pytest.param("28-30 2 */3", id="late February on some weekdays"),
    ],
)
def test_dates_over_thirty_years(days: str) -> None:
    expr = f"0 12 {days}"
    oracle = Oracle(expr, "UTC")
    noons = (
        datetime(2000, 1, 1, 12, tzinfo=UTC) + timedelta(days=n)
        for n in range((date(2030, 1, 1) - date(2000, 1, 1)).days)
    )
    expected = [noon for noon in noons if oracle.matches(noon)]
    start, end = datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
    assert forwards(expr, "UTC", start, end) == expected
    assert backwards(expr, "UTC", start, end) == expected
