"""Retention: what is old enough is deleted, a small batch at a time."""

from dataclasses import dataclass
from datetime import timedelta

from reconciler.control.apart import apart
from reconciler.core.webhooks.delivery_key import KEY_RETENTION
from reconciler.store.engine.database import Database, Tx
from reconciler.store.retention import (
    BATCH,
    Prune,
    prune_bodies,
    prune_deliveries,
    prune_intervals,
    prune_keys,
    prune_notifications,
    prune_outputs,
    prune_revisions,
    prune_runs,
    prune_spending,
)

COUNTED = KEY_RETENTION
"""Runs of this time are counted by other rules, however soon they may be deleted: `limits.perDay`
counts those of a day, and an idempotency key answers with the run that it made."""


SUMMED = timedelta(days=40)
"""No budget asks further back than to the beginning of the month, in any time zone."""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each kind of row is kept."""

    runs: timedelta
    deliveries: timedelta
    bodies: timedelta
    revisions: timedelta

    def rules(self) -> tuple[tuple[str, Prune, timedelta], ...]:
        """Return what is pruned, how, and after what time."""
        return (
            ("runs", prune_runs, max(self.runs, COUNTED)),
            ("intervals", prune_intervals, self.runs),
            ("notifications", prune_notifications, self.deliveries),
            ("deliveries", prune_deliveries, self.deliveries),
            ("bodies", prune_bodies, self.bodies),
            ("outputs", prune_outputs, self.bodies),
            ("revisions", prune_revisions, self.revisions),
            ("keys", prune_keys, timedelta(0)),
            ("spending", prune_spending, SUMMED),
        )


def prune_once(database: Database, retention: Retention, most: int = 20) -> dict[str, int]:
    """Prune up to `most` batches of each kind; return the number of rows deleted of each.

    A kind of which nothing can be deleted does not keep the others.
    """
    deleted: dict[str, int] = {}
    for name, prune, age in retention.rules():
        with apart({}, name, "old rows of a kind could not be deleted"):
            for _ in range(most):
                count = database.write(lambda tx, p=prune, a=age: _batch(tx, database, p, a))  # type: ignore[misc]
                deleted[name] = deleted.get(name, 0) + count
                if count < BATCH:
                    break
    return {name: count for name, count in deleted.items() if count}


def _batch(tx: Tx, database: Database, prune: Prune, age: timedelta) -> int:
    return prune(tx, database.now(tx) - age)
