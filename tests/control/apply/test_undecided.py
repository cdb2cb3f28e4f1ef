"""What nobody decided before an edit: covered whole, counted as far as the budget reaches."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.control.apply.undecided import Undecided
from reconciler.core.manifest.trigger import ScheduleTrigger
from reconciler.core.schedule.agenda import Agenda
from reconciler.core.schedule.decide import Span, lapsed
from tests.support.applying import NOON
from tests.support.worlds import autopilot, schedule

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def document(cron: str | None = "* * * * *", **fields: Any) -> dict[str, Any]:
    """A trigger as documents hold it."""
    values = {**schedule("s", **fields), "cron": cron}
    entry = autopilot("x", triggers=[{name: value for name, value in values.items() if value}])
    trigger: dict[str, Any] = entry.document["spec"]["triggers"][0]
    return trigger


def alone(trigger: dict[str, Any], cursor: datetime, now: datetime) -> Span | None:
    """The answer where nothing is spared."""
    return lapsed(Agenda.of("t", ScheduleTrigger.model_validate(trigger)), cursor, now)


def test_the_occurrences_between_cursor_and_now() -> None:
    span = Undecided()(document(), "t", NOON, NOON + HOUR)
    assert span is not None
    assert (span.first, span.last) == (NOON + MINUTE, NOON + HOUR)
    assert (span.count, span.exact) == (60, True)


@pytest.mark.parametrize(
    ("trigger", "cursor"),
    [
        pytest.param(document("0 9 * * *"), NOON, id="nothing was due"),
        pytest.param({**document(), "timezone": "Atlantis/Capital"}, NOON, id="cannot be told"),
        pytest.param(document(), NOON + 2 * HOUR, id="decided further than now"),
    ],
)
def test_nothing(trigger: dict[str, Any], cursor: datetime) -> None:
    assert Undecided()(trigger, "t", cursor, NOON + HOUR) is None


def test_equal_schedules_are_counted_once() -> None:
    undecided = Undecided(budget=60)
    alike = [document(), document(label="other words"), document(jitter="30s")]
    spans = [undecided(entry, f"t{n}", NOON, NOON + HOUR) for n, entry in enumerate(alike)]
    assert {(span.count, span.exact) for span in spans if span} == {(60, True)}
    assert undecided.budget == 0


@pytest.mark.parametrize(
    ("cron", "count", "exact"),
    [
        pytest.param("*/2 * * * *", 1, False, id="at least one"),
        pytest.param("30 * * * *", 1, True, id="one, which is all"),
    ],
)
def test_beyond_the_budget_a_span_is_covered_but_not_counted(
    cron: str, count: int, exact: bool
) -> None:
    undecided, now = Undecided(budget=60), NOON + HOUR
    undecided(document(), "t", NOON, now)
    span, whole = undecided(document(cron), "u", NOON, now), alone(document(cron), NOON, now)
    assert span is not None
    assert whole is not None
    assert (span.first, span.last) == (whole.first, whole.last)
    assert (span.count, span.exact) == (count, exact)


def test_a_period_is_counted_whatever_it_costs_others() -> None:
    every = document(None, every="1s")
    span = Undecided(budget=0)(every, "t", NOON, NOON + 24 * HOUR)
    assert span is not None
    assert (span.count, span.exact) == (86_400, True)


@given(
    crons=st.lists(
        st.sampled_from(["* * * * *", "*/2 * * * *", "*/7 * * * *", "0 * * * *", "30 9 * * *"]),
        min_size=1,
        max_size=12,
    ),
    minutes=st.integers(0, 3000),
    budget=st.integers(0, 3000),
)
def test_whatever_the_budget_every_occurrence_is_covered(
    crons: list[str], minutes: int, budget: int
) -> None:
    undecided, now = Undecided(budget=budget), NOON + minutes * MINUTE
    for number, cron in enumerate(crons):
        cursor = NOON + number * MINUTE
        span = undecided(document(cron), "t", cursor, now)
        whole = alone(document(cron), cursor, now)
        if span is None or whole is None:
            assert span == whole
            continue
        assert (span.first, span.last) == (whole.first, whole.last)
        assert 1 <= span.count <= whole.count
        assert not span.exact or (span.count, span.exact) == (whole.count, whole.exact)
    assert undecided.budget >= -len(crons)
