"""The outbox is read by its indexes, however much of it there is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.store.engine.database import Database, Tx
from reconciler.store.notify.lists import EntryFilter, attempts_of, count_pending, find_entries
from reconciler.store.notify.queue import channels_due, claim_entries
from reconciler.store.retention import prune_notifications
from tests.support.plans import plan_of

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
TOKEN = "0" * 36


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda tx: channels_due(tx, NOW), id="the channels that are due"),
        pytest.param(count_pending, id="what waits"),
    ],
)
def test_what_waits_is_read_by_the_index_of_what_waits(
    empty: Database, read: Callable[[Tx], Any]
) -> None:
    plan = plan_of(empty, read)
    assert plan
    assert all("ix_notification_pending" in step for step in plan if "notification" in step)


def test_a_claim_reads_what_is_due_of_its_channel(empty: Database) -> None:
    plan = plan_of(empty, lambda tx: claim_entries(tx, "c", "me", NOW, NOW + HOUR, 10), writes=True)
    assert any("ix_notification_pending (channel=? AND due_at<?)" in step for step in plan)
    assert not [step for step in plan if step.startswith("SCAN notification")]


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(
            lambda tx: find_entries(tx, EntryFilter(workspaces=frozenset("a"))), id="a workspace"
        ),
        pytest.param(lambda tx: find_entries(tx, EntryFilter(run_id=TOKEN)), id="a run"),
        pytest.param(lambda tx: attempts_of(tx, TOKEN), id="the log of one"),
    ],
)
def test_lists_are_read_by_an_index(empty: Database, read: Callable[[Tx], Any]) -> None:
    plan = plan_of(empty, read)
    assert plan
    assert not [step for step in plan if step.startswith("SCAN") and "USING" not in step]
    assert any(step.startswith("SEARCH notification") for step in plan)


def test_what_is_old_is_deleted_by_its_index(empty: Database) -> None:
    plan = plan_of(empty, lambda tx: prune_notifications(tx, NOW), writes=True)
    assert not [step for step in plan if step.startswith("SCAN notification")]
