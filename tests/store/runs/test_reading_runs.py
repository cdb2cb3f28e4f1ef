"""What loops ask again and again is read by an index of the few runs that it is about.

A database keeps every run for months; what a round of a loop costs must not grow with them.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.store.engine.database import Database, Tx
from reconciler.store.gauges import read_gauges
from reconciler.store.runs import claims, due, in_flight, leases, queues, runs, stopping
from tests.support.plans import plan_of

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("index", "read"),
    [
        pytest.param("ix_run_queue", lambda tx: queues.heads(tx, NOW), id="heads of queues"),
        pytest.param("ix_run_queue", lambda tx: queues.queued(tx, "q", NOW, 9), id="of a queue"),
        pytest.param(
            "ix_run_owner", lambda tx: leases.any_expired(tx, NOW, ["x"]), id="expired leases"
        ),
        pytest.param("ix_run_status", lambda tx: leases.abandoned(tx, NOW), id="abandoned"),
        pytest.param("ix_run_owner", lambda tx: leases.held_by(tx, "me"), id="in our hands"),
        pytest.param("ix_run_deadline", lambda tx: stopping.overdue(tx, NOW), id="overdue"),
        pytest.param(
            "ix_run_cancel", lambda tx: stopping.untouched_cancels(tx, NOW), id="cancelled"
        ),
        pytest.param(
            "ix_run_status", lambda tx: stopping.unattended_cancels(tx, NOW), id="between attempts"
        ),
        pytest.param("ix_run_claim", in_flight.count_offered, id="offered to workers"),
        pytest.param(
            "ix_run_claim",
            lambda tx: claims.waiting_for_claim(tx, "default", "bot", 1),
            id="waiting for a worker",
        ),
        pytest.param(
            "ix_run_worker", lambda tx: claims.silent_workers(tx, NOW, NOW), id="silent workers"
        ),
        pytest.param("ix_run_expires", lambda tx: runs.expired_waiters(tx, NOW), id="expired"),
        pytest.param("ix_run_expires", runs.autopilots_with_waiters, id="waiting"),
    ],
)
def test_it_reads_by_its_index(empty: Database, index: str, read: Callable[[Tx], Any]) -> None:
    steps = [step for step in plan_of(empty, read) if " autopilot_run " in f"{step} "]
    by_id = "SEARCH autopilot_run USING INDEX sqlite_autoindex_autopilot_run_1 (id=?)"
    assert any(f"INDEX {index}" in step for step in steps), steps
    assert all(f"INDEX {index}" in step or step == by_id for step in steps), steps


def test_what_a_round_has_to_do_is_asked_by_the_indexes_of_its_lists(empty: Database) -> None:
    steps = plan_of(empty, lambda tx: due.find_due(tx, "me", NOW, NOW, ["x"]))
    read = [step for step in steps if " autopilot_run " in f"{step} "]
    lists = ["status", "owner", "worker", "deadline", "cancel", "queue"]
    indexes = [f"ix_run_{name}" for name in lists]
    assert {index for index in indexes for step in read if f"INDEX {index}" in step} == {*indexes}
    assert all(any(f"INDEX {index}" in step for index in indexes) for step in read), steps


def test_gauges_read_indexes_of_open_runs_only(empty: Database) -> None:
    steps = plan_of(empty, lambda tx: read_gauges(tx, NOW))
    read = {step.rsplit("INDEX ", 1)[-1] for step in steps if " autopilot_run " in f"{step} "}
    assert read == {"ix_run_expires (expires_at>?)", "ix_run_open"}, steps


def test_what_is_in_flight_is_counted_by_two_indexes_of_few_rows(empty: Database) -> None:
    steps = [step for step in plan_of(empty, in_flight.count_in_flight) if "autopilot_run" in step]
    assert any("ix_run_owner" in step for step in steps), steps
    assert any("ix_run_status" in step for step in steps), steps
    assert all("ix_run_owner" in step or "ix_run_status" in step for step in steps), steps
