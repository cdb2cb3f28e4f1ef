"""What loops ask again and again is read by an index of the few runs that it is about.

A database keeps every run for months; what a round of a loop costs must not grow with them.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.store.engine.database import Database, Tx
from reconciler.store.gauges import read_gauges
from reconciler.store.runs import leases, runs
from tests.support.plans import plan_of

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
SPACES = frozenset({"default"})


@pytest.mark.parametrize(
    ("index", "read"),
    [
        pytest.param("ix_run_status", lambda tx: leases.claimable(tx, NOW, 9), id="to dispatch"),
        pytest.param("ix_run_status", lambda tx: leases.abandoned(tx, NOW), id="abandoned"),
        pytest.param("ix_run_owner", lambda tx: leases.held_by(tx, "me"), id="in our hands"),
        pytest.param("ix_run_deadline", lambda tx: leases.overdue(tx, NOW), id="overdue"),
        pytest.param("ix_run_cancel", lambda tx: leases.untouched_cancels(tx, NOW), id="cancelled"),
        pytest.param(
            "ix_run_status", lambda tx: leases.unattended_cancels(tx, NOW), id="between attempts"
        ),
        pytest.param("ix_run_agent", leases.count_leased, id="all in hand"),
        pytest.param("ix_run_agent", lambda tx: leases.load_of(tx, ["default"]), id="load"),
        pytest.param(
            "ix_run_agent",
            lambda tx: leases.waiting_for_claim(tx, ["bot"], SPACES, 1),
            id="waiting for a worker",
        ),
        pytest.param(
            "ix_run_worker", lambda tx: leases.silent_workers(tx, NOW, NOW), id="silent workers"
        ),
        pytest.param("ix_run_expires", lambda tx: runs.expired_waiters(tx, NOW), id="expired"),
        pytest.param("ix_run_expires", runs.autopilots_with_waiters, id="waiting"),
        pytest.param("ix_run_expires", lambda tx: read_gauges(tx, NOW), id="depth of the queue"),
    ],
)
def test_it_reads_by_its_index(empty: Database, index: str, read: Callable[[Tx], Any]) -> None:
    steps = [step for step in plan_of(empty, read) if " autopilot_run " in f"{step} "]
    by_id = "SEARCH autopilot_run USING INDEX sqlite_autoindex_autopilot_run_1 (id=?)"
    assert any(f"INDEX {index}" in step for step in steps), steps
    assert all(f"INDEX {index}" in step or step == by_id for step in steps), steps
