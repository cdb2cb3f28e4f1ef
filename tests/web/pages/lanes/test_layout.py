"""Where marks stand: within the window, below each other, with the sentence of what happened."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.runs.run import (
    MissedInterval,
    MissedReason,
    Reason,
    Run,
    Source,
    Status,
)
from reconciler.web.pages.lanes.layout import (
    HIGHEST,
    LOWEST,
    MOST_ROWS,
    NARROWEST,
    ROW,
    TOP,
    Counted,
    count_marks,
    late_mark,
    missed_marks,
    run_marks,
)
from reconciler.web.pages.lanes.window import SPANS, WIDTH, Window

NOW = datetime(2026, 11, 3, 15, 40, tzinfo=UTC)
DAY = Window.of("day", NOW)


def a_run(number: int, at: datetime, **changes: Any) -> Run:
    run = Run(
        id=f"run-{number}",
        autopilot_id="a",
        workspace="default",
        autopilot="triage",
        source=Source.SCHEDULE,
        status=Status.COMPLETED,
        triggered_at=at,
        created_at=at,
        spec_digest="",
        admitted_at=at,
        started_at=at,
        completed_at=at,
    )
    return replace(run, **changes)


MINUTES = st.integers(-60 * 24, 60 * 5)
RUNS = st.lists(st.tuples(MINUTES, st.integers(0, 600), st.integers(0, 600)), max_size=30)


@given(RUNS, st.sampled_from(sorted(SPANS)))
def test_every_run_stands_within_the_window_and_never_on_another(
    times: list[tuple[int, int, int]], span: str
) -> None:
    window = Window.of(span, NOW)
    runs = []
    for number, (at, waited, worked) in enumerate(times):
        triggered = NOW + timedelta(minutes=at)
        began = triggered + timedelta(minutes=waited)
        ended = began + timedelta(minutes=worked)
        runs.append(a_run(number, triggered, started_at=began, completed_at=ended))
    marks, _, rows = run_marks(runs, window)
    assert len(marks) == len(runs)
    assert rows <= MOST_ROWS
    last: dict[float, float] = {}
    for mark in marks:
        assert mark.x >= 0
        assert NARROWEST <= mark.width <= WIDTH
        assert mark.x + mark.width <= WIDTH + 0.001
        if rows < MOST_ROWS and mark.x + mark.width < WIDTH:
            assert mark.x >= last.get(mark.y, -1)
        last[mark.y] = mark.x + mark.width


def test_runs_that_overlap_stand_below_each_other() -> None:
    hour = timedelta(hours=1)
    first = a_run(1, NOW - 3 * hour, completed_at=NOW - hour)
    second = a_run(2, NOW - 2 * hour, completed_at=NOW)
    marks, _, rows = run_marks([first, second], DAY)
    assert rows == 2
    assert marks[1].y == marks[0].y + ROW


def test_waiting_is_told_apart_from_work_and_leads_to_what_was_in_the_way() -> None:
    hour = timedelta(hours=1)
    first = a_run(1, NOW - 3 * hour, completed_at=NOW - hour)
    second = a_run(2, NOW - 2 * hour, blocked_by="run-1", started_at=NOW - hour, completed_at=NOW)
    replaced = a_run(
        3, NOW - 6 * hour, status=Status.FAILED, replaced_by="run-1", completed_at=NOW - 4 * hour
    )
    marks, links, _ = run_marks([first, second, replaced], DAY)
    assert marks[2].waited == DAY.x(NOW - 2 * hour)
    assert marks[2].x == DAY.x(NOW - hour)
    assert [link.kind for link in links] == ["replaces", "queued"]


def test_the_sentence_says_when_what_and_why() -> None:
    failed = a_run(
        1,
        NOW,
        status=Status.FAILED,
        reason=Reason.AGENT_FAILED,
        failure_reason="exited with status 3",
        trigger="weekdays",
        completed_at=NOW + timedelta(minutes=3),
    )
    (mark,), _, _ = run_marks([failed], DAY)
    assert mark.words == (
        "3 Nov, 15:40 UTC, weekdays: failed (agent_failed): exited with status 3, took 3 min 0 s"
    )
    assert mark.href == "/runs/run-1"


def test_what_goes_on_reaches_to_now_and_no_further() -> None:
    running = a_run(1, NOW - timedelta(hours=2), status=Status.RUNNING, completed_at=None)
    (mark,), _, _ = run_marks([running], DAY)
    assert mark.x + mark.width == pytest.approx(DAY.x(NOW))


COUNTS = st.lists(
    st.tuples(MINUTES, st.sampled_from(sorted(Status)), st.integers(1, 500)), max_size=60
)


@given(COUNTS, st.sampled_from([4.0, 8.0]))
def test_counted_runs_keep_their_number_and_stand_once_in_each_cell(
    counts: list[tuple[int, Status, int]], cell: float
) -> None:
    parts = [
        Counted(NOW + timedelta(minutes=at), NOW + timedelta(minutes=at), status, count)
        for at, status, count in counts
    ]
    marks = count_marks(parts, DAY, cell, "default/triage")
    assert sum(int(mark.words.split()[0]) for mark in marks) == sum(c for *_, c in counts)
    assert len({mark.x for mark in marks}) == len(marks) <= WIDTH / cell + 1


@given(COUNTS)
def test_a_cell_is_divided_by_status_and_stays_within_its_lane(
    counts: list[tuple[int, Status, int]],
) -> None:
    moments = [(NOW + timedelta(minutes=at), status, count) for at, status, count in counts]
    parts = [Counted(at, at, status, count) for at, status, count in moments]
    for mark in count_marks(parts, DAY, 8, "default/triage"):
        y = mark.parts[0].y
        assert y >= TOP
        for bar in mark.parts:
            assert bar.height > 0
            assert bar.y == pytest.approx(y, abs=0.2)
            y += bar.height
        assert y == pytest.approx(TOP + HIGHEST, abs=0.7)


def test_one_that_failed_among_many_is_seen_first() -> None:
    parts = [Counted(NOW, NOW, Status.COMPLETED, 900), Counted(NOW, NOW, Status.FAILED, 1)]
    (mark,) = count_marks(parts, DAY, 4, "default/triage")
    assert [bar.kind for bar in mark.parts] == ["status-failed", "status-completed"]
    assert mark.parts[0].height == LOWEST
    assert "900 completed, 1 failed" in mark.words


def test_absence_is_drawn() -> None:
    interval = MissedInterval(
        "t", "a", MissedReason.MISSED, NOW - timedelta(hours=5), NOW - timedelta(hours=2), 6,
        detail="no server was running",
    )  # fmt: skip
    open_ended = replace(interval, reason=MissedReason.PAUSED, last=None, count=None)
    band, paused = missed_marks([interval, open_ended], DAY, {"t": "clock"})
    assert (band.x, band.x + band.width) == (DAY.x(interval.first), DAY.x(NOW - timedelta(hours=2)))
    assert band.words.startswith("6 missed, clock, from 3 Nov, 10:40 UTC")
    assert band.words.endswith(": no server was running")
    assert paused.x + paused.width == pytest.approx(DAY.x(NOW))
    assert "it goes on" in paused.words
    assert late_mark(NOW - timedelta(hours=1), "clock", DAY).kind == "late"


@pytest.mark.parametrize("span", sorted(SPANS))
def test_the_axis_divides_the_window_evenly_and_now_is_on_it(span: str) -> None:
    window = Window.of(span, NOW)
    places = [x for x, _, _ in window.axis]
    steps = {round(b - a) for a, b in pairwise(places)}
    assert max(steps) - min(steps) <= 1
    assert window.since < NOW < window.until
    assert Window.of(span, NOW, NOW - timedelta(days=9)).until == NOW - timedelta(days=9)
