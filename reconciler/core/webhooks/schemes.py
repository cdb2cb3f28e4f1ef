"""The table of webhook schemes: how each sender signs, names its deliveries and says hello.

One row per scheme (docs/webhooks.md#schemes); the code beside it reads rows and knows no sender.
The source of each rule stands at its row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypedDict

from reconciler.core.webhooks.payload import JSONValue
from reconciler.core.webhooks.signature import (
    BodyMac,
    BodyToken,
    Encoding,
    Headers,
    Method,
    StaticToken,
    TimedMac,
    read_slack,
    read_standard,
    read_stripe,
    read_webhook,
    reader_of,
)
from reconciler.core.webhooks.signing_key import basic_key, public_key, standard_key

FIVE_MINUTES = timedelta(minutes=5)
DEFAULT_SIGNED = "{time}.{body}"
"""What `hmac_sha256` signs where a manifest names a time header."""


class SignatureOptions(TypedDict, total=False):
    """What a manifest may set beside scheme and secrets; None is the scheme's own value."""

    header: str | None
    encoding: Encoding | None
    prefix: str | None
    time_header: str | None
    signed: str | None
    tolerance: timedelta | None


@dataclass(frozen=True, slots=True)
class Header:
    """A header by its lower-case name. With `and_body`, it names a delivery only with the body."""

    name: str
    and_body: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A text in the payload, by the keys that lead to it."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignedId:
    """The id that the envelope of a timed signature holds."""


ValueSource = Header | Field
IdPlace = Header | Field | SignedId


@dataclass(frozen=True, slots=True)
class Greeting:
    """A request that is no event when `place` says `text`; `echo` is what it wants back."""

    place: ValueSource
    text: str
    echo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A scheme. `methods` go by what a secret starts with; none at all lets everybody in."""

    methods: tuple[tuple[str, Method], ...] = ()
    ids: tuple[IdPlace, ...] = ()
    event: tuple[ValueSource, ...] = ()
    shown: tuple[str, ...] = ()
    """Headers for the delivery log beside the ids and the event: never a credential."""
    greetings: tuple[Greeting, ...] = ()
    confirmation: str = ""
    """The parameter of the query whose value is answered as text, to prove the URL's ownership."""
    tolerance: timedelta = FIVE_MINUTES
    options: tuple[str, ...] = ()
    """What a manifest may set, by the names of `SignatureOptions`."""

    def method(self, secret: str, options: SignatureOptions) -> Method | None:
        """How `secret` is used, with the manifest's options; None where nothing is verified."""
        method = next((m for start, m in self.methods if secret.startswith(start)), None)
        match method:
            case BodyMac() if self.options:
                return _configured_mac(method, options)
            case StaticToken() if self.options:
                return _configured_token(method, options)
            case _:
                return method


def _configured_mac(method: BodyMac, options: SignatureOptions) -> BodyMac | TimedMac:
    header = (options.get("header") or method.header).lower()
    encoding = options.get("encoding") or method.encoding
    label = options.get("prefix") or method.label
    if time_header := options.get("time_header"):
        signed = options.get("signed") or DEFAULT_SIGNED
        return TimedMac(reader_of(header, time_header.lower(), signed), label, encoding)
    return replace(method, header=header, encoding=encoding, label=label)


def _configured_token(method: StaticToken, options: SignatureOptions) -> StaticToken:
    """In a header of its own a token stands alone, unless a prefix is named."""
    header = options.get("header")
    label = options.get("prefix") or ("" if header else method.label)
    return replace(method, header=(header or method.header).lower(), label=label)


_TYPE = Field(("type",))

SCHEMES: Mapping[str, Row] = {
    "none": Row(),
    # docs.github.com, "Validating webhook deliveries" and "Webhook events and payloads": HMAC of
    # the body in lower-case hex; `ping` follows the creation of a webhook.
    "github": Row(
        methods=(("", BodyMac("x-hub-signature-256", "sha256=")),),
        ids=(Header("x-github-delivery"),),
        event=(Header("x-github-event"),),
        shown=("x-github-hook-id", "x-github-hook-installation-target-type"),
        greetings=(Greeting(Header("x-github-event"), "ping"),),
    ),
    # docs.gitlab.com, "Webhooks", "Delivery headers": a secret token is sent as it is, a signing
    # token (`whsec_`) signs as Standard Webhooks. A signing token is never compared as a
    # secret token: that would take the key itself on the wire for a proof. Recursive and parallel
    # webhooks share X-Gitlab-Event-UUID, so it is a name only together with the body.
    "gitlab": Row(
        methods=(
            ("whsec_", TimedMac(read_webhook, "v1,", "base64", standard_key)),
            ("v1,whsec_", TimedMac(read_webhook, "v1,", "base64", standard_key)),
            ("", StaticToken("x-gitlab-token")),
        ),
        ids=(SignedId(), Header("x-gitlab-event-uuid", and_body=True)),
        event=(Header("x-gitlab-event"), Field(("object_kind",))),
        shown=("x-gitlab-instance", "x-gitlab-webhook-uuid", "webhook-id", "webhook-timestamp"),
    ),
    # standardwebhooks.com, specification 1.0.0, and docs.svix.com, "Verifying manually".
    "standard": Row(
        methods=(
            ("whpk_", TimedMac(read_standard, "v1a,", "base64", public_key)),
            ("v1a,whpk_", TimedMac(read_standard, "v1a,", "base64", public_key)),
            ("", TimedMac(read_standard, "v1,", "base64", standard_key)),
        ),
        ids=(SignedId(),),
        event=(_TYPE,),
        shown=("webhook-id", "webhook-timestamp", "svix-id", "svix-timestamp"),
    ),
    # docs.stripe.com/webhooks: the secret is used whole, `whsec_` and all. Event destinations are
    # tried with `v2.core.event_destination.ping`.
    "stripe": Row(
        methods=(("", TimedMac(read_stripe, "v1=")),),
        ids=(Field(("id",)),),
        event=(_TYPE,),
        greetings=(Greeting(_TYPE, "v2.core.event_destination.ping"),),
    ),
    # docs.slack.dev, "Verifying requests from Slack", "url_verification" and "Slash commands"
    # (`ssl_check`). Commands and interactions have no event_id; their trigger_id is used once.
    "slack": Row(
        methods=(("", TimedMac(read_slack, "v0=")),),
        ids=(Field(("event_id",)), Field(("trigger_id",))),
        event=(Field(("event", "type")), _TYPE, Field(("command",))),
        shown=("x-slack-request-timestamp", "x-slack-retry-num", "x-slack-retry-reason"),
        greetings=(
            Greeting(_TYPE, "url_verification", echo="challenge"),
            Greeting(Field(("ssl_check",)), "1"),
        ),
    ),
    # linear.app/developers/webhooks: HMAC of the body, whose webhookTimestamp must be within a
    # minute. Linear-Delivery itself is not signed.
    "linear": Row(
        methods=(("", BodyMac("linear-signature", time_field="webhookTimestamp")),),
        ids=(Header("linear-delivery"),),
        event=(Header("linear-event"), _TYPE),
        tolerance=timedelta(seconds=60),
    ),
    # docs.sentry.io, "Integration platform", "Webhooks": the key is the integration's client
    # secret; Sentry-Hook-Timestamp is not signed.
    "sentry": Row(
        methods=(("", BodyMac("sentry-hook-signature")),),
        ids=(Header("request-id"),),
        event=(Header("sentry-hook-resource"),),
        shown=("sentry-hook-timestamp",),
    ),
    # developer.pagerduty.com, "Verifying signatures" and "Behavior": one signature per secret,
    # comma-separated; the test event is `pagey.ping`.
    "pagerduty": Row(
        methods=(("", BodyMac("x-pagerduty-signature", "v1=", separator=",")),),
        ids=(Field(("event", "id")), Header("x-webhook-id")),
        event=(Field(("event", "event_type")),),
        shown=("x-webhook-subscription",),
        greetings=(Greeting(Field(("event", "event_type")), "pagey.ping"),),
    ),
    # shopify.dev, "Verify webhook deliveries": base64, keyed with the app's client secret.
    # X-Shopify-Event-Id is shared by all deliveries of one action, so it is no delivery id.
    "shopify": Row(
        methods=(("", BodyMac("x-shopify-hmac-sha256", encoding="base64")),),
        ids=(Header("x-shopify-webhook-id"),),
        event=(Header("x-shopify-topic"),),
        shown=("x-shopify-shop-domain", "x-shopify-event-id", "x-shopify-triggered-at"),
    ),
    "hmac_sha256": Row(
        methods=(("", BodyMac("x-signature")),),
        options=("header", "encoding", "prefix", "time_header", "signed"),
    ),
    # RFC 6750, section 2.1.
    "bearer": Row(
        methods=(("", StaticToken("authorization", "Bearer ")),), options=("header", "prefix")
    ),
    # learn.microsoft.com/graph, "Receive change notifications through webhooks": a subscription is
    # confirmed by its validationToken; `clientState` stands in every notification of a body.
    "microsoft_graph": Row(
        methods=(("", BodyToken("value", "clientState")),), confirmation="validationToken"
    ),
    # RFC 7617: base64 of user and password.
    "basic": Row(methods=(("", StaticToken("authorization", "Basic ", basic_key)),)),
}


def look_up(place: ValueSource, headers: Headers, payload: JSONValue) -> str | None:
    """The text at `place`; None where there is none, or something else than a text."""
    match place:
        case Header():
            return headers.get(place.name)
        case Field():
            value = payload
            for key in place.path:
                value = value.get(key) if isinstance(value, dict) else None
            return value if isinstance(value, str) else None


def without_token(scheme: str, payload: JSONValue) -> JSONValue:
    """The payload without the secret that some senders put into it: runs and prompts show it."""
    for _, method in SCHEMES.get(scheme, Row()).methods:
        if isinstance(method, BodyToken) and isinstance(payload, dict):
            items = payload.get(method.items)
            if isinstance(items, list):
                shown: list[JSONValue] = [_without(item, method.member) for item in items]
                return {**payload, method.items: shown}
    return payload


def _without(item: JSONValue, member: str) -> JSONValue:
    if not isinstance(item, dict):
        return item
    return {key: value for key, value in item.items() if key != member}
