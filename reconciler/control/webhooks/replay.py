"""A stored delivery once more: the same body, today's manifest, the same admission as everybody.

Its signature was verified when it came and is not asked again; the keys that it came with are not
either, since somebody wants this run. A key of the replay itself makes it once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.control.evaluation.evaluator import Failed
from reconciler.control.evaluation.titles import Facts
from reconciler.control.runs.admit import Firing, admit_all
from reconciler.control.runs.launch import Launcher
from reconciler.control.unreadable import readable
from reconciler.core.base.errors import Conflict, NotFound
from reconciler.core.cel import event_scope
from reconciler.core.manifest.trigger import Scheme
from reconciler.core.runs.live import LiveAutopilot
from reconciler.core.runs.run import Run, Source, Status
from reconciler.core.runs.standing import NotInForce, standing_of
from reconciler.core.webhooks.delivery_key import KEY_RETENTION
from reconciler.core.webhooks.payload import parse_body
from reconciler.core.webhooks.schemes import without_token
from reconciler.store.engine.database import Tx
from reconciler.store.objects.triggers import NamedTrigger, list_triggers
from reconciler.store.runs.runs import get_run
from reconciler.store.webhooks.deliveries import Delivery, get_delivery, insert_deliveries
from reconciler.store.webhooks.webhooks import SeenKey, seen_keys, use_keys

REPLAYABLE = frozenset({"accepted", "skipped", "duplicate", "ignored"})
"""The verdicts of deliveries that were understood."""


Pair = tuple[str, str]
"""The scope and the name of an idempotency key."""


@dataclass(frozen=True, slots=True)
class _Read:
    delivery: Delivery
    live: LiveAutopilot
    trigger: NamedTrigger
    now: datetime


def replay(
    launcher: Launcher, delivery_id: str, actor: str, idempotency_key: str | None = None
) -> Run:
    """Start a run from a stored delivery. Blocks; call it from a thread.

    1. The same idempotency key of the same delivery: the run that it made.
    2. Read it, its trigger and autopilot as they are now.
    3. Parse the body, ask `when` of one that had been ignored, evaluate title and key.
    4. In one transaction: in force? then admit it, and record the delivery anew.

    Raises NotFound, and Conflict where it was never verified, its body is gone, the trigger was
    removed, the condition says no, or the autopilot is not in force.
    """
    pair = None if idempotency_key is None else (delivery_id, f"replay:{idempotency_key}")
    before = launcher.database.read(lambda tx: _before(tx, launcher, pair))
    return before or _replay(launcher, delivery_id, actor, pair)


def _before(tx: Tx, launcher: Launcher, pair: Pair | None) -> Run | None:
    """The run that the same key made."""
    if pair is None:
        return None
    seen = seen_keys(tx, [pair], launcher.database.now(tx)).get(pair)
    return get_run(tx, seen.run_id) if seen else None


def _replay(launcher: Launcher, delivery_id: str, actor: str, pair: Pair | None) -> Run:
    read = launcher.database.read(lambda tx: _read(tx, launcher, delivery_id))
    delivery = read.delivery
    payload = parse_body(delivery.content_type, delivery.body or b"").payload
    payload = without_token(delivery.scheme or "", payload)
    _require_wanted(launcher, read, payload)
    firing = _firing(launcher, read, payload, actor)
    again = delivery._replace(
        id=str(firing.delivery_id),
        received_at=read.now,
        reason=None,
        status_code=202,
        attempts=1,
        run_id=firing.id,
        replay_of=delivery.id,
    )
    return launcher.database.write(lambda tx: _write(tx, launcher, firing, again, pair))


def _read(tx: Tx, launcher: Launcher, delivery_id: str) -> _Read:
    delivery = get_delivery(tx, delivery_id)
    if delivery is None or delivery.autopilot_id is None:
        raise NotFound(f"there is no delivery {delivery_id}")
    if delivery.verdict not in REPLAYABLE:
        raise Conflict(f"this delivery was {delivery.verdict}", reason="not-replayable")
    if not delivery.verified and delivery.scheme != Scheme.NONE:
        raise Conflict("nothing proves who sent this delivery", reason="not-replayable")
    if delivery.body is None:
        raise Conflict("the body of this delivery is no longer kept", reason="body-gone")
    live = readable(tx, delivery.autopilot_id)
    triggers = {named.id: named for named in list_triggers(tx, live.id)}
    trigger = triggers.get(delivery.trigger_id or "")
    if trigger is None:
        raise Conflict("the trigger of this delivery was removed", reason="trigger-removed")
    return _Read(delivery, live, trigger, launcher.database.now(tx))


def _require_wanted(launcher: Launcher, read: _Read, payload: Any) -> None:
    """What was ignored may be wanted by now; what was taken had passed the condition."""
    if not read.trigger.enabled:
        raise Conflict(f"the trigger {read.trigger.name} is disabled", reason="trigger-disabled")
    when = read.trigger.document.get("when")
    if when is None or read.delivery.verdict != "ignored":
        return
    scope = event_scope(
        read.live.document(), read.trigger.document, payload=payload, headers=_headers(read)
    )
    result = launcher.titles.evaluator.condition(when, scope)
    if isinstance(result, Failed):
        why = f"the condition 'when' could not be evaluated: {result.message}"
        raise Conflict(why, reason="filtered")
    if not result.value:
        raise Conflict("the condition 'when' is false", reason="filtered")


def _headers(read: _Read) -> Mapping[str, str]:
    """Those that were stored: they that say what happened, never credentials."""
    return read.delivery.headers


def _firing(launcher: Launcher, read: _Read, payload: Any, actor: str) -> Firing:
    run_id = launcher.ids.new(read.now)
    facts = Facts(
        run_id=run_id,
        source=Source.WEBHOOK,
        at=read.now,
        trigger=read.trigger.document,
        payload=payload,
        headers=_headers(read),
    )
    prepared = launcher.titles.prepare(read.live, facts)
    return Firing(
        id=run_id,
        autopilot_id=read.live.id,
        source=Source.WEBHOOK,
        at=read.now,
        title=prepared.title,
        key=prepared.key,
        note=prepared.note,
        trigger_id=read.trigger.id,
        payload=payload,
        actor=actor,
        delivery_id=launcher.ids.new(read.now),
    )


def _write(tx: Tx, launcher: Launcher, firing: Firing, again: Delivery, pair: Pair | None) -> Run:
    live = readable(tx, firing.autopilot_id, lock=True)
    now = launcher.database.now(tx)  # after the lock: while this waited for it, keys expired
    if (before := _before(tx, launcher, pair)) is not None:
        return before
    standing = standing_of(live.switches, launcher.cooldown, now)
    if isinstance(standing, NotInForce):
        raise Conflict(
            f"{live.workspace}/{live.name} is not in force: {standing.why}", reason="not-in-force"
        )
    (made,) = admit_all(tx, [firing], now, launcher.cooldown, {live.id: live})
    skipped = made.status is Status.SKIPPED
    verdict = "skipped" if skipped else "accepted"
    insert_deliveries(tx, [again._replace(verdict=verdict, reason=made.failure_reason)])
    if pair is not None:
        digest = again.body_sha256 or ""
        use_keys(tx, [SeenKey(*pair, digest, firing.id, again.id, now + KEY_RETENTION)])
    return get_run(tx, firing.id) or made
