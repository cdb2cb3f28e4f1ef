"""From an authenticated delivery to what its transaction needs: title, keys, record."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from reconciler.clock import Ids
from reconciler.control.evaluation.evaluator import Evaluator, Failed, Kind
from reconciler.control.evaluation.titles import (
    Facts,
    Prepared,
    Titles,
    needs_evaluation,
    unevaluated,
)
from reconciler.control.runs.admit import Firing
from reconciler.control.webhooks.accept import Verified
from reconciler.control.webhooks.answers import BUSY
from reconciler.control.webhooks.authenticate import Authenticated
from reconciler.control.webhooks.inbound import RequestRefused
from reconciler.core.cel import event_scope
from reconciler.core.manifest.trigger import Scheme
from reconciler.core.runs.run import Source
from reconciler.core.runs.standing import NotInForce, standing_of
from reconciler.core.webhooks.delivery_key import body_fingerprint, delivery_key, replay_fingerprint
from reconciler.core.webhooks.handshake import event_name
from reconciler.core.webhooks.headers import expression_headers, shown_headers
from reconciler.store.webhooks.deliveries import Delivery


@dataclass(frozen=True, slots=True)
class Preparer:
    """Evaluates before the transaction what must not be evaluated in it.

    `cooldown` is the breaker's.
    """

    evaluator: Evaluator
    titles: Titles
    ids: Ids
    cooldown: timedelta

    async def why_ignored(self, authenticated: Authenticated) -> str | None:
        """Why a genuine delivery makes no run; None for one that does.

        Raises `RequestRefused` where the condition cannot be evaluated now.
        """
        opened = authenticated.opened
        standing = standing_of(opened.live.switches, self.cooldown, authenticated.now)
        if isinstance(standing, NotInForce):
            return standing.why
        if not opened.trigger.enabled:
            return "the trigger is disabled"
        if opened.trigger.when is None:
            return None
        scope = event_scope(
            opened.live.document(),
            opened.target.document,
            payload=authenticated.payload,
            headers=_expression_headers(authenticated),
        )
        (result,) = await self.evaluator.soon([(opened.trigger.when, Kind.CONDITION)], scope)
        if isinstance(result, Failed):
            if result.transient:
                raise RequestRefused(BUSY, final=True)
            return f"the condition 'when' could not be evaluated: {result.message}"
        return None if result.value else "the condition 'when' is false"

    async def prepare(self, authenticated: Authenticated) -> Verified:
        """All that the transaction needs. Raises `BodyError` for an invalid key."""
        opened, signature = authenticated.opened, authenticated.opened.trigger.signature
        key = delivery_key(
            signature.scheme, authenticated.headers, authenticated.payload, authenticated.body
        )
        run_id = self.ids.new(authenticated.now)
        # Outside of any transaction: an expression of a manifest may take its whole time.
        prepared = await self._title(authenticated, run_id)
        delivery = self.delivery(authenticated, key.value if key else None)
        firing = Firing(
            id=run_id,
            autopilot_id=opened.live.id,
            source=Source.WEBHOOK,
            at=authenticated.now,
            title=prepared.title,
            key=prepared.key,
            note=prepared.note,
            trigger_id=opened.target.trigger_id,
            payload=authenticated.payload,
            delivery_id=delivery.id,
        )
        window = opened.trigger.replay_window
        signed = (
            signature.scheme,
            authenticated.secrets,
            authenticated.headers,
            authenticated.body,
        )
        return Verified(
            autopilot_id=opened.live.id,
            trigger_id=opened.target.trigger_id,
            changed_at=opened.target.updated_at,
            digest=opened.live.digest,
            delivery=delivery,
            firing=firing,
            key=key.value if key else None,
            explicit=bool(key and key.explicit),
            replay=replay_fingerprint(*signed, **signature.options()) if window else None,
            replay_window=window,
        )

    def delivery(
        self,
        authenticated: Authenticated,
        key: str | None,
        *,
        verdict: str = "accepted",
        reason: str | None = None,
    ) -> Delivery:
        """The record of a delivery."""
        opened, headers = authenticated.opened, authenticated.headers
        scheme = opened.trigger.signature.scheme
        return Delivery(
            id=self.ids.new(authenticated.now),
            received_at=authenticated.now,
            verdict=verdict,
            status_code=202 if verdict == "accepted" else 200,
            verified=scheme is not Scheme.NONE,
            trigger_id=opened.target.trigger_id,
            autopilot_id=opened.live.id,
            workspace_id=opened.live.workspace,
            reason=reason,
            scheme=scheme,
            event=(event_name(scheme, headers, authenticated.payload) or "")[:200] or None,
            provider_id=key,
            headers=shown_headers(scheme, headers),
            content_type=(headers.get("content-type") or "")[:200] or None,
            body=authenticated.body,
            body_size=len(authenticated.body),
            body_sha256=body_fingerprint(authenticated.body),
        )

    async def _title(self, authenticated: Authenticated, run_id: str) -> Prepared:
        live = authenticated.opened.live
        if not needs_evaluation(live):
            return unevaluated(live)
        facts = Facts(
            run_id=run_id,
            source=Source.WEBHOOK,
            at=authenticated.now,
            trigger=authenticated.opened.target.document,
            payload=authenticated.payload,
            headers=_expression_headers(authenticated),
        )
        return await asyncio.to_thread(self.titles.prepare, live, facts)


def _expression_headers(authenticated: Authenticated) -> dict[str, str]:
    return expression_headers(authenticated.headers, authenticated.opened.trigger.signature.header)
