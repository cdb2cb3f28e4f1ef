"""Where a failing streak began, whom that points at, and when it points at nobody."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.runs.run import BREAKER_REASONS, Reason, Run, Source, Status
from reconciler.core.runs.streak import Streak, explained, streak_of

START = datetime(2026, 11, 2, 8, tzinfo=UTC)
OLD, NEW, LATER = "a" * 40, "b" * 40, "c" * 40


def run(number: int, status: Status, commit: str = OLD, spec: str = "old", **more: Any) -> Run:
    """The run of that minute, under a manifest."""
    if status is Status.FAILED:
        more = {"reason": Reason.AGENT_FAILED, **more}
    moment = START + timedelta(minutes=number)
    return Run(
        id=f"run-{number}",
        autopilot_id="autopilot",
        workspace="default",
        autopilot="triage",
        source=Source.SCHEDULE,
        status=status,
        triggered_at=moment,
        created_at=moment,
        spec_digest=spec,
        revision=commit,
        commit=commit if len(commit) == 40 else None,
        **more,
    )


GOOD, BAD, SKIPPED, RUNNING = Status.COMPLETED, Status.FAILED, Status.SKIPPED, Status.RUNNING
CANCELLED = {"reason": Reason.CANCELLED}


@pytest.mark.parametrize(
    ("oldest_first", "expected"),
    [
        pytest.param([], None, id="no runs"),
        pytest.param([run(0, BAD), run(1, GOOD)], None, id="the last one completed"),
        pytest.param(
            [run(0, GOOD), run(1, BAD, NEW, "new"), run(2, BAD, NEW, "new")],
            ("run-1", 2, f"git revert {NEW}"),
            id="a new manifest broke it",
        ),
        pytest.param(
            [run(0, GOOD), run(1, BAD, NEW, "new"), run(2, BAD, LATER, "later")],
            ("run-1", 2, f"git revert {NEW}"),
            id="an attempt to repair it did not help",
        ),
        pytest.param(
            [run(0, GOOD), run(1, BAD), run(2, BAD, NEW, "new")],
            ("run-1", 2, None),
            id="it broke while nothing changed",
        ),
        pytest.param(
            [run(0, GOOD), run(1, BAD, NEW, "old")],
            ("run-1", 1, None),
            id="a new commit, and the same manifest",
        ),
        pytest.param(
            [run(0, BAD, NEW, "new")], ("run-0", 1, f"git revert {NEW}"), id="it never worked"
        ),
        pytest.param(
            [run(0, GOOD), run(1, BAD, "sha256:x", "new")],
            ("run-1", 1, None),
            id="a folder is no commit",
        ),
        pytest.param(
            [
                run(0, GOOD),
                run(1, SKIPPED, reason=Reason.OVERLAP),
                run(2, BAD, LATER, "later", **CANCELLED),
                run(3, BAD, NEW, "new"),
                run(4, SKIPPED, reason=Reason.OVERLAP),
                run(5, BAD, NEW, "new", **CANCELLED),
                run(6, BAD, NEW, "new"),
                run(7, RUNNING, NEW, "new"),
            ],
            ("run-3", 2, f"git revert {NEW}"),
            id="what says nothing about the work is passed over",
        ),
    ],
)
def test_where_a_streak_began(
    oldest_first: list[Run], expected: tuple[str, int, str | None] | None
) -> None:
    streak = streak_of(oldest_first[::-1])
    shown = (streak.run_id, streak.failures, streak.revert) if streak else None
    assert shown == expected


runs = st.lists(
    st.tuples(
        st.sampled_from([GOOD, BAD, SKIPPED, RUNNING]),
        st.sampled_from(sorted(Reason)),
        st.sampled_from([OLD, NEW]),
    ),
    max_size=20,
)


@given(history=runs)
def test_a_streak_is_all_failures_since_the_last_good_run(
    history: list[tuple[Status, Reason, str]],
) -> None:
    oldest_first = [
        run(n, status, commit, commit, reason=reason if status is BAD else None)
        for n, (status, reason, commit) in enumerate(history)
    ]
    ends = [n for n, entry in enumerate(oldest_first) if entry.status is GOOD]
    since = oldest_first[ends[-1] + 1 if ends else 0 :]
    failures = [entry for entry in since if entry.status is BAD and entry.reason in BREAKER_REASONS]
    streak = streak_of(oldest_first[::-1])
    if not failures:
        assert streak is None
    else:
        assert streak is not None
        assert (streak.run_id, streak.failures) == (failures[0].id, len(failures))


def test_no_more_runs_are_read_than_needed() -> None:
    def newest_first() -> Any:
        yield run(2, BAD)
        yield run(1, GOOD)
        raise AssertionError("one run too many was read")

    assert streak_of(newest_first()) is not None


@pytest.mark.parametrize(("length", "whole"), [(5, True), (6, False)])
def test_a_streak_that_is_too_long_points_at_nobody(length: int, whole: bool) -> None:
    streak = streak_of((run(n, BAD, NEW) for n in range(length, 0, -1)), most=5)
    assert streak is not None
    assert (streak.whole, streak.failures, streak.revert is not None) == (whole, 5, whole)


@pytest.mark.parametrize(
    ("streak", "sentence"),
    [
        pytest.param(
            Streak(
                run_id="r",
                began_at=START,
                failures=3,
                revision=NEW,
                commit=NEW,
                author="Ada <ada@example.org>",
            ),
            f"it failed 3 times in a row, since run r at 2026-11-02T08:00:00Z, the first under "
            f"revision {NEW} by Ada <ada@example.org>; `git revert {NEW}` undoes it",
            id="a commit",
        ),
        pytest.param(
            Streak(run_id="r", began_at=START, failures=1, revision=NEW, commit=NEW, changed=False),
            f"it failed once, since run r at 2026-11-02T08:00:00Z, the first under revision {NEW}; "
            "the same manifest had worked before",
            id="the manifest is not to blame",
        ),
        pytest.param(
            Streak(run_id="r", began_at=START, failures=2000, whole=False),
            "it failed at least 2000 times in a row; where that began is too long ago to be "
            "looked up",
            id="too long",
        ),
    ],
)
def test_a_streak_as_a_sentence(streak: Streak, sentence: str) -> None:
    assert explained(streak) == sentence
