"""What is valid and likely wrong, as of a moment."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.calendar.cron import parse
from reconciler.core.calendar.either_day import nth_weekday
from reconciler.core.calendar.occurrences import schedule_next
from reconciler.core.calendar.timetable import CronSchedule
from reconciler.core.manifest.checks.warnings import warning_findings
from reconciler.core.manifest.model import Autopilot
from reconciler.manifest.load.loc import dotted
from tests.support.builders import NOW, a_schedule, a_webhook, an_autopilot

T = "spec.triggers[0]"


def warned(**schedule: Any) -> list[tuple[str, str]]:
    document = Autopilot.model_validate(an_autopilot(triggers=[a_schedule(**schedule)])).document()
    return [(dotted(f.loc), f.code) for f in warning_findings(document, NOW)]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        pytest.param({"at": "2026-11-28T11:59"}, [(f"{T}.at", "moment-past")], id="at is past"),
        pytest.param(
            {"at": "2026-11-28T12:30", "timezone": "Europe/Rome"},
            [(f"{T}.at", "moment-past")],
            id="at is past in its zone",
        ),
        pytest.param({"at": "2026-11-28T12:01"}, [], id="at is to come"),
        pytest.param(
            {"cron": "@daily", "endAt": "2026-11-01T00:00:00Z"},
            [(f"{T}.endAt", "moment-past")],
            id="it ended",
        ),
        pytest.param({"cron": "@daily", "endAt": "2027-01-01T00:00:00Z"}, [], id="it will end"),
        pytest.param(
            {
                "cron": "0 0 29 2 *",
                "startAt": "2029-01-01T00:00:00Z",
                "endAt": "2031-12-31T00:00:00Z",
            },
            [(f"{T}.cron", "schedule-empty")],
            id="no leap year within the bounds",
        ),
        pytest.param(
            {
                "every": "30d",
                "startAt": "2027-01-01T00:00:00Z",
                "endAt": "2027-01-02T00:00:00Z",
            },
            [],
            id="a period starts with its bound",
        ),
        pytest.param(
            {"at": "2011-12-30T12:00", "timezone": "Pacific/Apia"},
            [(f"{T}.at", "schedule-empty")],
            id="a day that Samoa skipped",
        ),
        pytest.param({"cron": "0 0 29 2 *"}, [], id="29 February without bounds"),
        pytest.param(
            {"cron": "0 0 1-7 * 1"}, [(f"{T}.cron", "cron-either-day")], id="the first Monday"
        ),
        pytest.param({"cron": "0 0 13 * FRI"}, [], id="each 13th and each Friday"),
        pytest.param({"cron": "0 0 * * MON#1"}, [], id="the first Monday, said so"),
        pytest.param({"at": "2020-01-01T00:00", "enabled": False}, [], id="disabled"),
    ],
)
def test_warnings(schedule: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert warned(**schedule) == expected


def test_other_triggers_have_none() -> None:
    document = Autopilot.model_validate(an_autopilot(triggers=[a_webhook()])).document()
    assert list(warning_findings(document, NOW)) == []


@given(
    st.sampled_from(["1-7", "8-14", "15-21", "22-28"]),
    st.sets(st.integers(0, 6), min_size=1, max_size=6),
    st.integers(1, 12),
)
def test_what_is_suggested_fires_where_both_fields_match(
    week: str, weekdays: set[int], month: int
) -> None:
    expr = f"30 6 {week} {month} {','.join(map(str, weekdays))}"
    suggestion = nth_weekday(expr)
    assert suggestion is not None
    low, high = map(int, week.split("-"))
    after = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(12):
        at = schedule_next(CronSchedule(suggestion), after)
        assert at is not None
        assert low <= at.day <= high
        assert at.isoweekday() % 7 in weekdays
        assert at.month == month
        after = at
    assert parse(suggestion).minutes == (30,)
