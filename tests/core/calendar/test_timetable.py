"""Schedules as values: the moment of a one-off schedule, and the schedule of a trigger."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.calendar.errors import AtError
from reconciler.core.calendar.timetable import (
    AtSchedule,
    CronSchedule,
    EverySchedule,
    Schedule,
    parse_at,
)
from reconciler.core.manifest.trigger import ScheduleTrigger, schedule_of

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-12-01T09:00", "2026-12-01T09:00:00", id="local"),
        pytest.param("2026-12-01T09:00:30", "2026-12-01T09:00:30", id="local, with seconds"),
        pytest.param("2026-12-01T09:00Z", "2026-12-01T09:00:00+00:00", id="UTC"),
        pytest.param("2026-12-01T09:00+05:30", "2026-12-01T03:30:00+00:00", id="an offset"),
        pytest.param("2028-02-29T23:59-11:00", "2028-03-01T10:59:00+00:00", id="a leap day"),
    ],
)
def test_moments_are_read(text: str, expected: str) -> None:
    assert parse_at(text).isoformat() == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "write 2026-12-01T09:00", id="nothing"),
        pytest.param("tomorrow", "write 2026-12-01T09:00", id="words"),
        pytest.param("2026-12-01", "did you mean '2026-12-01T00:00'?", id="a day alone"),
        pytest.param("2026-12-01 09:00", "did you mean '2026-12-01T09:00'?", id="a blank"),
        pytest.param("2026-12-01t09:00z", "did you mean '2026-12-01T09:00Z'?", id="lower case"),
        pytest.param(" 2026-12-01T09:00 ", "did you mean '2026-12-01T09:00'?", id="blanks around"),
        pytest.param("2026-13-01T09:00", "month must be in 1..12", id="month 13"),
        pytest.param("2026-02-30T09:00", "day", id="30 February"),
        pytest.param("2026-12-01T24:00", "write 2026-12-01T09:00", id="hour 24"),
        pytest.param("2026-12-01T09:60", "minute must be in 0..59", id="minute 60"),
        pytest.param("2026-12-01T09:00:60", "second must be in 0..59", id="a leap second"),
        pytest.param("2026-12-01T09:00+25:00", "offset", id="an offset beyond a day"),
        pytest.param("2026-12-01T09:00+0100", "write 2026-12-01T09:00", id="an offset, no colon"),
        pytest.param("2026-12-01T09:00:00.5", "write 2026-12-01T09:00", id="fractions"),
        pytest.param("2026-W49-2T09:00", "write 2026-12-01T09:00", id="a week date"),
        pytest.param("0000-01-01T00:00", "year", id="the year 0"),
        pytest.param("0001-01-01T00:00+14:00", "out of range", id="before the first moment"),
        pytest.param("9999-12-31T23:59-12:00", "out of range", id="after the last moment"),
        pytest.param("\N{FULLWIDTH DIGIT TWO}026-12-01T09:00", "not a moment", id="a wide digit"),
        pytest.param("2026-12-01T09:00\n", "did you mean '2026-12-01T09:00'?", id="a line break"),
    ],
)
def test_other_moments_are_refused(text: str, words: str) -> None:
    with pytest.raises(AtError) as refusal:
        parse_at(text)
    assert words in str(refusal.value)
    assert str(refusal.value).isprintable()


@given(st.text(max_size=100) | st.text(alphabet="0123456789-:TZ+. ", max_size=30))
def test_any_text_is_a_moment_or_a_refusal(text: str) -> None:
    try:
        moment = parse_at(text)
    except AtError:
        return
    assert moment.tzinfo in (None, UTC)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param(
            {"cron": "0 9 * * *", "timezone": "Europe/Rome"},
            CronSchedule("0 9 * * *", "Europe/Rome"),
            id="cron",
        ),
        pytest.param(
            {"every": timedelta(minutes=90)}, EverySchedule(timedelta(minutes=90)), id="every"
        ),
        pytest.param(
            {"every": timedelta(minutes=90), "start_at": START},
            EverySchedule(timedelta(minutes=90), START),
            id="every, from a start",
        ),
        pytest.param(
            {"at": "2026-12-01T09:00", "timezone": "Europe/Rome"},
            AtSchedule(datetime(2026, 12, 1, 9), "Europe/Rome"),  # noqa: DTZ001
            id="at, local",
        ),
        pytest.param(
            {"at": "2026-12-01T09:00Z"},
            AtSchedule(datetime(2026, 12, 1, 9, tzinfo=UTC)),
            id="at, exact",
        ),
    ],
)
def test_the_schedule_of_a_trigger(fields: dict[str, object], expected: Schedule) -> None:
    trigger = ScheduleTrigger.model_validate({"name": "t", "kind": "schedule", **fields})
    assert schedule_of(trigger) == expected
