"""Signing what we send: the sender's half of Standard Webhooks."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

from reconciler.core.webhooks.signing_key import standard_key


def signed_headers(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers by which a receiver verifies who sent `body` at the moment `at` (aware).

    `message_id` is the same for every repeat of a message: receivers know a second one by it.
    `secret` is base64 after `whsec_`; raises `SecretInvalid`. Source: Standard Webhooks 1.0.0.
    """
    seconds = int(at.astimezone(UTC).timestamp())
    mac = hmac.new(standard_key(secret), f"{message_id}.{seconds}.".encode(), hashlib.sha256)
    mac.update(body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(mac.digest()).decode('ascii')}",
    }
