"""Missed intervals: a row for as many occurrences as there are, extended without a gap."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.core.runs.run import MissedInterval, MissedReason
from reconciler.core.schedule.decide import Span
from reconciler.store.runs.missed import (
    Missed,
    close_stalled,
    missed_between,
    open_stalled,
    record_missed,
)
from tests.support.rig import Rig, agent, autopilot, id_of, schedule


def at(minute: int) -> datetime:
    """A minute after eight."""
    return datetime(2026, 11, 2, 8, tzinfo=UTC) + timedelta(minutes=minute)


def span(first: int, last: int, reason: str = "missed", *, exact: bool = True) -> Span:
    """Occurrences of a schedule that fires each minute."""
    count = last - first + 1
    return Span(MissedReason(reason), at(first), at(last), count, exact, f"{first} to {last}")


@pytest.fixture
def trigger(rig: Rig) -> str:
    """The id of a trigger."""
    rig.apply(agent(), autopilot("triage", schedule(), schedule(name="other")))
    return rig.triggers()["clock"].id


def recorded(rig: Rig, trigger: str, *spans: tuple[Span, int]) -> list[MissedInterval]:
    """Record spans, each with the cursor before it, in one transaction."""
    missed = [Missed(trigger, id_of("triage"), one, at(after)) for one, after in spans]
    rig.database.write(lambda tx: record_missed(tx, missed, rig.clock.now()))
    return rig.missed()


def short(intervals: list[MissedInterval]) -> list[str]:
    """As `missed 1-3 (3)`."""
    eight = at(0)
    return [
        f"{one.reason} {(one.first - eight).seconds // 60}-"
        f"{(one.last - eight).seconds // 60 if one.last else ''} ({one.count})"
        for one in intervals
    ]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        pytest.param([(span(1, 3), 0)], ["missed 1-3 (3)"], id="one"),
        pytest.param([(span(1, 3), 0), (span(4, 9), 3)], ["missed 1-9 (9)"], id="extended"),
        pytest.param([(span(1, 3), 0), (span(5, 9), 4)], ["missed 1-3 (3)", "missed 5-9 (5)"],
                     id="something ran in between"),
        pytest.param([(span(1, 3), 0), (span(4, 9, "paused"), 3)],
                     ["missed 1-3 (3)", "paused 4-9 (6)"], id="another reason"),
        pytest.param([(span(1, 3), 0), (span(4, 5, "paused"), 3), (span(6, 6), 5)],
                     ["missed 1-3 (3)", "paused 4-5 (2)", "missed 6-6 (1)"], id="and back"),
    ],
)  # fmt: skip
def test_intervals(
    rig: Rig, trigger: str, spans: list[tuple[Span, int]], expected: list[str]
) -> None:
    for one in spans:
        recorded(rig, trigger, one)
    assert short(rig.missed()) == expected


def test_two_spans_of_one_decision(rig: Rig, trigger: str) -> None:
    recorded(rig, trigger, (span(1, 3, "paused"), 0))
    found = recorded(rig, trigger, (span(4, 5, "paused"), 3), (span(6, 9), 5))
    assert short(found) == ["paused 1-5 (5)", "missed 6-9 (4)"]


def test_the_count_is_exact_only_if_all_of_it_was_counted(rig: Rig, trigger: str) -> None:
    recorded(rig, trigger, (span(1, 3), 0))
    (one,) = recorded(rig, trigger, (span(4, 9, exact=False), 3))
    assert (one.count, one.exact, one.detail) == (9, False, "4 to 9")
    (one,) = recorded(rig, trigger, (span(10, 11), 9))
    assert (one.count, one.exact) == (11, False)


def test_triggers_have_intervals_of_their_own(rig: Rig, trigger: str) -> None:
    other = rig.triggers()["other"].id
    recorded(rig, trigger, (span(1, 3), 0))
    recorded(rig, other, (span(4, 9), 3))
    assert sorted(short(rig.missed())) == ["missed 1-3 (3)", "missed 4-9 (6)"]


def test_nothing_to_record(rig: Rig, trigger: str) -> None:
    assert recorded(rig, trigger) == []


def test_many_triggers_at_once(rig: Rig) -> None:
    names = [f"t{number}" for number in range(40)]
    rig.apply(agent(), autopilot("triage", *(schedule(name=name) for name in names)))
    triggers = [one.id for one in rig.triggers().values()]
    for first in (1, 2):
        missed = [
            Missed(one, id_of("triage"), span(first, first), at(first - 1)) for one in triggers
        ]
        rig.database.write(lambda tx, m=missed: record_missed(tx, m, rig.clock.now()))  # type: ignore[misc]
    assert short(rig.missed()) == ["missed 1-2 (2)"] * 40


def test_what_is_stalled_is_open(rig: Rig, trigger: str) -> None:
    write = rig.database.write
    write(lambda tx: open_stalled(tx, trigger, id_of("triage"), at(1), at(1), "nonsense"))
    (one,) = rig.missed()
    assert (one.reason, one.first, one.last, one.count) == ("stalled", at(1), None, None)


@pytest.mark.parametrize("first", [1, 2])
def test_an_interval_that_is_recorded_already_goes_on(rig: Rig, trigger: str, first: int) -> None:
    """Recording that a trigger is stalled never fails: it would fail each round."""
    write = rig.database.write
    write(lambda tx: open_stalled(tx, trigger, id_of("triage"), at(1), at(1), "nonsense"))
    if first == 1:
        write(lambda tx: close_stalled(tx, [trigger], at(2)))
    write(lambda tx: open_stalled(tx, trigger, id_of("triage"), at(first), at(3), "worse"))
    (interval,) = rig.missed()
    assert (interval.first, interval.last, interval.detail) == (at(1), None, "worse")


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        pytest.param(0, 99, ["missed 2-4 (3)", "paused 6-8 (3)"], id="all, oldest first"),
        pytest.param(4, 5, ["missed 2-4 (3)"], id="touches its end"),
        pytest.param(5, 6, ["paused 6-8 (3)"], id="touches its beginning"),
        pytest.param(7, 7, ["paused 6-8 (3)"], id="lies within"),
        pytest.param(5, 5, [], id="between"),
    ],
)
def test_a_stretch_of_time(
    rig: Rig, trigger: str, since: int, until: int, expected: list[str]
) -> None:
    recorded(rig, trigger, (span(2, 4), 1), (span(6, 8, "paused"), 5))
    triage = id_of("triage")
    found = rig.database.read(lambda tx: missed_between(tx, triage, at(since), at(until)))
    assert short(found) == expected
    assert rig.database.read(lambda tx: missed_between(tx, "?", at(since), at(until))) == []
