"""Vectors that the senders publish, and the reference library as a peer."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from reconciler.core.webhooks.ingress import verify
from tests.support.signing import lower, sign

STANDARD_BODY = b'{"test": 2432232314}'
STANDARD_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_KEY = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


def webhook(signature: str, prefix: str = "webhook") -> dict[str, str]:
    return {
        f"{prefix}-id": STANDARD_ID,
        f"{prefix}-timestamp": "1614265330",
        f"{prefix}-signature": signature,
    }


@pytest.mark.parametrize(
    ("scheme", "secret", "headers", "body", "seconds"),
    [
        pytest.param(
            "github",
            "It's a Secret to Everybody",
            {
                "x-hub-signature-256": "sha256="
                "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
            },
            b"Hello, World!",
            0,
            id="GitHub, 'Testing the webhook payload validation'",
        ),
        pytest.param(
            "slack",
            "8f742231b10e8888abcd99yyyzzz85a5",
            {
                "x-slack-request-timestamp": "1531420618",
                "x-slack-signature": "v0="
                "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            },
            SLACK_BODY,
            1531420618,
            id="Slack, 'Verifying requests from Slack'",
        ),
        pytest.param(
            "standard",
            STANDARD_SECRET,
            webhook(V1),
            STANDARD_BODY,
            1614265330,
            id="Standard Webhooks, v1",
        ),
        pytest.param(
            "standard",
            STANDARD_SECRET,
            webhook(f"v1a,AAAA v2,BBBB {V1A} {V1}", "svix"),
            STANDARD_BODY,
            1614265330,
            id="Svix, v1 as the last of several signatures",
        ),
        pytest.param(
            "standard",
            STANDARD_KEY,
            webhook(f"{V1} {V1A}"),
            STANDARD_BODY,
            1614265330,
            id="Standard Webhooks, v1a with a public key",
        ),
        pytest.param(
            "gitlab",
            STANDARD_SECRET,
            webhook(V1),
            STANDARD_BODY,
            1614265330,
            id="GitLab's signing token signs as Standard Webhooks",
        ),
        pytest.param(
            "hmac_sha256",
            "key",
            {"x-signature": "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"},
            b"The quick brown fox jumps over the lazy dog",
            0,
            id="the well-known HMAC-SHA256 example",
        ),
        pytest.param(
            "shopify",
            "key",
            {"x-shopify-hmac-sha256": "97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg="},
            b"The quick brown fox jumps over the lazy dog",
            0,
            id="the same in base64",
        ),
    ],
)
def test_published_vector(
    scheme: str, secret: str, headers: dict[str, str], body: bytes, seconds: int
) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert verify(scheme, [secret], headers, body, now)
    assert not verify(scheme, [secret], headers, body + b" ", now)
    assert not verify(scheme, [], headers, body, now)


def test_a_whole_stripe_secret_is_the_key() -> None:
    # printf '%s' '1492774577.{"id":"evt_1"}' | openssl dgst -sha256 -hmac 'whsec_dGVzdA=='
    signature = "42df4cc226e7835ac2e729ff6f10327074b69a6e097805a01238ab8c6b543cb0"
    now = datetime.fromtimestamp(1492774577, UTC)
    headers = {"stripe-signature": f"t=1492774577,v1={signature},v0={'0' * 64}"}
    assert verify("stripe", ["whsec_dGVzdA=="], headers, b'{"id":"evt_1"}', now)


@given(key=st.binary(min_size=24, max_size=64), text=st.text(max_size=50), number=st.integers(1))
def test_the_reference_library_signs_what_we_verify(key: bytes, text: str, number: int) -> None:
    now = datetime.now(UTC)
    secret = "whsec_" + base64.b64encode(key).decode()
    peer = Webhook(secret)
    msg_id = f"msg_{number}"
    headers = {
        "webhook-id": msg_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": peer.sign(msg_id, now, text),
    }
    assert verify("standard", [secret], headers, text.encode(), now)


@given(key=st.binary(min_size=24, max_size=64), text=st.text(max_size=50))
def test_the_reference_library_verifies_what_we_sign(key: bytes, text: str) -> None:
    now = datetime.now(UTC)
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = sign("standard", secret, text.encode(), now, "msg_1")
    Webhook(secret).verify(text, headers, json_parse=False)
    assert verify("standard", [secret], lower(headers), text.encode(), now)


@pytest.mark.parametrize("age", [timedelta(seconds=-299), timedelta(0), timedelta(seconds=299)])
def test_the_reference_library_agrees_about_time(age: timedelta) -> None:
    now = datetime.now(UTC)
    headers = sign("standard", STANDARD_SECRET, b"{}", now - age)
    Webhook(STANDARD_SECRET).verify(b"{}", headers, json_parse=False)
    assert verify("standard", [STANDARD_SECRET], lower(headers), b"{}", now)
