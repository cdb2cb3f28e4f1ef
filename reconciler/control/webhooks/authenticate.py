"""From a request to a delivery whose sender is authenticated (docs/webhooks.md).

Every check here is made with bytes of a stranger: nothing is parsed before its signature holds.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from reconciler.clock import Clock
from reconciler.control.access.secrets import SecretStore
from reconciler.control.webhooks.answers import MISSING_SECRET, UNAUTHORIZED, greet
from reconciler.control.webhooks.body import Body, too_large
from reconciler.control.webhooks.inbound import Answer, InboundRequest, RequestRefused
from reconciler.control.webhooks.secret_problems import unusable_secrets
from reconciler.control.webhooks.token_cache import Opened
from reconciler.core.manifest.trigger import Scheme, WebhookTrigger
from reconciler.core.webhooks.handshake import confirmation, handshake
from reconciler.core.webhooks.headers import refuse_ambiguous_headers
from reconciler.core.webhooks.ingress import can_verify, verify
from reconciler.core.webhooks.media_type import media_type, refuse_encoding
from reconciler.core.webhooks.payload import JSONValue, Parsed, parse_body
from reconciler.core.webhooks.schemes import without_token

LARGE = 64 * 1024
"""Bytes from which a body is verified and parsed beside the event loop."""


class Authenticated(NamedTuple):
    """A delivery whose signature holds, at the moment `now`, under one of `secrets`."""

    opened: Opened
    headers: Mapping[str, str]
    body: bytes
    payload: JSONValue
    secrets: Sequence[str]
    now: datetime


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Verifies the signatures of requests."""

    secret_store: SecretStore
    clock: Clock

    async def authenticate(
        self, request: InboundRequest, opened: Opened, body: Body
    ) -> Authenticated:
        """Head, body, signature, then what the body says; a ping or a challenge ends it, too.

        Raises `RequestRefused` and `BodyError`.
        """
        headers = _require_readable(request, opened.trigger)
        signature = opened.trigger.signature
        if (text := confirmation(signature.scheme, request.query)) is not None:
            raise RequestRefused(Answer(200, {"status": "pong"}, text=text))
        whole = await body.read(opened.trigger.max_body)
        now = self.clock.now()
        if len(whole) < LARGE:
            secrets = self._verify(opened, headers, whole, now)
        else:
            # A hash over 25 MiB would hold the event loop; hashing a large body releases the GIL.
            secrets = await asyncio.to_thread(self._verify, opened, headers, whole, now)
        scheme = opened.trigger.signature.scheme
        if (greeting := handshake(scheme, headers)) is not None:
            raise RequestRefused(greet(greeting))
        payload = (await _parsed(headers.get("content-type"), whole)).payload
        if (greeting := handshake(scheme, headers, payload)) is not None:
            raise RequestRefused(greet(greeting))
        shown = without_token(scheme, payload)
        return Authenticated(opened, headers, whole, shown, secrets, now)

    def _verify(
        self, opened: Opened, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Sequence[str]:
        """The active secrets, one of which holds."""
        signature, trigger = opened.trigger.signature, opened.target.trigger_id
        active = self.secret_store.active(signature.secrets, opened.live.workspace, now)
        secrets = [secret for secret in active.values if can_verify(signature.scheme, secret)]
        unusable = unusable_secrets(signature, active)
        if not secrets and signature.scheme is not Scheme.NONE:
            why = "; ".join(unusable) or "no secret is active"
            raise _missing_secret(trigger, why)
        valid = verify(signature.scheme, secrets, headers, body, now, **signature.options())
        if not valid and unusable:
            # It may well be signed with the one that is missing: not the sender's fault.
            raise _missing_secret(trigger, "; ".join(unusable))
        if not valid:
            entry = ("info", "signature refused", {"trigger": trigger})
            raise RequestRefused(UNAUTHORIZED, bad=True, log=entry)
        return secrets


async def _parsed(content_type: str | None, body: bytes) -> Parsed:
    if len(body) < LARGE:
        return parse_body(content_type, body)
    return await asyncio.to_thread(parse_body, content_type, body)


def _require_readable(request: InboundRequest, trigger: WebhookTrigger) -> Mapping[str, str]:
    """Headers, encoding, type and declared length, before a byte of the body is read."""
    headers = request.named
    signature = trigger.signature
    refuse_ambiguous_headers(request.headers, signature.header, signature.time_header)
    refuse_encoding(headers.get("content-encoding"))
    media_type(headers.get("content-type"))
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > trigger.max_body:
        raise RequestRefused(too_large(trigger.max_body))
    return headers


def _missing_secret(trigger_id: str, why: str) -> RequestRefused:
    entry = ("error", "secret missing", {"trigger": trigger_id, "why": why})
    return RequestRefused(MISSING_SECRET, log=entry)
