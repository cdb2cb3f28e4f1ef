"""Fairness between workspaces, as a rule over whatever happens."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.runs.queue import Queue
from reconciler.core.runs.turns import (
    Turn,
    deadline_after_waiting,
    held_back,
    next_workspace,
    served,
    with_in_flight,
)

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
spaces = st.sampled_from(["a", "b", "c"])
events = st.lists(
    st.tuples(st.just("arrives"), spaces) | st.tuples(st.just("ends"), spaces), max_size=60
)


@given(slots=st.integers(1, 3), happens=events)
def test_least_in_flight_first_then_served_longest_ago(
    slots: int, happens: list[tuple[str, str]]
) -> None:
    """Beside a plain model: a list of who was served, and a count of what each has in flight."""
    turns: dict[str, Turn] = {}
    waiting: Counter[str] = Counter()
    in_flight: Counter[str] = Counter()
    order: list[str] = []
    for what, workspace in happens:
        if what == "arrives":
            waiting[workspace] += 1
        elif in_flight[workspace]:
            in_flight[workspace] -= 1
            turns[workspace] = replace(turns[workspace], in_flight=in_flight[workspace])
        while in_flight.total() < slots and (with_work := +waiting):
            chosen = next_workspace(turns, with_work)
            fewest = min(in_flight[each] for each in with_work)
            equal = [each for each in with_work if in_flight[each] == fewest]
            never = [each for each in equal if each not in order]
            longest_ago = min(equal, key=lambda each: _last(order, each))
            assert chosen in (never or [longest_ago])
            turns[chosen] = served(turns, chosen)
            waiting[chosen] -= 1
            in_flight[chosen] += 1
            order.append(chosen)
            assert turns[chosen].in_flight == in_flight[chosen]


def _last(order: list[str], workspace: str) -> int:
    return max((place for place, each in enumerate(order) if each == workspace), default=-1)


@given(st.lists(spaces, min_size=1, max_size=30))
def test_with_one_slot_nobody_waits_for_more_than_one_turn_of_each_other(busy: list[str]) -> None:
    turns: dict[str, Turn] = {}
    left = Counter(busy)
    gap: Counter[str] = Counter()
    while +left:
        chosen = next_workspace(turns, +left)
        turns[chosen] = replace(served(turns, chosen), in_flight=0)
        left[chosen] -= 1
        for each in +left:
            gap[each] = 0 if each == chosen else gap[each] + 1
            assert gap[each] < 3


def test_what_is_in_flight_is_counted_over_the_agents_of_a_workspace() -> None:
    turns = with_in_flight({"a": Turn(0, 7)}, {("a", "bot"): 2, ("a", "ann"): 1, ("b", "bot"): 1})
    assert turns == {"a": Turn(3, 7), "b": Turn(1)}


def test_what_is_held_back_is_noted_once_and_until_it_is_not() -> None:
    before = {"a": Turn(held_since=NOW), "b": Turn(held_since=NOW), "c": Turn(served=4)}
    changed = held_back(before, {"a", "c", "new"}, NOW + MINUTE)
    assert changed == {
        "b": Turn(),
        "c": Turn(served=4, held_since=NOW + MINUTE),
        "new": Turn(held_since=NOW + MINUTE),
    }


@pytest.mark.parametrize(
    ("held_since", "now", "expected"),
    [
        pytest.param(None, 20, 90, id="never held back"),
        pytest.param(-5, 80, 170, id="from the start: the whole timeout is left"),
        pytest.param(30, 80, 140, id="from the middle: what was left then"),
        pytest.param(90, 91, 91, id="only after its deadline: nothing was left"),
    ],
)
def test_the_deadline_of_a_run_that_a_full_server_held_back(
    held_since: int | None, now: int, expected: int
) -> None:
    held = None if held_since is None else NOW + held_since * MINUTE
    asked = (90 * MINUTE, NOW, held, NOW + now * MINUTE)
    deadline = deadline_after_waiting(NOW + 90 * MINUTE, *asked)
    assert deadline == NOW + expected * MINUTE
    assert deadline_after_waiting(deadline, *asked) == deadline


def test_a_queue_as_text() -> None:
    queue = Queue("platform", "squad", "reviewers")
    assert Queue.parse(str(queue)) == queue
