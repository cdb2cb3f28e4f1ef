"""Time in expressions is UTC, as CEL's specification has it, unless a zone is named."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.calendar.schedule import local_time
from reconciler.core.cel import (
    TITLE_VARIABLES,
    EvaluationError,
    as_key,
    as_text,
    compile_expression,
    evaluate,
)
from reconciler.core.cel.times import epoch_seconds, rfc3339, seconds_text, timestamp


def value(text: str, payload: Any = None) -> Any:
    """What an expression gives."""
    expression = compile_expression(text, variables=TITLE_VARIABLES)
    return evaluate(expression, {"payload": payload})


# The conformance tests of cel-spec (tests/simple/testdata/timestamps.textproto) and its definition.
VALUES = [
    pytest.param('int(timestamp("2009-02-13T23:31:30Z"))', 1234567890, id="to_int_timestamp"),
    pytest.param(
        'string(timestamp("2009-02-13T23:31:30Z"))', "2009-02-13T23:31:30Z", id="to_string"
    ),
    pytest.param("string(timestamp(1234567890))", "2009-02-13T23:31:30Z", id="from seconds"),
    pytest.param("string(timestamp(-62135596800))", "0001-01-01T00:00:00Z", id="range_below"),
    pytest.param("string(timestamp(253402300799))", "9999-12-31T23:59:59Z", id="range_above"),
    pytest.param('timestamp("2009-02-13T23:31:30Z").getDate()', 13, id="getDate"),
    pytest.param('timestamp("2009-02-13T23:31:30Z").getDayOfMonth()', 12, id="getDayOfMonth"),
    pytest.param('timestamp("2009-02-13T23:31:30Z").getDayOfWeek()', 5, id="getDayOfWeek"),
    pytest.param('timestamp("2009-02-13T23:31:30Z").getDayOfYear()', 43, id="getDayOfYear"),
    pytest.param('timestamp("2009-02-13T23:31:30Z").getFullYear()', 2009, id="getFullYear"),
    pytest.param('timestamp("2009-02-13T23:31:30Z").getHours()', 23, id="getHours"),
    pytest.param('timestamp("2009-02-13T23:31:20.123Z").getMilliseconds()', 123, id="getMillis"),
    pytest.param('timestamp("2009-02-13T23:31:30Z").getMinutes()', 31, id="getMinutes"),
    pytest.param('timestamp("2009-02-13T23:31:30Z").getMonth()', 1, id="getMonth"),
    pytest.param('timestamp("2009-02-13T23:31:30Z").getSeconds()', 30, id="getSeconds"),
    pytest.param(
        'timestamp("2009-02-13T23:31:30Z").getDate("Australia/Sydney")', 14, id="getDate zone"
    ),
    pytest.param(
        'timestamp("2009-02-13T02:00:00Z").getDayOfMonth("US/Central")', 11, id="getDayOfMonth name"
    ),
    pytest.param(
        'timestamp("2009-02-13T23:31:30Z").getDayOfMonth("+11:00")', 13, id="getDayOfMonth numeric"
    ),
    pytest.param(
        'timestamp("2009-02-13T02:00:00Z").getDayOfMonth("-02:30")', 11, id="getDayOfMonth negative"
    ),
    pytest.param(
        'timestamp("2009-02-13T02:00:00Z").getDayOfMonth("America/St_Johns")', 11, id="St_Johns"
    ),
    pytest.param(
        'timestamp("2009-02-13T23:31:30Z").getDayOfWeek("UTC")', 5, id="getDayOfWeek zone"
    ),
    pytest.param(
        'timestamp("2009-02-13T23:31:30Z").getDayOfYear("US/Central")', 43, id="getDayOfYear zone"
    ),
    pytest.param('timestamp("2009-02-13T23:31:30Z").getFullYear("-09:30")', 2009, id="year zone"),
    pytest.param('timestamp("2009-02-13T23:31:30Z").getHours("02:00")', 1, id="hours, no sign"),
    pytest.param(
        'timestamp("2009-02-13T23:31:30Z").getMinutes("Asia/Kathmandu")', 16, id="getMinutes zone"
    ),
    pytest.param(
        'timestamp("2009-02-13T23:31:30Z").getSeconds("-00:00")', 30, id="getSeconds zone"
    ),
    pytest.param('timestamp("2009-02-13T23:31:30Z").getMonth("UTC")', 1, id="getMonth zone"),
    pytest.param(
        'timestamp("2026-11-28T10:30:00+01:00").getHours()', 9, id="an offset is not kept"
    ),
    pytest.param(
        'string(timestamp("2026-11-28T10:30:00+01:00"))', "2026-11-28T09:30:00Z", id="nor shown"
    ),
    pytest.param('timestamp("2026-11-28T10:30:00Z").getHours("Europe/Rome")', 11, id="in Rome"),
    pytest.param(
        'timestamp("2026-01-01T00:30:00+01:00").getFullYear()', 2025, id="the year before"
    ),
    pytest.param('string(duration("1000000s"))', "1000000s", id="string of a duration"),
    pytest.param('string(duration("1.5s"))', "1.5s", id="string of a fraction"),
    pytest.param('string(timestamp("2026-01-01T00:00:00.5Z"))', "2026-01-01T00:00:00.5Z", id=".5"),
    pytest.param(
        'timestamp("2009-02-13T23:00:00Z") + duration("240s") == timestamp("2009-02-13T23:04:00Z")',
        True,
        id="add_duration_to_time",
    ),
    pytest.param(
        'duration("120s") + timestamp("2009-02-13T23:01:00Z") == timestamp("2009-02-13T23:03:00Z")',
        True,
        id="add_time_to_duration",
    ),
    pytest.param(
        '[duration("1h")].exists(d, d + timestamp(0) == timestamp(3600))', True, id="in a macro"
    ),
    pytest.param(
        '[timestamp(0)].exists(t, duration("1h") + t == timestamp(3600))', True, id="the other way"
    ),
    pytest.param(
        'duration("1m") + duration("1m") + timestamp(0) == timestamp(120)', True, id="a sum"
    ),
    pytest.param('timestamp(60) - timestamp(0) == duration("60s")', True, id="a difference"),
    pytest.param('timestamp("2009-02-13T23:31:30+01:00") < timestamp(1234567890)', True, id="less"),
    pytest.param("type(timestamp(0)) == type(timestamp(1))", True, id="types"),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_value(text: str, expected: Any) -> None:
    assert value(text) == expected


def test_keys_and_titles_are_in_utc() -> None:
    moment = {"at": "2026-11-28T10:30:00+01:00"}
    assert as_text(value("timestamp(payload.at)", moment), 200) == "2026-11-28T09:30:00Z"
    assert as_key(value("string(timestamp(payload.at))", moment)) == "2026-11-28T09:30:00Z"


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('timestamp("2026-11-28")', "RFC 3339", id="a date"),
        pytest.param('timestamp("2026-11-28T10:30:00")', "RFC 3339", id="no offset"),
        pytest.param('timestamp("2026-02-30T10:30:00Z")', "does not exist", id="30 February"),
        pytest.param("timestamp(-62135596801)", "years 0001 to 9999", id="too early"),
        pytest.param("timestamp(253402300800)", "years 0001 to 9999", id="too late"),
        pytest.param(
            'timestamp("0001-01-01T00:00:00+01:00")', "years 0001 to 9999", id="before the first"
        ),
        pytest.param("timestamp(true)", "timestamp takes a text", id="a boolean"),
        pytest.param('timestamp(0).getHours("Mars/Base")', "no time zone", id="an unknown zone"),
        pytest.param('timestamp(0).getHours("+99:00")', "no time zone", id="an offset too large"),
        pytest.param('duration("1h").getHours("UTC")', "asked of a timestamp", id="a duration"),
    ],
)
def test_failure(text: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        value(text)
    assert message in caught.value.message


MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(MOMENTS, st.sampled_from(["Europe/Rome", "America/New_York", "Asia/Kolkata"]))
def test_a_zone_shows_what_schedules_see(moment: datetime, zone: str) -> None:
    text = f'timestamp("{rfc3339(moment)}").getHours("{zone}")'
    assert value(text) == local_time(moment, zone).hour


@given(MOMENTS)
def test_what_is_shown_is_read_as_the_same(moment: datetime) -> None:
    assert timestamp(rfc3339(moment)) == moment
    assert timestamp(epoch_seconds(moment)) == moment.replace(microsecond=0)


@given(st.timedeltas(timedelta(days=-3650), timedelta(days=3650)))
def test_durations_are_shown_exactly(length: timedelta) -> None:
    assert float(seconds_text(length).removesuffix("s")) == length.total_seconds()
