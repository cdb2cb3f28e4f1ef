"""The senders' own libraries sign and the receiver takes it; all else it refuses."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
import stripe
import svix

from tests.support.receiver import VARIABLE, Receiver
from tests.support.rig import Rig, agent, autopilot, webhook
from tests.support.signing import WHSEC

BODY = b'{"id": "evt_1", "type": "invoice.paid", "object": "event", "data": {"object": {}}}'
STRIPE_SECRET = "whsec_9f2b7c0e5a1d4836"
Signer = Callable[[bytes, datetime], dict[str, str]]


def by_standard_webhooks(body: bytes, now: datetime) -> dict[str, str]:
    """The reference library of Standard Webhooks."""
    signature = standardwebhooks.Webhook(WHSEC).sign("msg_1", now, body.decode())
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


def by_svix(body: bytes, now: datetime) -> dict[str, str]:
    """Svix' own library."""
    return {
        "svix-id": "msg_1",
        "svix-timestamp": str(int(now.timestamp())),
        "svix-signature": svix.Webhook(WHSEC).sign("msg_1", now, body.decode()),
    }


def by_stripe(body: bytes, now: datetime) -> dict[str, str]:
    """Stripe's own library."""
    sign = stripe.WebhookSignature.generate_signature_header
    return {"stripe-signature": sign(body.decode(), STRIPE_SECRET, int(now.timestamp()))}


SENDERS = [
    pytest.param("standard", WHSEC, by_standard_webhooks, id="standardwebhooks"),
    pytest.param("standard", f"v1,{WHSEC}", by_standard_webhooks, id="as some senders show it"),
    pytest.param("gitlab", WHSEC, by_standard_webhooks, id="gitlab's signing token"),
    pytest.param("gitlab", f"v1,{WHSEC}", by_standard_webhooks, id="the same, as shown"),
    pytest.param("standard", WHSEC, by_svix, id="svix"),
    pytest.param("stripe", STRIPE_SECRET, by_stripe, id="stripe"),
]


def receiver(rig: Rig, scheme: str, secret: str) -> Receiver:
    """A webhook of this scheme."""
    signature = {"scheme": scheme, "secrets": [{"env": VARIABLE}]}
    trigger = webhook() | {"signature": signature}
    rig.apply(agent(), autopilot("triage", trigger, maxConcurrency=100))
    return Receiver(rig, {VARIABLE: secret})


@pytest.mark.parametrize(("scheme", "secret", "sign"), SENDERS)
def test_what_a_senders_library_signs_is_taken(
    rig: Rig, scheme: str, secret: str, sign: Signer
) -> None:
    hook = receiver(rig, scheme, secret)
    answer = hook.send(BODY, sign(BODY, rig.clock.now()))
    assert answer.status == 202, answer.body
    assert rig.runs()[0].payload == json.loads(BODY)


@pytest.mark.parametrize(("scheme", "secret", "sign"), SENDERS)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda body, at: (body + b" ", at), id="another body"),
        pytest.param(lambda body, at: (body, at - timedelta(minutes=6)), id="too old"),
        pytest.param(lambda body, at: (body, at + timedelta(minutes=6)), id="too far ahead"),
        pytest.param(lambda body, at: (body, None), id="garbage for a signature"),
    ],
)
def test_what_it_did_not_sign_is_refused(
    rig: Rig, scheme: str, secret: str, sign: Signer, change: Any
) -> None:
    hook = receiver(rig, scheme, secret)
    body, at = change(BODY, rig.clock.now())
    headers = sign(BODY, at or rig.clock.now())
    if at is None:
        headers |= {name: "v1,AAAA" for name in headers if name.endswith("signature")}
    assert hook.send(body, headers).status == 401
    assert rig.runs() == []
