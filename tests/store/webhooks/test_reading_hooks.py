"""What webhooks leave behind is found and deleted by an index, however much of it there is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.store.engine.database import Database, Tx
from reconciler.store.retention import (
    Prune,
    prune_bodies,
    prune_deliveries,
    prune_keys,
    prune_runs,
)
from reconciler.store.webhooks.deliveries import get_delivery
from reconciler.store.webhooks.webhooks import (
    SeenKey,
    find_webhook,
    last_changes,
    seen_keys,
    use_keys,
)
from tests.support.plans import plan_of

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
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


@pytest.mark.parametrize("prune", [prune_runs, prune_deliveries, prune_bodies, prune_keys])
def test_what_is_old_is_deleted_by_its_index(empty: Database, prune: Prune) -> None:
    keys = [SeenKey(*pair, "0" * 64, "run", None, NOW) for pair in PAIRS]
    empty.write(lambda tx: use_keys(tx, keys))
    plan = plan_of(empty, lambda tx: prune(tx, NOW + HOUR), writes=True)
    assert plan
    large = ("autopilot_run", "delivery", "idempotency_key")
    assert [step for step in plan if step.startswith("SCAN") and step.split()[1] in large] == []
