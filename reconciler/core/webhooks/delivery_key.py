"""What makes two requests the same delivery: keys, provider ids and fingerprints.

The rules stand in docs/webhooks.md#the-same-delivery-twice.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Unpack

from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.payload import JSONValue
from reconciler.core.webhooks.schemes import (
    SCHEMES,
    Field,
    Header,
    IdPlace,
    Row,
    SignatureOptions,
    SignedId,
    look_up,
)
from reconciler.core.webhooks.signature import BodyMac, BodyToken, Envelope, Headers, StaticToken

KEY_RETENTION = timedelta(hours=72)
"""How long a key is known, that of a webhook and that of a run by hand."""
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DeliveryKey:
    """One delivery's name in its trigger: 1 to 255 visible ASCII characters.

    `explicit` came as `Idempotency-Key`: the same one with another body is a 422. Otherwise it is
    the provider's id, and the same one is a duplicate whatever the body.
    """

    value: str
    explicit: bool


def delivery_key(
    scheme: str, headers: Headers, payload: JSONValue, body: bytes
) -> DeliveryKey | None:
    """The `Idempotency-Key`, else the provider's id, else None: nothing to recognize it by.

    Raises `BodyError` 400 for a header that is no key. An invalid id in the payload is passed
    over: the sender is known by then, and payloads come in many shapes.
    """
    explicit = headers.get("idempotency-key")
    if explicit is not None:
        return DeliveryKey(_valid("Idempotency-Key", explicit), explicit=True)
    row = SCHEMES.get(scheme, Row())
    for place in row.ids:
        value = _id_at(place, row, headers, payload, body)
        if value is not None:
            return DeliveryKey(value, explicit=False)
    return None


def body_fingerprint(body: bytes) -> str:
    """SHA-256 of the raw body in hex: what "the same body" means."""
    return hashlib.sha256(body).hexdigest()


def replay_fingerprint(
    scheme: str,
    secrets: Sequence[str],
    headers: Headers,
    body: bytes,
    **options: Unpack[SignatureOptions],
) -> str | None:
    """SHA-256 of all that the sender signed; None where nothing is signed but the sender known.

    The same one again within `replayWindow` is the same request sent again, whatever unsigned ids
    stand beside it: `X-GitHub-Delivery`, `Linear-Delivery` and `Idempotency-Key` can be rewritten
    by whoever captured a request. Where a time is signed, a sender's own retry has another one.
    """
    for envelope in _envelopes(SCHEMES.get(scheme, Row()), secrets, headers, options):
        return body_fingerprint(envelope.preamble + body if envelope.preamble else body)
    return None


def _envelopes(
    row: Row, secrets: Sequence[str], headers: Headers, options: SignatureOptions
) -> list[Envelope]:
    methods = [row.method(secret, options) for secret in secrets]
    if any(method is None or isinstance(method, StaticToken | BodyToken) for method in methods):
        return []
    envelopes = [
        Envelope(()) if isinstance(method, BodyMac) else method.envelope(headers)
        for method in methods
        if method is not None
    ]
    return [envelope for envelope in envelopes if envelope is not None]


def _id_at(
    place: IdPlace, row: Row, headers: Headers, payload: JSONValue, body: bytes
) -> str | None:
    match place:
        case SignedId():
            return _signed_id(row, headers)
        case Header():
            value = headers.get(place.name)
            if value is None:
                return None
            _valid(place.name, value)
            return body_fingerprint(value.encode() + b"\0" + body) if place.and_body else value
        case Field():
            value = look_up(place, headers, payload)
            return value if value is not None and _KEY.fullmatch(value) else None


def _signed_id(row: Row, headers: Headers) -> str | None:
    # Read by the method itself: a stray `webhook-id` beside signed `svix-*` headers is not signed.
    envelopes = [method.envelope(headers) for _, method in row.methods]
    return next((e.message_id for e in envelopes if e and e.message_id), None)


def _valid(name: str, value: str) -> str:
    if _KEY.fullmatch(value):
        return value
    raise BodyError(
        "idempotency-key-invalid",
        f"{name} is not a key: {len(value)} characters found, "
        "1 to 255 visible ASCII characters without spaces are allowed",
    )
