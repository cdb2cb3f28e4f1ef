"""What is kept of a plan: bounded whatever it changes, masked, and each workspace's own."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.plan.plan import make_plan
from reconciler.core.plan.recorded import (
    MOST_CHANGES,
    MOST_CHARACTERS,
    RecordedPlan,
    recorded_plan,
)
from tests.support.worlds import agent, autopilot, current, desired, row

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def recorded(before: list[object], after: list[object]) -> RecordedPlan:
    was, wanted = current(*before), desired(*after)  # type: ignore[arg-type]
    return recorded_plan(make_plan(was, wanted), was, wanted, NOON)


def test_it_tells_objects_fields_and_what_follows() -> None:
    plan = recorded(
        [row(agent(limit=5)), row(autopilot("d"), now=autopilot("d", title="By hand"))],
        [agent(), autopilot("d"), agent("new")],
    )
    told = {change.name: change for change in plan.changes}
    assert [(f.path, f.before, f.after) for f in told["bot"].fields] == [
        ("spec.maxConcurrency", 5, 10)
    ]
    assert (told["d"].drifted, told["bot"].drifted, told["new"].action) == (True, False, "create")
    assert RecordedPlan.model_validate(json.loads(json.dumps(plan.to_json()))) == plan


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([1, 90_000]), min_size=1, max_size=6))
def test_it_is_bounded_and_says_how_much_is_left_out(lengths: list[int]) -> None:
    plan = recorded(
        [], [autopilot(f"a{n}", description="x" * length) for n, length in enumerate(lengths)]
    )
    assert len(json.dumps(plan.to_json())) < MOST_CHARACTERS + 2_000 * len(lengths)
    described = [
        any(f.path == "spec.description" for f in change.fields) for change in plan.changes
    ]
    assert [change.more_fields for change in plan.changes] == [1 - there for there in described]
    assert sum(described) == len(lengths) - max(0, lengths.count(90_000) - 2)


def test_of_very_many_changes_the_others_are_counted() -> None:
    plan = recorded([], [agent(f"bot-{n}") for n in range(MOST_CHANGES + 3)])
    assert (len(plan.changes), plan.more) == (MOST_CHANGES, 3)


def test_what_was_moved_by_hand_is_seen_by_whoever_sees_both_workspaces() -> None:
    away = row(autopilot("a", workspace="green"), now=autopilot("a", workspace="blue"))
    plan = recorded([away], [autopilot("a", workspace="green"), autopilot("b", workspace="green")])
    assert [change.name for change in plan.changes] == ["a", "b"]
    assert [change.name for change in plan.within({"green"}.__contains__).changes] == ["b"]
    assert plan.within({"green", "blue"}.__contains__) == plan
