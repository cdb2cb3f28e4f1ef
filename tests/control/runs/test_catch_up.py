"""Late occurrences: what an outage becomes under each `catchUp`, and what never fires the past."""

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.control.runs.switches import pause, resume
from reconciler.core.runs.run import Completed, Run
from tests.support.rig import Document, Rig, agent, autopilot, id_of, schedule


def at(hour: int, minute: int = 0, day: int = 2) -> datetime:
    """A moment of the Monday on which the tests begin."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def moments(runs: list[Run]) -> list[datetime | None]:
    """The nominal moments of runs."""
    return [run.scheduled_for for run in runs]


def intervals(rig: Rig) -> list[tuple[str, datetime, datetime | None, int | None, bool]]:
    """The recorded intervals: reason, first, last, count, exact."""
    return [(one.reason, one.first, one.last, one.count, one.exact) for one in rig.missed()]


def queued(*triggers: Document, **spec: object) -> Document:
    """An autopilot whose runs wait for each other."""
    return autopilot("triage", *triggers, concurrencyPolicy="queue", **spec)


def test_all_starts_a_hundred_at_most_and_they_are_the_newest(rig: Rig) -> None:
    every = schedule("* * * * *", catchUp="all", catchUpWindow="24h")
    rig.apply(agent(), queued(every, queueLimit=1000))
    rig.tick(minutes=250)
    newest = [at(8) + timedelta(minutes=n) for n in range(151, 251)]
    assert moments(rig.runs()) == newest
    assert intervals(rig) == [("missed", at(8, 1), at(10, 30), 150, True)]


def test_all_waits_in_line_and_is_not_coalesced(rig: Rig) -> None:
    rig.apply(agent(), queued(schedule("*/10 * * * *", catchUp="all")))
    rig.tick(minutes=50)
    first, *others = rig.runs()
    assert first.active
    assert [run.waiting for run in others] == [True] * 4
    ended = []
    while live := [run for run in rig.runs() if run.active]:
        ended += moments(live)
        rig.end(live[0], Completed("done"))
    assert ended == [at(8, n) for n in (10, 20, 30, 40, 50)]


def test_all_is_caught_up_whatever_the_queue_limit_oldest_first(rig: Rig) -> None:
    every = schedule("*/10 * * * *", catchUp="all")
    rig.apply(agent(), queued(every, {"name": "call", "kind": "api"}, queueLimit=2))
    rig.tick(minutes=50)
    assert [run.reason for run in rig.runs()] == [None] * 5
    assert moments(rig.runs()) == [at(8, n) for n in (10, 20, 30, 40, 50)]
    assert rig.missed() == []
    assert rig.launch(trigger="call").reason == "queue_full"


@pytest.mark.parametrize(
    ("late", "started"),
    [
        pytest.param(0, True, id="in time"),
        pytest.param(60, True, id="a minute late"),
        pytest.param(61, False, id="more than a minute late"),
    ],
)
def test_none_starts_what_is_a_minute_late_at_most(rig: Rig, late: int, started: bool) -> None:
    rig.apply(agent(), autopilot("triage", schedule("30 8 * * *", catchUp="none")))
    rig.tick(minutes=30, seconds=late)
    assert moments(rig.runs()) == ([at(8, 30)] if started else [])
    assert len(rig.missed()) == (0 if started else 1)


@pytest.mark.parametrize("catch_up", ["latest", "all"])
@pytest.mark.parametrize(
    ("late", "started"),
    [
        pytest.param(timedelta(minutes=20), True, id="exactly as late as the window"),
        pytest.param(timedelta(minutes=20, seconds=1), False, id="later than the window"),
    ],
)
def test_the_window_bounds_how_late(
    rig: Rig, catch_up: str, late: timedelta, started: bool
) -> None:
    daily = schedule("30 8 * * *", catchUp=catch_up, catchUpWindow="20m")
    rig.apply(agent(), autopilot("triage", daily))
    rig.tick(seconds=1800 + late.total_seconds())
    assert moments(rig.runs()) == ([at(8, 30)] if started else [])
    expected = [] if started else [("missed", at(8, 30), at(8, 30), 1, True)]
    assert intervals(rig) == expected


def test_lateness_counts_from_the_nominal_moment_plus_jitter(rig: Rig) -> None:
    """Jitter makes nobody late: with it the moment that is due is another one."""
    spread = schedule("30 8 * * *", catchUp="none", jitter="30m")
    rig.apply(agent(), autopilot("triage", spread))
    due = rig.triggers()["clock"].next_run_at
    assert due is not None
    assert at(8, 31) < due < at(9)
    rig.tick(seconds=(due - rig.clock.now()).total_seconds() - 0.001)
    assert rig.runs() == []
    rig.tick(seconds=60.001)
    assert moments(rig.runs()) == [at(8, 30)]


def test_latest_leaves_what_came_before_as_one_interval(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *", catchUp="latest")))
    rig.tick(minutes=45)
    assert moments(rig.runs()) == [at(8, 40)]
    assert intervals(rig) == [("missed", at(8, 10), at(8, 30), 3, True)]


def test_two_outages_with_a_run_between_are_two_intervals(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    rig.tick(minutes=30)
    rig.end(rig.runs()[-1], Completed("done"))
    rig.tick(minutes=30)
    assert intervals(rig) == [
        ("missed", at(8, 10), at(8, 20), 2, True),
        ("missed", at(8, 40), at(8, 50), 2, True),
    ]


def test_outages_without_a_run_between_are_one_interval(rig: Rig) -> None:
    rare = schedule("*/10 * * * *", catchUp="none")
    rig.apply(agent(), autopilot("triage", rare))
    rig.tick(minutes=25)
    rig.tick(minutes=20)
    assert intervals(rig) == [("missed", at(8, 10), at(8, 40), 4, True)]


def test_a_count_beyond_a_thousand_says_at_least(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("* * * * *", catchUp="none")))
    rig.tick(days=1, seconds=30)
    rig.tick(minutes=2)
    ((_, first, _, count, exact),) = intervals(rig)[:1]
    assert (first, count, exact) == (at(8, 1), 1000, False)


def test_a_period_is_counted_exactly_however_long_the_outage(rig: Rig) -> None:
    trigger = schedule(None, every="1m", catchUp="none")
    rig.apply(agent(), autopilot("triage", trigger))
    rig.tick(days=30, seconds=30)
    (run,) = rig.runs()
    ((_, first, last, count, exact),) = intervals(rig)
    assert (first, count, exact) == (at(8, 1), 30 * 24 * 60 - 1, True)
    assert run.scheduled_for is not None
    assert last == run.scheduled_for - timedelta(minutes=1)


def test_a_trigger_that_is_enabled_again_never_fires_the_past(rig: Rig) -> None:
    clock = schedule("*/10 * * * *", catchUp="all")
    rig.apply(agent(), queued(clock))
    rig.tick(minutes=5)
    rig.apply(agent(), queued({**clock, "enabled": False}))
    assert rig.tick(minutes=30).runs == []
    rig.apply(agent(), queued(clock))
    assert rig.tick().runs == []
    assert moments(rig.tick(minutes=5).runs) == [at(8, 40)]


def test_an_edited_trigger_never_fires_for_a_moment_before_the_edit(rig: Rig) -> None:
    rig.apply(agent(), queued(schedule("0 12 * * *", catchUp="all")))
    rig.clock.advance(minutes=35)
    rig.apply(agent(), queued(schedule("*/10 * * * *", catchUp="all")))
    assert rig.tick().runs == []
    assert moments(rig.tick(minutes=5).runs) == [at(8, 40)]


def test_an_edit_of_the_label_keeps_the_place(rig: Rig) -> None:
    """What people read does not decide when a trigger fires: what is due still starts."""
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    rig.clock.advance(minutes=10)
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *", label="often")))
    assert moments(rig.tick().runs) == [at(8, 10)]


def test_a_resumed_autopilot_never_fires_the_past(rig: Rig) -> None:
    rig.apply(agent(), queued(schedule("*/10 * * * *", catchUp="all")))
    rig.database.write(lambda tx: pause(tx, id_of("triage"), "ann", "a change", rig.clock.now()))
    rig.clock.advance(minutes=35)
    rig.database.write(lambda tx: resume(tx, id_of("triage"), rig.clock.now()))
    assert rig.tick().runs == []
    assert intervals(rig) == [("paused", at(8, 10), at(8, 30), 3, True)]
    assert moments(rig.tick(minutes=5).runs) == [at(8, 40)]


def test_a_one_off_that_came_in_an_outage_starts_within_its_window_only(rig: Rig) -> None:
    near = schedule(None, "near", at="2026-11-02T08:30")
    far = schedule(None, "far", at="2026-11-02T08:10", catchUpWindow="10m")
    rig.apply(agent(), autopilot("triage", near, far, maxConcurrency=2))
    rig.tick(minutes=40)
    assert moments(rig.runs()) == [at(8, 30)]
    assert intervals(rig) == [("missed", at(8, 10), at(8, 10), 1, True)]
    assert {one.next_run_at for one in rig.triggers().values()} == {None}


OVERTAKEN = ("missed", at(8, 10), at(8, 30), 3, True)
"""What a server that was down until 08:35 had not decided."""


@pytest.mark.parametrize(
    "after",
    [
        pytest.param([schedule("0 12 * * *")], id="edited"),
        pytest.param([schedule("*/10 * * * *", enabled=False)], id="disabled"),
        pytest.param([], id="removed"),
    ],
)
def test_what_nobody_decided_before_a_change_is_recorded(rig: Rig, after: list[Document]) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    rig.clock.advance(minutes=35)
    rig.apply(agent(), autopilot("triage", *after))
    assert intervals(rig) == [OVERTAKEN]
    assert "changed before" in rig.missed()[0].detail
    rig.tick()
    assert (rig.runs(), intervals(rig)) == ([], [OVERTAKEN])


def test_what_nobody_decided_before_the_autopilot_left_is_recorded(rig: Rig) -> None:
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")), autopilot("other"))
    rig.clock.advance(minutes=35)
    rig.apply(agent(), autopilot("other"))
    assert intervals(rig) == [OVERTAKEN]


def test_what_was_decided_is_not_decided_again_where_the_clock_went_back_before_an_edit(
    rig: Rig,
) -> None:
    """An edit begins anew at its moment, but never before what was decided."""
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *")))
    rig.tick(minutes=10)
    rig.clock.jump(minutes=-5)
    rig.apply(agent(), autopilot("triage", schedule("*/10 * * * *", catchUp="all")))
    rig.tick(minutes=5)
    assert moments(rig.runs()) == [at(8, 10)]
    assert len(rig.tick(minutes=10).runs) == 1
