"""Invariants of verification: what is signed passes, a changed byte does not, nothing raises."""

import base64
import string
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.core.webhooks.delivery_key import replay_fingerprint
from reconciler.core.webhooks.ingress import secret_problem, verify
from reconciler.core.webhooks.schemes import SCHEMES
from tests.support.signing import keypair, linear_body, lower, sign

IDS = st.text(alphabet=string.ascii_letters + string.digits + "-_", min_size=1, max_size=40)
MOMENTS = st.integers(10**7, 7 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
WHSEC = st.binary(min_size=1, max_size=64).map(
    lambda key: "whsec_" + base64.b64encode(key).decode()
)
TEXT = st.text(min_size=1, max_size=40).filter(lambda text: not text.startswith("whsec_"))
SIGNED = ("github", "stripe", "slack", "linear", "sentry", "pagerduty", "shopify", "hmac_sha256")
SECRETS = st.one_of(
    st.tuples(st.sampled_from((*SIGNED, "gitlab", "bearer")), TEXT),
    st.tuples(st.sampled_from(("standard", "svix", "gitlab")), WHSEC),
)


def scheme_of(signer: str) -> str:
    return "standard" if signer == "svix" else signer


def body_for(signer: str, content: str, now: datetime) -> bytes:
    return linear_body({"c": content}, now) if signer == "linear" else content.encode()


@given(SECRETS, st.text(max_size=200), MOMENTS, IDS, st.lists(TEXT, max_size=3))
def test_what_is_signed_verifies_beside_any_other_secrets(
    pair: tuple[str, str], content: str, now: datetime, msg_id: str, others: list[str]
) -> None:
    signer, secret = pair
    body = body_for(signer, content, now)
    headers = lower(sign(signer, secret, body, now, msg_id))
    assert verify(scheme_of(signer), [*others, secret, *others], headers, body, now)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), MOMENTS, IDS)
def test_what_a_private_key_signs_its_public_key_verifies(
    seed: bytes, body: bytes, now: datetime, msg_id: str
) -> None:
    private, public = keypair(seed)
    headers = lower(sign("standard", private, body, now, msg_id))
    assert verify("standard", [public], headers, body, now)
    assert not verify("standard", [keypair(bytes(32))[1]], headers, body, now) or not any(seed)


@given(SECRETS, st.text(min_size=1, max_size=50), MOMENTS, st.data())
def test_one_changed_byte_of_the_body_is_refused(
    pair: tuple[str, str], content: str, now: datetime, data: st.DataObject
) -> None:
    signer, secret = pair
    assume(signer != "bearer" and (signer != "gitlab" or secret.startswith("whsec_")))
    body = body_for(signer, content, now)
    headers = lower(sign(signer, secret, body, now))
    at = data.draw(st.integers(0, len(body) - 1))
    changed = bytearray(body)
    changed[at] ^= data.draw(st.integers(1, 255))
    assert not verify(scheme_of(signer), [secret], headers, bytes(changed), now)


@given(SECRETS, st.text(max_size=50), MOMENTS, st.data())
def test_one_changed_character_of_the_proof_is_refused(
    pair: tuple[str, str], content: str, now: datetime, data: st.DataObject
) -> None:
    signer, secret = pair
    body = body_for(signer, content, now)
    headers = lower(sign(signer, secret, body, now, "msg_1"))
    names = [n for n in headers if n.endswith(("-signature", "-sha256", "-256", "-token"))]
    name = (names or ["authorization"])[0]
    # Not the word before a bearer token, which has no case, nor Stripe's v0, which says nothing.
    first = len("bearer ") if name == "authorization" else 0
    last = headers[name].rfind(",v0=") if signer == "stripe" else len(headers[name])
    at = data.draw(st.integers(first, last - 1))
    other = data.draw(st.characters(exclude_categories=()))
    assume(headers[name][at] != other)
    headers[name] = headers[name][:at] + other + headers[name][at + 1 :]
    assert not verify(scheme_of(signer), [secret], headers, body, now)


@given(SECRETS, st.text(max_size=50), MOMENTS, st.data())
def test_one_changed_character_of_the_secret_is_refused(
    pair: tuple[str, str], content: str, now: datetime, data: st.DataObject
) -> None:
    signer, secret = pair
    body = body_for(signer, content, now)
    headers = lower(sign(signer, secret, body, now))
    first = len("whsec_") if secret.startswith("whsec_") else 0
    # The last characters of base64 may hold bits that belong to no byte.
    last = len(secret) - (4 if first else 1)
    assume(first <= last)
    at = data.draw(st.integers(first, last))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126))
    assume(secret[at] != other)
    changed = secret[:at] + other + secret[at + 1 :]
    assert not verify(scheme_of(signer), [changed], headers, body, now)


@given(
    st.sampled_from(("standard", "svix", "stripe", "slack")),
    st.integers(-(10**6), 10**6).filter(lambda n: n != 0),
    MOMENTS,
)
def test_a_rewritten_time_is_refused_even_when_it_is_fresh(
    signer: str, shift: int, now: datetime
) -> None:
    secret = "whsec_c2VjcmV0"
    headers = lower(sign(signer, secret, b"{}", now))
    sent = str(int(now.timestamp()))
    moved = str(max(0, int(now.timestamp()) + shift))
    changed = {name: value.replace(sent, moved) for name, value in headers.items()}
    assume(changed != headers)
    later = now + timedelta(seconds=shift) if int(moved) else now
    assert not verify(scheme_of(signer), [secret], changed, b"{}", later)


ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=100)
HOSTILE = st.one_of(
    ANY_TEXT,
    st.sampled_from(["", "t=,v1=", "v1,", "v1a,", "sha256=", "Bearer ", "=", ",,,,", "1" * 5000]),
)
HEADER_NAMES = (
    "authorization",
    "linear-signature",
    "sentry-hook-signature",
    "stripe-signature",
    "svix-id",
    "svix-signature",
    "svix-timestamp",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-gitlab-token",
    "x-hub-signature-256",
    "x-pagerduty-signature",
    "x-shopify-hmac-sha256",
    "x-signature",
    "x-slack-request-timestamp",
    "x-slack-signature",
)


@given(
    st.sampled_from(sorted(set(SCHEMES) - {"none"})),
    st.dictionaries(st.sampled_from(HEADER_NAMES), HOSTILE),
    st.binary(max_size=200),
    st.lists(st.one_of(ANY_TEXT, st.just("whsec_c2VjcmV0"), st.just("whpk_" + "A" * 43 + "="))),
)
def test_nothing_that_is_sent_raises_or_gets_in(
    scheme: str, headers: dict[str, str], body: bytes, secrets: list[str]
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    given_away = any(secret and secret in value for secret in secrets for value in headers.values())
    assume(not given_away)
    assert verify(scheme, secrets, headers, body, now) is False
    replay_fingerprint(scheme, secrets, headers, body)


@given(SECRETS, MOMENTS)
def test_a_secret_that_nothing_is_said_about_works(pair: tuple[str, str], now: datetime) -> None:
    signer, secret = pair
    scheme, body = scheme_of(signer), body_for(signer, "x", now)
    if secret_problem(scheme, secret) is None:
        assert verify(scheme, [secret], lower(sign(signer, secret, body, now)), body, now)
