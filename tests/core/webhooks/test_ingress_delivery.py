"""What makes two requests the same delivery."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.webhooks.delivery_key import (
    DeliveryKey,
    body_fingerprint,
    delivery_key,
    replay_fingerprint,
)
from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.ingress import verify
from reconciler.core.webhooks.payload import JSONValue
from reconciler.core.webhooks.schemes import SCHEMES
from tests.support.signing import linear_body, lower, sign

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WHSEC = "whsec_c2VjcmV0LWZvci10ZXN0cw=="
STRIPE: JSONValue = {"id": "evt_1", "object": "event"}
SLACK: JSONValue = {"type": "event_callback", "event_id": "Ev1", "trigger_id": "T1"}
PAGERDUTY: JSONValue = {"event": {"id": "01BZ", "event_type": "incident.triggered"}}


@pytest.mark.parametrize(
    ("scheme", "headers", "payload", "value"),
    [
        pytest.param("github", {"x-github-delivery": "72d3162e"}, {}, "72d3162e", id="GitHub"),
        pytest.param("gitlab", {}, {}, None, id="GitLab of old, nothing to go by"),
        pytest.param("linear", {"linear-delivery": "d1"}, {}, "d1", id="Linear"),
        pytest.param("sentry", {"request-id": "r1"}, {}, "r1", id="Sentry"),
        pytest.param("shopify", {"x-shopify-webhook-id": "w1"}, {}, "w1", id="Shopify"),
        pytest.param(
            "shopify", {"x-shopify-event-id": "e1"}, {}, None, id="Shopify's event is no delivery"
        ),
        pytest.param("stripe", {}, STRIPE, "evt_1", id="Stripe, in the body"),
        pytest.param("slack", {}, SLACK, "Ev1", id="a Slack event"),
        pytest.param("slack", {}, {"trigger_id": "T1"}, "T1", id="a Slack command"),
        pytest.param("pagerduty", {"x-webhook-id": "w"}, PAGERDUTY, "01BZ", id="PagerDuty, signed"),
        pytest.param("pagerduty", {"x-webhook-id": "w"}, {}, "w", id="PagerDuty, by header"),
        pytest.param("none", {"x-github-delivery": "1"}, STRIPE, None, id="no scheme, no id"),
        pytest.param("bearer", {"webhook-id": "1"}, STRIPE, None, id="bearer, no id"),
        pytest.param("hmac_sha256", {"webhook-id": "1"}, {}, None, id="hmac_sha256, no id"),
        pytest.param("github2", {}, {}, None, id="an unknown scheme"),
    ],
)
def test_the_providers_id(
    scheme: str, headers: dict[str, str], payload: JSONValue, value: str | None
) -> None:
    expected = None if value is None else DeliveryKey(value, explicit=False)
    assert delivery_key(scheme, headers, payload, b"") == expected


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_an_idempotency_key_comes_first(scheme: str) -> None:
    headers = {"idempotency-key": "k", "x-github-delivery": "1", "webhook-id": "2"}
    assert delivery_key(scheme, headers, STRIPE, b"") == DeliveryKey("k", explicit=True)


@pytest.mark.parametrize("header", ["idempotency-key", "x-github-delivery"])
@pytest.mark.parametrize(
    "value",
    ["", " ", "a b", "a\tb", "a\n", "\x7f", "é", "\ud800", "k" * 256],
    ids=["empty", "space", "two words", "tab", "line break", "DEL", "é", "surrogate", "256"],
)
def test_a_header_that_is_no_key_is_malformed(header: str, value: str) -> None:
    with pytest.raises(BodyError, match="1 to 255 visible ASCII") as caught:
        delivery_key("github", {header: value}, {}, b"")
    assert (caught.value.status, caught.value.reason) == (400, "idempotency-key-invalid")


@pytest.mark.parametrize("value", ["!", "~" * 255, '"quoted"', "a,b;c=d"])
def test_any_visible_ascii_is_a_key(value: str) -> None:
    assert delivery_key("none", {"idempotency-key": value}, {}, b"") == DeliveryKey(value, True)


@pytest.mark.parametrize(
    "payload",
    [None, [], "evt_1", {"id": 7}, {"id": None}, {"id": {"id": "x"}}, {"id": ""}, {"id": "a b"}],
    ids=["null", "list", "text", "number", "null id", "object", "empty", "two words"],
)
def test_an_id_in_the_payload_that_is_none_is_passed_over(payload: JSONValue) -> None:
    assert delivery_key("stripe", {}, payload, b"") is None


class TestSignedIds:
    """Standard Webhooks sign the id: the one that was verified is the one that counts."""

    def test_either_set_of_names(self) -> None:
        for signer in ("standard", "svix"):
            headers = lower(sign(signer, WHSEC, b"{}", NOW, "msg_7"))
            assert delivery_key("standard", headers, {}, b"{}") == DeliveryKey("msg_7", False)

    def test_a_stray_unsigned_id_changes_nothing(self) -> None:
        headers = lower(sign("svix", WHSEC, b"{}", NOW, "msg_7")) | {"webhook-id": "msg_8"}
        assert verify("standard", [WHSEC], headers, b"{}", NOW)
        assert delivery_key("standard", headers, {}, b"{}") == DeliveryKey("msg_7", False)

    def test_gitlab_with_a_signing_token(self) -> None:
        headers = lower(sign("gitlab", WHSEC, b"{}", NOW, "msg_7"))
        assert delivery_key("gitlab", headers, {}, b"{}") == DeliveryKey("msg_7", False)


class TestGitlabEvents:
    """GitLab's event id is shared by events that follow from one another."""

    def test_it_names_a_delivery_only_with_its_body(self) -> None:
        headers = {"x-gitlab-event-uuid": "13792a34-cac6-4fda-95a8-c58e00a3954e"}
        one = delivery_key("gitlab", headers, {}, b"one")
        assert one is not None
        assert one == delivery_key("gitlab", headers, {}, b"one")
        assert one != delivery_key("gitlab", headers, {}, b"two")
        assert one != delivery_key("gitlab", {"x-gitlab-event-uuid": "other"}, {}, b"one")
        assert len(one.value) <= 255

    def test_a_malformed_one_is_malformed(self) -> None:
        with pytest.raises(BodyError):
            delivery_key("gitlab", {"x-gitlab-event-uuid": "\ud800"}, {}, b"")


class TestReplay:
    """A captured request sent again is seen, whatever unsigned ids are put beside it."""

    @pytest.mark.parametrize(
        "scheme", ["github", "sentry", "pagerduty", "shopify", "hmac_sha256", "linear"]
    )
    def test_the_same_signed_body_is_the_same_request(self, scheme: str) -> None:
        body = linear_body({"a": 1}, NOW)
        first = lower(sign(scheme, "s", body, NOW, "id_1"))
        again = lower(sign(scheme, "s", body, NOW, "id_2")) | {"idempotency-key": "new"}
        assert replay_fingerprint(scheme, ["s"], first, body) is not None
        assert replay_fingerprint(scheme, ["s"], first, body) == replay_fingerprint(
            scheme, ["s"], again, body
        )
        assert replay_fingerprint(scheme, ["s"], first, body) != replay_fingerprint(
            scheme, ["s"], first, body + b" "
        )

    @pytest.mark.parametrize("scheme", ["stripe", "slack", "standard", "gitlab"])
    def test_where_a_time_is_signed_a_retry_is_another_request(self, scheme: str) -> None:
        first = lower(sign(scheme, WHSEC, b"{}", NOW, "id_1"))
        retry = lower(sign(scheme, WHSEC, b"{}", NOW + timedelta(seconds=1), "id_1"))
        captured = first | {"idempotency-key": "new", "x-gitlab-event-uuid": "new"}
        print_of = [
            replay_fingerprint(scheme, [WHSEC], headers, b"{}")
            for headers in (first, captured, retry)
        ]
        assert print_of[0] == print_of[1] != print_of[2]

    def test_the_names_of_the_headers_do_not_matter(self) -> None:
        webhook, svix = (lower(sign(s, WHSEC, b"{}", NOW)) for s in ("standard", "svix"))
        assert replay_fingerprint("standard", [WHSEC], webhook, b"{}") == replay_fingerprint(
            "standard", [WHSEC], svix, b"{}"
        )

    @pytest.mark.parametrize(
        ("scheme", "secrets"),
        [
            ("none", []),
            ("bearer", ["s"]),
            ("gitlab", ["s"]),
            ("gitlab", ["s", WHSEC]),
            ("github2", ["s"]),
        ],
    )
    def test_where_nothing_is_signed_nothing_is_a_replay(
        self, scheme: str, secrets: list[str]
    ) -> None:
        assert replay_fingerprint(scheme, secrets, {"x-gitlab-token": "s"}, b"{}") is None


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_bodies_have_one_fingerprint_each(one: bytes, other: bytes) -> None:
    assert (body_fingerprint(one) == body_fingerprint(other)) == (one == other)
    assert len(body_fingerprint(one)) == 64


ANY = st.text(alphabet=st.characters(exclude_categories=()), max_size=300)
PAYLOADS = st.recursive(
    st.none() | st.integers() | ANY,
    lambda inner: st.dictionaries(
        st.sampled_from(["id", "event", "event_id", "trigger_id", "x"]), inner
    ),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["idempotency-key", "x-github-delivery", "x-gitlab-event-uuid", "webhook-id", "request-id"]
    ),
    ANY,
)


@given(st.sampled_from(sorted(SCHEMES)), HEADERS, PAYLOADS, st.binary(max_size=20))
def test_a_key_is_storable_or_the_request_malformed(
    scheme: str, headers: dict[str, str], payload: JSONValue, body: bytes
) -> None:
    try:
        key = delivery_key(scheme, headers, payload, body)
    except BodyError:
        return
    assert key is None or (0 < len(key.value) <= 255 and key.value.isascii())
    assert key is None or key.explicit == ("idempotency-key" in headers)
