"""Deliveries as they are when every check is behind them and nothing is written yet."""

import hashlib
from datetime import timedelta

from reconciler.control.runs.admit import Firing
from reconciler.control.webhooks.accept import Verified
from reconciler.core.runs.run import Source
from reconciler.store.webhooks.deliveries import Delivery
from reconciler.store.webhooks.webhooks import find_webhook
from tests.support.rig import Rig, hash_of

WINDOW = timedelta(minutes=10)


def verified(
    rig: Rig,
    body: bytes = b"{}",
    *,
    key: str | None = None,
    explicit: bool = True,
    replay: str | None = None,
    name: str = "triage",
) -> Verified:
    """A delivery that passed every check before the transaction."""
    now, live = rig.clock.now(), rig.live(name)
    digest = hash_of(rig.triggers(name)["hook"].id, 1)
    target = rig.database.read(lambda tx: find_webhook(tx, digest, now))
    assert target is not None
    delivery = Delivery(
        id=rig.ids.new(now),
        received_at=now,
        verdict="accepted",
        status_code=202,
        verified=True,
        headers={},
        trigger_id=target.trigger_id,
        autopilot_id=live.id,
        workspace_id=live.workspace,
        provider_id=key,
        body=body,
        body_size=len(body),
        body_sha256=hashlib.sha256(body).hexdigest(),
    )
    firing = Firing(
        id=rig.ids.new(now),
        autopilot_id=live.id,
        source=Source.WEBHOOK,
        at=now,
        title="T",
        trigger_id=target.trigger_id,
        delivery_id=delivery.id,
    )
    return Verified(
        autopilot_id=live.id,
        trigger_id=target.trigger_id,
        changed_at=target.updated_at,
        digest=live.digest,
        delivery=delivery,
        firing=firing,
        key=key,
        explicit=explicit,
        replay=replay,
        replay_window=WINDOW,
    )
