"""Signs requests as the senders do: written from their documentation, apart from what verifies.

`sign` gives the headers of one delivery under the names that the sender writes. Where a scheme has
a delivery id in a header, `msg_id` is it. Linear's time stands in its body: see `linear_body`.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a sender has in hand when it signs."""

    secret: str
    body: bytes
    seconds: int
    msg_id: str
    header: str
    encoding: str
    prefix: str


def sign(
    scheme: str,
    secret: str,
    body: bytes,
    now: datetime,
    msg_id: str = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W",
    *,
    header: str = "X-Signature",
    encoding: str = "hex",
    prefix: str = "",
) -> dict[str, str]:
    """The headers that prove `body` under `scheme`, sent at `now`; the last three as configured."""
    delivery = Delivery(secret, body, int(now.timestamp()), msg_id, header, encoding, prefix)
    return _SIGNERS[scheme](delivery)


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    """The same headers with the names in lower case, as a server hands them on."""
    return {name.lower(): value for name, value in headers.items()}


def linear_body(payload: Mapping[str, object], now: datetime) -> bytes:
    """A body as Linear sends it, with the time of sending in it."""
    stamped = {**payload, "webhookTimestamp": int(now.timestamp() * 1000)}
    return json.dumps(stamped).encode()


def keypair(seed: bytes) -> tuple[str, str]:
    """(`whsk_…` to sign with, `whpk_…` to verify with) from 32 bytes."""
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return "whsk_" + _b64(seed + public), "whpk_" + _b64(public)


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _hex(key: str, message: bytes) -> str:
    return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()


def _none(_: Delivery) -> dict[str, str]:
    return {}


def _github(d: Delivery) -> dict[str, str]:
    return {
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": d.msg_id,
        "X-Hub-Signature-256": f"sha256={_hex(d.secret, d.body)}",
    }


def _gitlab(d: Delivery) -> dict[str, str]:
    named = {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Event-UUID": d.msg_id}
    if d.secret.startswith("whsec_"):
        return named | _webhook(d, "webhook")
    return named | {"X-Gitlab-Token": d.secret}


def _webhook(d: Delivery, prefix: str) -> dict[str, str]:
    message = f"{d.msg_id}.{d.seconds}.".encode() + d.body
    if d.secret.startswith("whsk_"):
        seed = base64.b64decode(d.secret.removeprefix("whsk_"))[:32]
        signature = "v1a," + _b64(Ed25519PrivateKey.from_private_bytes(seed).sign(message))
    else:
        key = base64.b64decode(d.secret.removeprefix("whsec_"))
        signature = "v1," + _b64(hmac.new(key, message, hashlib.sha256).digest())
    return {
        f"{prefix}-id": d.msg_id,
        f"{prefix}-timestamp": str(d.seconds),
        f"{prefix}-signature": signature,
    }


def _stripe(d: Delivery) -> dict[str, str]:
    signature = _hex(d.secret, f"{d.seconds}.".encode() + d.body)
    return {"Stripe-Signature": f"t={d.seconds},v1={signature},v0={'6f' * 32}"}


def _slack(d: Delivery) -> dict[str, str]:
    signature = _hex(d.secret, f"v0:{d.seconds}:".encode() + d.body)
    return {
        "X-Slack-Request-Timestamp": str(d.seconds),
        "X-Slack-Signature": f"v0={signature}",
    }


def _linear(d: Delivery) -> dict[str, str]:
    return {
        "Linear-Event": "Issue",
        "Linear-Delivery": d.msg_id,
        "Linear-Signature": _hex(d.secret, d.body),
    }


def _sentry(d: Delivery) -> dict[str, str]:
    return {
        "Sentry-Hook-Resource": "issue",
        "Request-ID": d.msg_id,
        "Sentry-Hook-Timestamp": str(d.seconds),
        "Sentry-Hook-Signature": _hex(d.secret, d.body),
    }


def _pagerduty(d: Delivery) -> dict[str, str]:
    return {"X-Webhook-Id": d.msg_id, "X-PagerDuty-Signature": f"v1={_hex(d.secret, d.body)}"}


def _shopify(d: Delivery) -> dict[str, str]:
    return {
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Webhook-Id": d.msg_id,
        "X-Shopify-Hmac-Sha256": _b64(hmac.digest(d.secret.encode(), d.body, "sha256")),
    }


def _hmac_sha256(d: Delivery) -> dict[str, str]:
    digest = hmac.digest(d.secret.encode(), d.body, "sha256")
    written = _b64(digest) if d.encoding == "base64" else digest.hex()
    return {d.header: d.prefix + written}


def _bearer(d: Delivery) -> dict[str, str]:
    return {"Authorization": f"Bearer {d.secret}"}


def _microsoft_graph(_: Delivery) -> dict[str, str]:
    return {}


def _basic(d: Delivery) -> dict[str, str]:
    return {"Authorization": f"Basic {_b64(d.secret.encode())}"}


_SIGNERS: Mapping[str, Callable[[Delivery], dict[str, str]]] = {
    "none": _none,
    "github": _github,
    "gitlab": _gitlab,
    "standard": lambda d: _webhook(d, "webhook"),
    "svix": lambda d: _webhook(d, "svix"),
    "stripe": _stripe,
    "slack": _slack,
    "linear": _linear,
    "sentry": _sentry,
    "pagerduty": _pagerduty,
    "shopify": _shopify,
    "hmac_sha256": _hmac_sha256,
    "bearer": _bearer,
    "basic": _basic,
    "microsoft_graph": _microsoft_graph,
}


class Sender(NamedTuple):
    """One way of signing: who signs, with what, and what the verifier is given."""

    signer: str
    secret: str
    known: str

    @property
    def scheme(self) -> str:
        """The scheme in a manifest: Svix is Standard Webhooks under other names."""
        return "standard" if self.signer == "svix" else self.signer

    def headers(self, body: bytes, now: datetime, msg_id: str = "msg_1") -> dict[str, str]:
        """Genuine headers as a server hands them on."""
        return lower(sign(self.signer, self.secret, body, now, msg_id))


WHSEC = "whsec_c2VjcmV0LWZvci10ZXN0cy0wMTIzNDU2Nzg5"
WHSK, WHPK = keypair(bytes(range(32)))

SENDERS: Mapping[str, Sender] = {
    "github": Sender("github", "s3cret", "s3cret"),
    "gitlab token": Sender("gitlab", "s3cret", "s3cret"),
    "gitlab signing": Sender("gitlab", WHSEC, WHSEC),
    "standard": Sender("standard", WHSEC, WHSEC),
    "svix": Sender("svix", WHSEC, WHSEC),
    "standard v1a": Sender("standard", WHSK, WHPK),
    "stripe": Sender("stripe", "whsec_s3cret", "whsec_s3cret"),
    "slack": Sender("slack", "s3cret", "s3cret"),
    "linear": Sender("linear", "s3cret", "s3cret"),
    "sentry": Sender("sentry", "s3cret", "s3cret"),
    "pagerduty": Sender("pagerduty", "s3cret", "s3cret"),
    "shopify": Sender("shopify", "s3cret", "s3cret"),
    "hmac_sha256": Sender("hmac_sha256", "s3cret", "s3cret"),
    "bearer": Sender("bearer", "s3cret", "s3cret"),
    "basic": Sender("basic", "ada:s3cret", "ada:s3cret"),
}
"""Every way in that proves something."""
