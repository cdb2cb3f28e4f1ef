"""What a plan says that an autopilot will start: as the clock says, and never less than it may."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.calendar import next_after
from reconciler.core.plan.forecast import SHOWN, Forecast, Forecaster
from tests.support.crons import expressions
from tests.support.worlds import autopilot, schedule

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)  # a Saturday
WEBHOOK = {"name": "hook", "kind": "webhook", "signature": {"scheme": "none"}}
API = {"name": "api", "kind": "api"}


def forecast(at: datetime = NOW, **spec: Any) -> Forecast:
    return Forecaster(at)(autopilot("x", **spec).document)


def every(period: str, **fields: Any) -> dict[str, Any]:
    return {"name": "every", "kind": "schedule", "every": period, **fields}


@pytest.mark.parametrize(
    ("spec", "most"),
    [
        pytest.param({"triggers": []}, 0, id="no triggers"),
        pytest.param({"triggers": [schedule("a")]}, 1, id="once a day"),
        pytest.param({"triggers": [schedule("a", "0 9,17 * * MON")]}, 2, id="twice on Mondays"),
        pytest.param({"triggers": [schedule("a", "0 9 1 * *")]}, 1, id="later than this week"),
        pytest.param({"triggers": [schedule("a", "* * * * *")]}, 1440, id="every minute"),
        pytest.param({"triggers": [schedule("a", "*/30 * * * SAT,WED")]}, 48, id="the fullest day"),
        pytest.param({"triggers": [every("1s")]}, 86_400, id="every second"),
        pytest.param({"triggers": [every("7h")]}, 4, id="a period that is no part of a day"),
        pytest.param({"triggers": [every("3d")]}, 1, id="a period longer than a day"),
        pytest.param({"triggers": [schedule("a"), schedule("b")]}, 2, id="two at one moment"),
        pytest.param(
            {"triggers": [{"name": "a", "kind": "schedule", "at": "2026-12-24T09:00"}]}, 1, id="at"
        ),
        pytest.param(
            {"triggers": [{"name": "a", "kind": "schedule", "at": "2026-11-01T09:00"}]},
            0,
            id="a moment in the past",
        ),
        pytest.param(
            {"triggers": [every("1m", endAt="2026-11-28T12:05:00Z")]}, 5, id="until it ends"
        ),
        pytest.param({"triggers": [schedule("a", enabled=False)]}, 0, id="disabled"),
        pytest.param({"triggers": [schedule("a")], "status": "paused"}, 0, id="paused"),
        pytest.param({"triggers": [WEBHOOK]}, None, id="a webhook"),
        pytest.param({"triggers": [API], "limits": {"perDay": 7}}, 7, id="a limit a day"),
        pytest.param({"triggers": [API], "limits": {"perHour": 2}}, 48, id="a limit an hour"),
        pytest.param(
            {"triggers": [API], "limits": {"perHour": 2, "perDay": 30}}, 30, id="the strictest"
        ),
        pytest.param(
            {"triggers": [schedule("a")], "limits": {"perDay": 30}}, 1, id="a limit never met"
        ),
        pytest.param({"triggers": [{**API, "enabled": False}]}, 0, id="nobody can call"),
        pytest.param({"triggers": [every("1h"), WEBHOOK]}, None, id="both"),
    ],
)
def test_the_most_runs_a_day(spec: dict[str, Any], most: int | None) -> None:
    assert forecast(**spec).runs_per_day == most


def test_the_next_times_of_all_triggers_are_those_that_come_first() -> None:
    triggers = [schedule("rome", "0 9 * * *", timezone="Europe/Rome"), every("1d")]
    shown = [
        (fire.trigger, fire.at.isoformat(), fire.local.isoformat())
        for fire in forecast(triggers=triggers).fires
    ]
    assert shown == [
        ("every", "2026-11-29T00:00:00+00:00", "2026-11-29T00:00:00+00:00"),
        ("rome", "2026-11-29T08:00:00+00:00", "2026-11-29T09:00:00+01:00"),
        ("every", "2026-11-30T00:00:00+00:00", "2026-11-30T00:00:00+00:00"),
    ]


def test_a_clock_change_shows_in_the_offset() -> None:
    fires = forecast(
        datetime(2026, 10, 24, 12, tzinfo=UTC),
        triggers=[schedule("a", "0 1,4 * * *", timezone="Europe/Rome")],
    ).fires
    assert [fire.local.isoformat() for fire in fires[:2]] == [
        "2026-10-25T01:00:00+02:00",
        "2026-10-25T04:00:00+01:00",
    ]


def test_a_row_that_cannot_be_read_starts_nothing() -> None:
    document = autopilot("x", triggers=[schedule("a")]).document
    document["spec"]["triggers"][0]["timezone"] = "Mars/Olympus"
    assert Forecaster(NOW)(document) == Forecast()


def test_the_end_of_the_calendar_is_no_error() -> None:
    at = datetime(9999, 12, 31, 12, tzinfo=UTC)
    last = {"name": "a", "kind": "schedule", "at": "9999-12-31T23:59"}
    assert forecast(at, triggers=[last]).runs_per_day == 1
    assert forecast(at, triggers=[schedule("b", "0 18 * * *")]).runs_per_day == 1


MOMENTS = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001
    max_value=datetime(2050, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
ZONES = st.sampled_from(["UTC", "Europe/Rome", "America/New_York", "Australia/Lord_Howe"])


@given(expressions, ZONES, MOMENTS)
def test_fire_times_are_those_of_the_scheduler(expr: str, timezone: str, at: datetime) -> None:
    try:
        document = autopilot("x", triggers=[schedule("a", expr, timezone=timezone)]).document
        expected = [next_after(expr, timezone, at)]
        while len(expected) < SHOWN and (last := expected[-1]) is not None:
            expected.append(next_after(expr, timezone, last))
    except ValueError:
        return  # it can never fire
    fires = Forecaster(at)(document).fires
    assert [fire.at for fire in fires] == [moment for moment in expected if moment is not None]
    assert all(fire.local == fire.at for fire in fires)


@given(st.integers(1, 200_000), MOMENTS)
def test_no_day_of_a_period_has_more_runs_than_is_said(seconds: int, at: datetime) -> None:
    said = forecast(at, triggers=[every(f"{seconds}s")])
    assert said.runs_per_day is not None
    most = -(-86_400 // seconds)
    assert said.runs_per_day == most
    assert all(
        later.at - earlier.at == timedelta(seconds=seconds)
        for earlier, later in pairwise(said.fires)
    )
