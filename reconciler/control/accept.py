"""Verified deliveries become runs: keys, deliveries, runs and policy in one durable transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from reconciler.control.admit import Firing, admit_all
from reconciler.core.delivery_key import KEPT
from reconciler.core.force import NotInForce, force_of
from reconciler.core.live import LiveAutopilot
from reconciler.core.run import Run, Status
from reconciler.store.database import Tx
from reconciler.store.deliveries import Delivery, count_again, insert_deliveries
from reconciler.store.occupancy import lock_autopilots
from reconciler.store.webhooks import (
    SeenKey,
    WebhookTarget,
    seen_keys,
    unchanged_targets,
    use_keys,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A delivery that passed every check before the transaction.

    `digest` is of the autopilot's manifest that title and key were made from. `key` is the
    idempotency key or the provider's id, `explicit` which of the two; `replay` the fingerprint of
    what was signed, with `replay_window` for as long as it counts.
    """

    target: WebhookTarget
    digest: str
    delivery: Delivery
    firing: Firing
    key: str | None
    explicit: bool
    replay: str | None
    replay_window: timedelta

    def key_pairs(self) -> list[tuple[str, str]]:
        """What this delivery is known by, as (scope, key)."""
        scope = self.target.trigger_id
        named = [] if self.key is None else [(scope, f"key:{self.key}")]
        return named + ([] if self.replay is None else [(scope, f"body:{self.replay}")])


@dataclass(frozen=True, slots=True)
class Taken:
    """A run was made: admitted, waiting, or skipped by the policy."""

    run: Run
    delivery_id: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same delivery came before and made this run."""

    run_id: str
    delivery_id: str | None


@dataclass(frozen=True, slots=True)
class OtherBody:
    """The same `Idempotency-Key` came before with another body."""


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The autopilot is not in force; recorded, and no key is used up."""

    reason: str
    delivery_id: str


@dataclass(frozen=True, slots=True)
class Moved:
    """The trigger or its autopilot was changed meanwhile: look it up and check again."""


Result = Taken | Duplicate | OtherBody | NotTaken | Moved


def accept_all(
    tx: Tx, deliveries: Sequence[Verified], now: datetime, cooldown: timedelta
) -> list[Result]:
    """Take several deliveries at once; one result each, in order.

    1. Hold the autopilots, so that two servers cannot take one key at the same time.
    2. Sort out what moved, what came before, and what is not in force.
    3. Admit the rest on the path that all runs take; remember their keys; record deliveries.
    """
    lives = lock_autopilots(tx, [one.target.autopilot_id for one in deliveries])
    unchanged = unchanged_targets(tx, [one.target for one in deliveries])
    seen = seen_keys(tx, [pair for one in deliveries for pair in one.key_pairs()], now)
    results: dict[int, Result] = {}
    fresh: dict[int, Verified] = {}
    keys: list[SeenKey] = []
    for index, one in enumerate(deliveries):
        live = lives.get(one.target.autopilot_id)
        same = live is not None and live.digest == one.digest
        known = same and one.target.trigger_id in unchanged
        found = _sorted_out(one, live, seen, now, cooldown) if live and known else Moved()
        if found is not None:
            results[index] = found
            continue
        fresh[index] = one
        new = _keys(one, now)
        seen.update(((key.scope, key.key), key) for key in new)
        keys += new
    firings = [one.firing for one in fresh.values()]
    runs = admit_all(tx, firings, now, cooldown, lives) if firings else []
    taken = {
        index: Taken(run, one.delivery.id)
        for (index, one), run in zip(fresh.items(), runs, strict=True)
    }
    _record(tx, deliveries, taken, results)
    use_keys(tx, keys)
    return [(results | taken)[index] for index in range(len(deliveries))]


def _sorted_out(
    one: Verified,
    live: LiveAutopilot,
    seen: dict[tuple[str, str], SeenKey],
    now: datetime,
    cooldown: timedelta,
) -> Result | None:
    """What becomes of a delivery that makes no run; None for one that does."""
    for pair in one.key_pairs():
        if (before := seen.get(pair)) is None:
            continue
        if one.explicit and pair[1].startswith("key:") and _differs(one, before):
            return OtherBody()
        return Duplicate(before.run_id, before.delivery_id)
    force = force_of(live.switches, cooldown, now)
    return NotTaken(force.why, one.delivery.id) if isinstance(force, NotInForce) else None


def _differs(one: Verified, before: SeenKey) -> bool:
    return before.body_sha256 != one.delivery.body_sha256


def _keys(one: Verified, now: datetime) -> list[SeenKey]:
    kept = {"key": KEPT, "body": one.replay_window}
    digest = one.delivery.body_sha256 or ""
    return [
        SeenKey(scope, key, digest, one.firing.id, one.delivery.id, now + window)
        for scope, key in one.key_pairs()
        if (window := kept[key.partition(":")[0]])
    ]


def _record(
    tx: Tx,
    deliveries: Sequence[Verified],
    taken: dict[int, Taken],
    results: dict[int, Result],
) -> None:
    rows = [_made(deliveries[index].delivery, one.run) for index, one in taken.items()]
    for index, result in results.items():
        if isinstance(result, NotTaken):
            ignored = replace(
                deliveries[index].delivery, verdict="ignored", status_code=200, reason=result.reason
            )
            rows.append(ignored)
    insert_deliveries(tx, rows)
    again = [r.delivery_id for r in results.values() if isinstance(r, Duplicate) and r.delivery_id]
    count_again(tx, again)


def _made(delivery: Delivery, run: Run) -> Delivery:
    skipped = run.status is Status.SKIPPED
    return replace(
        delivery,
        verdict="skipped" if skipped else "accepted",
        status_code=202,
        run_id=run.id,
        reason=run.failure_reason,
    )
