"""When a trigger that was just written is due next."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from reconciler.control.apply.upcoming import Upcoming
from reconciler.core.manifest.state import Current
from reconciler.core.plan.plan import make_plan
from reconciler.core.schedule.decide import Next
from tests.support.applying import NOON
from tests.support.worlds import agent, autopilot, desired, schedule

HOUR = timedelta(hours=1)


def document(**fields: Any) -> dict[str, Any]:
    """A trigger as documents hold it."""
    declared = autopilot("x", triggers=[schedule("s", **fields)])
    trigger: dict[str, Any] = declared.document["spec"]["triggers"][0]
    return trigger


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param(NOON, NOON + HOUR, id="the first time that it is asked"),
        pytest.param(NOON + HOUR / 2, NOON + HOUR, id="later, before the occurrence"),
        pytest.param(NOON + HOUR, NOON + 2 * HOUR, id="at the occurrence, the next one"),
        pytest.param(NOON - HOUR, NOON, id="earlier than it was asked before"),
    ],
)
def test_an_answer_holds_until_the_occurrence(after: datetime, expected: datetime) -> None:
    upcoming = Upcoming()
    hourly = document(cron="0 * * * *")
    upcoming(hourly, "t", NOON)
    assert upcoming(hourly, "t", after) == Next(expected, expected)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"cron": "30 * * * *"}, id="expression"),
        pytest.param({"cron": "0 9 * * *", "timezone": "Asia/Tokyo"}, id="zone"),
        pytest.param({"cron": "0 * * * *", "startAt": "2027-01-01T00:00:00Z"}, id="start"),
        pytest.param({"cron": "0 * * * *", "endAt": "2026-03-02T12:30:00Z"}, id="end"),
    ],
)
def test_another_schedule_is_another_answer(fields: dict[str, Any]) -> None:
    upcoming = Upcoming()
    first = upcoming(document(cron="0 * * * *"), "t", NOON)
    assert upcoming(document(**fields), "t", NOON) != first
    assert upcoming(document(**fields), "t", NOON) == Upcoming()(document(**fields), "t", NOON)


def test_jitter_belongs_to_the_trigger() -> None:
    upcoming = Upcoming()
    jittery = document(cron="0 * * * *", jitter="50m")
    answers = [upcoming(jittery, f"t{n}", NOON) for n in range(20)]
    assert {declared.scheduled_for for declared in answers if declared} == {NOON + HOUR}
    assert len({declared.run_at for declared in answers if declared}) > 10


def test_what_is_over_stays_over() -> None:
    upcoming = Upcoming()
    once = document(cron="0 * * * *", endAt="2026-03-02T12:30:00Z")
    assert [upcoming(once, "t", NOON + n * HOUR) for n in range(3)] == [None] * 3


def test_a_schedule_that_cannot_be_worked_out_is_due_at_once() -> None:
    broken = {**document(), "timezone": "Atlantis/Capital"}
    assert Upcoming()(broken, "t", NOON) == Next(NOON, NOON)


def test_what_was_foreseen_is_not_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = desired(
        agent(),
        autopilot("a", triggers=[schedule("s", "0 * * * *"), schedule("j", jitter="5m")]),
        autopilot("b", triggers=[schedule("s", "0 * * * *"), schedule("off", enabled=False)]),
    )
    plan = make_plan(Current(), wanted)
    upcoming = Upcoming()
    upcoming.foresee(plan.changes, NOON)
    asked: list[str] = []
    monkeypatch.setattr(
        "reconciler.control.apply.upcoming._first_after", lambda *_: asked.append("again")
    )
    upcoming.foresee(plan.changes, NOON + timedelta(seconds=30))
    assert asked == []
