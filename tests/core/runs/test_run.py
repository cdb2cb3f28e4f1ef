"""The states of a run and the moves between them."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from reconciler.core.runs.run import (
    BREAKER_REASONS,
    ENDED,
    Reason,
    Run,
    Source,
    Status,
    may_become,
    sources_of,
)
from tests.support.reasons import SKIP_REASONS

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
ALLOWED = {
    (None, "pending"),
    (None, "skipped"),
    ("pending", "session_created"),
    ("pending", "running"),
    ("pending", "skipped"),
    ("pending", "failed"),
    ("session_created", "running"),
    ("session_created", "failed"),
    ("running", "completed"),
    ("running", "failed"),
}


def test_the_moves_are_those_of_the_table() -> None:
    every = product((None, *Status), Status)
    assert {(before, after) for before, after in every if may_become(before, after)} == ALLOWED


def test_where_a_move_may_come_from_is_the_same_table_read_backwards() -> None:
    moves = {(before, after) for after in Status for before in sources_of(after)}
    assert moves == {(before, after) for before, after in ALLOWED if before is not None}


def test_nothing_leaves_an_end() -> None:
    ends = {status for status in Status if not any(may_become(status, to) for to in Status)}
    assert ends == ENDED


def test_every_reason_is_of_one_kind() -> None:
    assert set(Reason) > SKIP_REASONS
    assert not BREAKER_REASONS & SKIP_REASONS


def a_run(**changes: Any) -> Run:
    """A run that waits."""
    run = Run(
        id="r",
        autopilot_id="a",
        workspace="default",
        autopilot="triage",
        source=Source.SCHEDULE,
        status=Status.PENDING,
        triggered_at=NOW,
        created_at=NOW,
        spec_digest="0" * 64,
    )
    return replace(run, **changes)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        pytest.param(a_run(), "waiting", id="pending, not admitted"),
        pytest.param(a_run(admitted_at=NOW), "active", id="pending, admitted"),
        pytest.param(
            a_run(admitted_at=NOW, status=Status.SESSION_CREATED), "active", id="has a session"
        ),
        pytest.param(a_run(admitted_at=NOW, status=Status.RUNNING), "active", id="running"),
        pytest.param(a_run(admitted_at=NOW, status=Status.COMPLETED), "ended", id="completed"),
        pytest.param(a_run(status=Status.FAILED), "ended", id="failed while it waited"),
        pytest.param(a_run(status=Status.SKIPPED), "ended", id="skipped"),
    ],
)
def test_a_run_waits_is_active_or_has_ended(run: Run, words: str) -> None:
    states = {"waiting": run.waiting, "active": run.active, "ended": run.ended}
    assert [name for name, holds in states.items() if holds] == [words]
