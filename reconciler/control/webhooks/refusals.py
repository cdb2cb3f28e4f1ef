"""Refused requests of known webhooks: each is counted, a few are kept as samples.

Whoever sets up a sender wants to see why it is refused; whoever attacks must not fill the disk. So
each trigger has a small budget of samples, and all of them share a larger one. A sample holds no
body, and says for how many refusals it stands.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

import structlog

from reconciler.clock import Clock, Ids
from reconciler.control.webhooks.inbound import Answer, InboundRequest
from reconciler.control.webhooks.token_cache import Opened
from reconciler.core.manifest.trigger import Scheme
from reconciler.core.webhooks.handshake import event_name
from reconciler.core.webhooks.headers import shown_headers
from reconciler.store.engine.database import Database
from reconciler.store.webhooks.deliveries import Delivery, insert_deliveries

log = structlog.get_logger(__name__)

_UNPROVEN = frozenset(
    {
        "signature-invalid", "secret-unavailable", "header-duplicate", "body-too-large",
        "body-too-slow", "body-type-unsupported", "body-charset-unsupported",
        "body-encoding-unsupported",
    }
)  # fmt: skip
"""The refusals that come before the signature was found to be right."""
_OURS = frozenset({"intake-full", "shutting-down", "trigger-changed", "outcome-unknown"})
"""Refusals that say something of this server at this moment and nothing of the request."""


@dataclass(slots=True)
class Budget:
    """`burst` samples at once, then one each `refill` seconds; moments are passed in."""

    burst: int
    refill: float
    used: float = 0.0
    at: float = 0.0

    def take(self, now: float) -> bool:
        """Whether there is one left."""
        used = max(0.0, self.used - (now - self.at) / self.refill)
        taken = used <= self.burst - 1
        self.used, self.at = used + taken, now
        return taken


@dataclass(slots=True)
class _Trigger:
    budget: Budget
    unseen: int = 0
    """Refusals since the last sample."""


@dataclass(slots=True)
class Refusals:
    """Keeps samples. At most `most` triggers are remembered, the least recent forgotten first."""

    database: Database
    ids: Ids
    clock: Clock
    most: int = 1000
    all: Budget = field(default_factory=lambda: Budget(burst=500, refill=10))
    _triggers: OrderedDict[str, _Trigger] = field(default_factory=OrderedDict)

    async def note(
        self, request: InboundRequest, opened: Opened, cause: Answer, status: int, size: int
    ) -> None:
        """Count an answer that is no run, and keep a sample if it is due; never raises.

        `cause` says what was wrong, `status` is what the sender is told: 429 where it was wrong too
        often. `size` is how many bytes of the body were read.
        """
        if cause.body.get("code") in _OURS:
            return
        stands_for = self._due(opened.target.trigger_id)
        if stands_for is None:
            return
        sample = self._sample(request, opened, cause, stands_for)
        sample = sample._replace(status_code=status, body_size=size)
        try:
            await self.database.awrite(lambda tx: insert_deliveries(tx, [sample]))
        except Exception:
            log.exception("a refused delivery was not kept", trigger=sample.trigger_id)

    def _due(self, trigger_id: str) -> int | None:
        now = self.clock.monotonic()
        counter = self._triggers.pop(trigger_id, None) or _Trigger(Budget(burst=10, refill=600))
        self._triggers[trigger_id] = counter
        if len(self._triggers) > self.most:
            self._triggers.popitem(last=False)
        counter.unseen += 1
        if not (counter.budget.take(now) and self.all.take(now)):
            return None
        stands_for, counter.unseen = counter.unseen, 0
        return stands_for

    def _sample(
        self, request: InboundRequest, opened: Opened, cause: Answer, stands_for: int
    ) -> Delivery:
        now, headers, scheme = self.clock.now(), request.named, opened.trigger.signature.scheme
        pong = cause.status < 300
        code = cause.body.get("code")
        return Delivery(
            id=self.ids.new(now),
            received_at=now,
            verdict="pong" if pong else "refused",
            status_code=cause.status,
            verified=scheme is not Scheme.NONE and code not in _UNPROVEN,
            trigger_id=opened.target.trigger_id,
            autopilot_id=opened.live.id,
            workspace_id=opened.live.workspace,
            reason=None if pong else str(cause.body.get("detail")),
            scheme=scheme,
            event=event_name(scheme, headers, None),
            headers=shown_headers(scheme, headers),
            content_type=(headers.get("content-type") or "")[:200] or None,
            attempts=stands_for,
        )
