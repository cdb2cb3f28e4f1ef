"""Verified deliveries become runs: keys, deliveries, runs and policy in one durable transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from reconciler.control.runs.admit import Firing, admit_all
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.run import Reason, Run, Status
from reconciler.core.runs.standing import NotInForce, standing_of
from reconciler.core.webhooks.delivery_key import KEY_RETENTION
from reconciler.store.engine.database import Tx
from reconciler.store.runs.occupancy import lock_autopilots
from reconciler.store.webhooks.deliveries import Delivery, count_again, insert_deliveries
from reconciler.store.webhooks.webhooks import (
    SeenKey,
    last_changes,
    seen_keys,
    use_keys,
)


class Verified(NamedTuple):
    """A delivery that passed every check before the transaction.

    The checks were made with the trigger as it was `changed_at`, title and key of the run with the
    autopilot's manifest of this `digest`. `key` is the idempotency key or the provider's id,
    `explicit` which of the two; `replay` the fingerprint of what was signed, with `replay_window`
    for as long as it counts.
    """

    autopilot_id: str
    trigger_id: str
    changed_at: datetime
    digest: str
    delivery: Delivery
    firing: Firing
    key: str | None
    explicit: bool
    replay: str | None
    replay_window: timedelta

    def key_pairs(self) -> list[tuple[str, str]]:
        """What this delivery is known by, as (scope, key)."""
        pairs = [] if self.key is None else [(self.trigger_id, f"key:{self.key}")]
        return pairs + ([] if self.replay is None else [(self.trigger_id, f"body:{self.replay}")])


@dataclass(frozen=True, slots=True)
class Accepted:
    """A run was made: admitted or waiting, or skipped by the policy for a reason."""

    run_id: str
    delivery_id: str
    skipped: Reason | None = None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same delivery came before and made this run."""

    run_id: str
    delivery_id: str | None


@dataclass(frozen=True, slots=True)
class KeyReused:
    """The same `Idempotency-Key` came before with another body."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The autopilot is not in force; recorded, and no key is used up."""

    reason: str
    delivery_id: str


@dataclass(frozen=True, slots=True)
class Stale:
    """The trigger or its autopilot was changed meanwhile: look it up and check again."""


AcceptResult = Accepted | Duplicate | KeyReused | Declined | Stale


def accept_all(
    tx: Tx, deliveries: Sequence[Verified], clock: Callable[[Tx], datetime], cooldown: timedelta
) -> list[AcceptResult]:
    """Take several deliveries at once; one result each, in order.

    1. Hold the autopilots, so that two servers cannot take one key at the same time.
    2. Sort out what changed, what came before, and what is not in force.
    3. Admit the others on the path that all runs take; remember their keys; record deliveries.

    `clock` gives the moment of a transaction, `cooldown` is the breaker's.
    """
    lives = lock_autopilots(tx, [delivery.autopilot_id for delivery in deliveries])
    # Only now: while this waited for the locks, others took keys, and keys expired.
    now = clock(tx)
    changes = last_changes(tx, [delivery.trigger_id for delivery in deliveries])
    seen = seen_keys(tx, [pair for delivery in deliveries for pair in delivery.key_pairs()], now)
    results: dict[int, AcceptResult] = {}
    fresh: dict[int, Verified] = {}
    keys: list[SeenKey] = []
    for index, delivery in enumerate(deliveries):
        live = lives.get(delivery.autopilot_id)
        # The signature and `when` were checked against rows that were read before the lock.
        same = live is not None and live.digest == delivery.digest
        unchanged = same and changes.get(delivery.trigger_id) == delivery.changed_at
        result = _sorted_out(delivery, live, seen, now, cooldown) if live and unchanged else Stale()
        if result is not None:
            results[index] = result
            continue
        fresh[index] = delivery
        new = _keys(delivery, now)
        # The next one of this group may be the same delivery: no row of it is there yet.
        seen.update(((key.scope, key.key), key) for key in new)
        keys += new
    firings = [delivery.firing for delivery in fresh.values()]
    runs = admit_all(tx, firings, now, cooldown, lives) if firings else []
    made = dict(zip(fresh, runs, strict=True))
    # All in this transaction: a key without its run would swallow the sender's next attempt.
    _record(tx, deliveries, made, results)
    use_keys(tx, keys)
    results |= {index: _taken(run, fresh[index].delivery.id) for index, run in made.items()}
    return [results[index] for index in range(len(deliveries))]


def _taken(run: Run, delivery_id: str) -> Accepted:
    skipped = run.reason if run.status is Status.SKIPPED else None
    return Accepted(run.id, delivery_id, skipped)


def _sorted_out(
    delivery: Verified,
    live: LiveAutopilot,
    seen: dict[tuple[str, str], SeenKey],
    now: datetime,
    cooldown: timedelta,
) -> AcceptResult | None:
    """What becomes of a delivery that makes no run; None for one that does."""
    for pair in delivery.key_pairs():
        if (before := seen.get(pair)) is None:
            continue
        if delivery.explicit and pair[1].startswith("key:") and _differs(delivery, before):
            return KeyReused()
        return Duplicate(before.run_id, before.delivery_id)
    standing = standing_of(live.switches, cooldown, now)
    if isinstance(standing, NotInForce):
        return Declined(standing.why, delivery.delivery.id)
    return None


def _differs(delivery: Verified, before: SeenKey) -> bool:
    return before.body_sha256 != delivery.delivery.body_sha256


def _keys(delivery: Verified, now: datetime) -> list[SeenKey]:
    windows = {"key": KEY_RETENTION, "body": delivery.replay_window}
    digest = delivery.delivery.body_sha256 or ""
    return [
        SeenKey(scope, key, digest, delivery.firing.id, delivery.delivery.id, now + window)
        for scope, key in delivery.key_pairs()
        if (window := windows[key.partition(":")[0]])
    ]


def _record(
    tx: Tx,
    deliveries: Sequence[Verified],
    made: dict[int, Run],
    results: dict[int, AcceptResult],
) -> None:
    rows = [_made(deliveries[index].delivery, run) for index, run in made.items()]
    for index, result in results.items():
        if isinstance(result, Declined):
            ignored = deliveries[index].delivery
            rows.append(ignored._replace(verdict="ignored", status_code=200, reason=result.reason))
    insert_deliveries(tx, rows)
    again = [r.delivery_id for r in results.values() if isinstance(r, Duplicate) and r.delivery_id]
    count_again(tx, again)


def _made(delivery: Delivery, run: Run) -> Delivery:
    skipped = run.status is Status.SKIPPED
    return delivery._replace(
        verdict="skipped" if skipped else "accepted",
        status_code=202,
        run_id=run.id,
        reason=run.failure_reason,
    )
