"""What every webhook asks is answered by an index, however many triggers and keys there are."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.store.database import Database, Tx
from reconciler.store.deliveries import get_delivery
from reconciler.store.webhooks import find_webhook, last_changes, seen_keys
from tests.support.plans import plan_of

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
PAIRS = [(scope, key) for scope in "ab" for key in "kl"]


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda tx: find_webhook(tx, "0" * 64, NOW), id="the trigger of a token"),
        pytest.param(lambda tx: last_changes(tx, ["a", "b"]), id="what was changed"),
        pytest.param(lambda tx: seen_keys(tx, PAIRS, NOW), id="used keys"),
        pytest.param(lambda tx: get_delivery(tx, "a"), id="a delivery"),
    ],
)
def test_it_reads_by_its_key(empty: Database, read: Callable[[Tx], Any]) -> None:
    plan = plan_of(empty, read)
    assert plan
    assert [step for step in plan if step.startswith("SCAN") or "(expires_at" in step] == []
