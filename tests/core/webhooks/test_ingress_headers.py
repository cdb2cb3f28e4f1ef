"""Headers that may not be repeated, and what of them is shown."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.headers import (
    MAX_SHOWN,
    expression_headers,
    refuse_ambiguous_headers,
    shown_headers,
)
from reconciler.core.webhooks.schemes import SCHEMES
from tests.support.signing import SENDERS, Sender, linear_body, sign

NOW = datetime(2026, 3, 29, 1, 30, 15, tzinfo=UTC)
BODY = linear_body({"action": "create"}, NOW)
every = pytest.mark.parametrize("sender", SENDERS.values(), ids=list(SENDERS))
CREDENTIALS = ("authorization", "token", "signature", "hmac", "cookie", "api-key")


@pytest.mark.parametrize(
    "name",
    [
        b"Host",
        b"Content-Type",
        b"Content-Length",
        b"Content-Encoding",
        b"Transfer-Encoding",
        b"Idempotency-Key",
        b"Authorization",
        b"X-Hub-Signature-256",
        b"X-GitHub-Event",
        b"X-GitHub-Delivery",
        b"X-Gitlab-Token",
        b"webhook-id",
        b"webhook-timestamp",
        b"svix-signature",
        b"Stripe-Signature",
        b"X-Slack-Request-Timestamp",
        b"Linear-Signature",
        b"X-Webhook-Id",
    ],
)
def test_a_header_that_decides_something_stands_there_once(name: bytes) -> None:
    refuse_ambiguous_headers([(name, b"1"), (b"accept", b"*/*")])
    with pytest.raises(BodyError, match=rf"(?i){name.decode()} was sent 2 times") as caught:
        refuse_ambiguous_headers([(name, b"1"), (b"accept", b"*/*"), (name.lower(), b"1")])
    assert (caught.value.status, caught.value.reason) == (400, "header-duplicate")


def test_every_header_that_a_sender_signs_with_stands_there_once() -> None:
    for sender in SENDERS.values():
        for name, value in sign(sender.signer, sender.secret, BODY, NOW).items():
            if name == "Sentry-Hook-Timestamp":  # not signed, decides nothing
                continue
            with pytest.raises(BodyError):
                refuse_ambiguous_headers([(name.encode(), value.encode())] * 2)


def test_the_manifests_own_header_stands_there_once() -> None:
    twice = [(b"X-Acme-Proof", b"1"), (b"x-acme-proof", b"2")]
    refuse_ambiguous_headers(twice)
    with pytest.raises(BodyError, match="x-acme-proof"):
        refuse_ambiguous_headers(twice, "X-Acme-Proof")


def test_other_headers_may_be_repeated() -> None:
    refuse_ambiguous_headers([(b"x-forwarded-for", b"a"), (b"X-Forwarded-For", b"b")] * 2)
    refuse_ambiguous_headers([(b"cookie", b"a"), (b"cookie", b"b"), (b"\xff\x00", b""), (b"", b"")])


@every
def test_the_log_shows_what_names_a_delivery_and_no_credential(sender: Sender) -> None:
    sent = sender.headers(BODY, NOW)
    sent |= {"user-agent": "Sender/1", "cookie": "session=1", "x-api-key": "k", "x-other": "o"}
    shown = shown_headers(sender.scheme, sent)
    assert shown["user-agent"] == "Sender/1"
    assert not [h for h in shown if any(word in h for word in CREDENTIALS)]
    assert sender.secret not in shown.values()
    assert "x-other" not in shown
    if "msg_1" in sent.values():
        assert "msg_1" in shown.values()


@every
def test_an_expression_reads_all_but_credentials(sender: Sender) -> None:
    sent = sender.headers(BODY, NOW) | {
        "x-other": "o",
        "cookie": "c",
    }
    seen = expression_headers(sent)
    assert seen["x-other"] == "o"
    assert not [h for h in seen if any(word in h for word in CREDENTIALS) and h != "x-signature"]
    assert not [value for value in seen.values() if sender.secret in value]


def test_the_manifests_own_header_is_a_credential() -> None:
    sent = {"x-acme-proof": "1", "x-other": "2"}
    assert expression_headers(sent, "X-Acme-Proof") == {"x-other": "2"}


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=600))
def test_what_is_shown_can_be_stored_and_printed(value: str) -> None:
    for shown in (shown_headers("none", {"user-agent": value}), expression_headers({"x": value})):
        (text,) = shown.values()
        assert text.isprintable()
        assert text.encode("utf-8").decode("utf-8") == text
    assert len(shown_headers("none", {"user-agent": value})["user-agent"]) <= MAX_SHOWN


def test_the_manual_names_every_scheme_and_the_header_that_proves_it() -> None:
    manual = Path("docs/webhooks.md").read_text(encoding="utf-8").lower()
    for scheme in SCHEMES:
        assert f"`{scheme}`" in manual
    for sender in SENDERS.values():
        for name in sign(sender.signer, sender.secret, BODY, NOW):
            assert name.lower() in manual, name
