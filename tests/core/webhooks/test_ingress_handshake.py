"""Pings, challenges and the names of events."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.handshake import MAX_CHALLENGE, Challenge, Pong, event_name, handshake
from reconciler.core.webhooks.ingress import Accepted, Ignored, Rejected, Verdict
from reconciler.core.webhooks.payload import JSONValue
from reconciler.core.webhooks.schemes import SCHEMES

CHALLENGE = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
SLACK: JSONValue = {"token": "t", "challenge": CHALLENGE, "type": "url_verification"}


@pytest.mark.parametrize(
    ("scheme", "headers", "payload", "expected"),
    [
        pytest.param("github", {"x-github-event": "ping"}, None, Pong(), id="GitHub, by header"),
        pytest.param("github", {"x-github-event": "push"}, {"zen": "x"}, None, id="GitHub's push"),
        pytest.param("github", {}, {"type": "ping"}, None, id="GitHub says it in the header only"),
        pytest.param(
            "pagerduty", {}, {"event": {"event_type": "pagey.ping"}}, Pong(), id="PagerDuty's test"
        ),
        pytest.param(
            "pagerduty", {}, {"event": {"event_type": "incident.triggered"}}, None, id="an incident"
        ),
        pytest.param("pagerduty", {}, {"event": "pagey.ping"}, None, id="another shape"),
        pytest.param(
            "stripe", {}, {"type": "v2.core.event_destination.ping"}, Pong(), id="Stripe's test"
        ),
        pytest.param("slack", {}, SLACK, Challenge("challenge", CHALLENGE), id="Slack's challenge"),
        pytest.param("slack", {}, {"ssl_check": "1"}, Pong(), id="Slack's certificate check"),
        pytest.param("slack", {}, {"type": "event_callback"}, None, id="a Slack event"),
        pytest.param("none", {"x-github-event": "ping"}, SLACK, None, id="no scheme, no greeting"),
        pytest.param("linear", {}, SLACK, None, id="another scheme"),
        pytest.param("github2", {}, {}, None, id="an unknown scheme"),
    ],
)
def test_greetings(
    scheme: str,
    headers: dict[str, str],
    payload: JSONValue,
    expected: Pong | Challenge | None,
) -> None:
    assert handshake(scheme, headers, payload) == expected


def test_a_challenge_is_answered_with_itself() -> None:
    greeting = handshake("slack", {}, SLACK)
    assert isinstance(greeting, Challenge)
    assert greeting.body == {"challenge": CHALLENGE}


@pytest.mark.parametrize(
    "challenge",
    [None, 7, "", "é", "a\nb", "\x00", "c" * (MAX_CHALLENGE + 1), ["a"]],
    ids=["none", "a number", "empty", "é", "two lines", "NUL", "too long", "a list"],
)
def test_what_is_no_challenge_is_not_echoed(challenge: JSONValue) -> None:
    with pytest.raises(BodyError, match="printable ASCII") as caught:
        handshake("slack", {}, {"type": "url_verification", "challenge": challenge})
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("scheme", "headers", "payload", "name"),
    [
        ("github", {"x-github-event": "push"}, {}, "push"),
        ("gitlab", {"x-gitlab-event": "Push Hook"}, {}, "Push Hook"),
        ("gitlab", {}, {"object_kind": "push"}, "push"),
        ("standard", {}, {"type": "user.created"}, "user.created"),
        ("stripe", {}, {"type": "invoice.paid"}, "invoice.paid"),
        (
            "slack",
            {},
            {"type": "event_callback", "event": {"type": "app_mention"}},
            "app_mention",
        ),
        ("slack", {}, {"command": "/deploy"}, "/deploy"),
        ("linear", {"linear-event": "Issue"}, {}, "Issue"),
        ("sentry", {"sentry-hook-resource": "issue"}, {}, "issue"),
        ("pagerduty", {}, {"event": {"event_type": "incident.triggered"}}, "incident.triggered"),
        ("shopify", {"x-shopify-topic": "orders/create"}, {}, "orders/create"),
        ("bearer", {}, {"type": "x"}, None),
        ("github", {"x-github-event": "é"}, {}, None),
        ("github", {"x-github-event": "a\x1b[31m"}, {}, None),
        ("github", {"x-github-event": "p" * 101}, {}, None),
        ("github2", {}, {}, None),
    ],
)
def test_the_name_of_an_event(
    scheme: str, headers: dict[str, str], payload: JSONValue, name: str | None
) -> None:
    assert event_name(scheme, headers, payload) == name


@given(
    st.sampled_from(sorted(SCHEMES)),
    st.dictionaries(st.sampled_from(["x-github-event", "x-gitlab-event"]), st.text()),
    st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["type", "event", "ssl_check", "challenge"]), inner)
        ),
    ),
)
def test_any_payload_is_an_event_a_greeting_or_malformed(
    scheme: str, headers: dict[str, str], payload: JSONValue
) -> None:
    try:
        greeting = handshake(scheme, headers, payload)
    except BodyError:
        assert scheme == "slack"
        return
    if isinstance(greeting, Challenge):
        assert len(greeting.value) <= MAX_CHALLENGE
    event_name(scheme, headers, payload)


def test_a_verdict_is_one_of_three() -> None:
    def status(verdict: Verdict) -> int:
        match verdict:
            case Accepted():
                return 202
            case Ignored():
                return 200
            case Rejected(status=status):
                return status

    now = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    assert [status(v) for v in (Accepted({"at": now}), Ignored("paused"), Rejected(401, "no"))] == [
        202,
        200,
        401,
    ]
