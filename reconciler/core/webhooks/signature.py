"""How a request is authenticated: envelopes and the three methods of the schemes' table.

A method is a static token, a MAC of the body, or a MAC of time and body. Each reads an
`Envelope` from the headers, which holds what the sender claims, and compares it with what a
secret gives. Comparisons are on bytes and in constant time; nothing raises on what a sender writes.
"""

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.payload import parse_json
from reconciler.core.webhooks.signing_key import Key, signed_by, text_key

Headers: TypeAlias = Mapping[str, str]
Encoding = Literal["hex", "base64"]

MAX_SIGNATURES = 32
"""Entries of a list of signatures that are looked at; senders that rotate keys send two."""

_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_MILLISECONDS = re.compile(r"[0-9]{13}", re.ASCII)
_MESSAGE_ID = re.compile(r"[!-\-/-~]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a request claims: entries that may be signatures, and what they sign before the body."""

    entries: tuple[str, ...]
    preamble: bytes = b""
    sent_at: timedelta | None = None
    """Since 1970-01-01T00:00Z, where the headers sign a time."""
    message_id: str | None = None
    """Where the headers sign an id."""


@dataclass(frozen=True, slots=True)
class StaticToken:
    """The secret itself, in a header; `label` stands before it, such as `Bearer `."""

    header: str
    label: str = ""
    key: Callable[[str], Key] = text_key

    def envelope(self, headers: Headers) -> Envelope | None:
        """The token that was sent."""
        value = headers.get(self.header)
        if value is None:
            return None
        # RFC 9110, 11.1: the name of an authentication scheme is case-insensitive.
        label, token = value[: len(self.label)], value[len(self.label) :]
        return Envelope((token,)) if label.lower() == self.label.lower() else None


@dataclass(frozen=True, slots=True)
class BodyMac:
    """HMAC-SHA256 of the raw body, in a header, after `label`; a list where it has a separator."""

    header: str
    label: str = ""
    encoding: Encoding = "hex"
    separator: str = ""
    time_field: str = ""
    """The member of a JSON body that holds the time of sending, in milliseconds."""
    key: Callable[[str], Key] = text_key

    def envelope(self, headers: Headers) -> Envelope | None:
        """The signatures that were sent."""
        value = headers.get(self.header)
        if value is None:
            return None
        return Envelope(_entries(value, self.separator) if self.separator else (value,))


@dataclass(frozen=True, slots=True)
class TimedMac:
    """A signature over time and body; `read` knows where a sender puts them."""

    read: Callable[[Headers], Envelope | None]
    label: str
    encoding: Encoding = "hex"
    key: Callable[[str], Key] = text_key

    def envelope(self, headers: Headers) -> Envelope | None:
        """Signatures, time and preamble; None where one is missing or malformed."""
        return self.read(headers)


@dataclass(frozen=True, slots=True)
class BodyToken:
    """The secret itself, in each item of a list in a JSON body."""

    items: str
    member: str
    key: Callable[[str], Key] = text_key

    def envelope(self, headers: Headers) -> Envelope | None:
        """Nothing: the headers claim nothing."""
        return Envelope(())


Method: TypeAlias = StaticToken | BodyMac | TimedMac | BodyToken


def verifies(method: Method, envelope: Envelope, secret: str, body: bytes) -> bool:
    """Whether one of the envelope's entries is what `secret` gives for `body`; time is not asked.

    All entries are compared, whichever matches. Raises `SecretInvalid`.
    """
    key = method.key(secret)
    if isinstance(method, StaticToken):
        return _same_token(envelope.entries[0], key)
    if isinstance(method, BodyToken):
        return isinstance(key, bytes) and _in_every_item(method, key, body)
    entries = [e.removeprefix(method.label) for e in envelope.entries if e.startswith(method.label)]
    if not isinstance(key, bytes):
        return signed_by(key, entries, envelope.preamble + body)
    expected = _mac(key, envelope.preamble, body, method.encoding)
    matched = False
    for entry in entries:
        matched |= _same(entry, expected)
    return matched


def read_stripe(headers: Headers) -> Envelope | None:
    """`Stripe-Signature: t=…,v1=…[,v1=…]` over `{t}.{body}`; other versions are passed over.

    Source: https://docs.stripe.com/webhooks, "Verify webhook signatures manually".
    """
    entries = _entries(headers.get("stripe-signature", ""), ",")
    times = [entry.removeprefix("t=") for entry in entries if entry.startswith("t=")]
    sent_at = seconds(times[0]) if len(times) == 1 else None
    if sent_at is None:
        return None
    return Envelope(entries, f"{times[0]}.".encode(), sent_at)


def read_slack(headers: Headers) -> Envelope | None:
    """`X-Slack-Signature: v0=…` over `v0:{X-Slack-Request-Timestamp}:{body}`.

    Source: https://docs.slack.dev/authentication/verifying-requests-from-slack.
    """
    time = headers.get("x-slack-request-timestamp", "")
    signature, sent_at = headers.get("x-slack-signature"), seconds(time)
    if signature is None or sent_at is None:
        return None
    return Envelope((signature,), f"v0:{time}:".encode(), sent_at)


def read_webhook(headers: Headers, prefix: str = "webhook") -> Envelope | None:
    """`webhook-signature: v1,… v1a,…` over `{webhook-id}.{webhook-timestamp}.{body}`.

    An id is visible ASCII without a full stop, which the specification forbids in it so that the
    signed text has one reading. Source: Standard Webhooks 1.0.0, "Webhook headers".
    """
    message_id = headers.get(f"{prefix}-id", "")
    time = headers.get(f"{prefix}-timestamp", "")
    signatures, sent_at = headers.get(f"{prefix}-signature"), seconds(time)
    if signatures is None or sent_at is None or not _MESSAGE_ID.fullmatch(message_id):
        return None
    preamble = f"{message_id}.{time}.".encode()
    return Envelope(_entries(signatures, " "), preamble, sent_at, message_id)


def read_standard(headers: Headers) -> Envelope | None:
    """The `webhook-*` headers, or else the `svix-*` ones; never some of each."""
    return read_webhook(headers) or read_webhook(headers, "svix")


def reader_of(header: str, time_header: str, signed: str) -> Callable[[Headers], Envelope | None]:
    """Read a signature in `header` over `signed`, such as `v0:{time}:{body}`.

    The time stands in `time_header`, in seconds or, with 13 digits, in milliseconds.
    """
    before = signed.removesuffix("{body}")

    def read(headers: Headers) -> Envelope | None:
        signature, time = headers.get(header), headers.get(time_header, "")
        sent_at = milliseconds(time) if len(time) == 13 else seconds(time)
        if signature is None or sent_at is None:
            return None
        return Envelope((signature,), before.replace("{time}", time).encode(), sent_at)

    return read


def milliseconds(text: str) -> timedelta | None:
    """A Unix time of 13 plain ASCII digits; None for anything else."""
    return timedelta(milliseconds=int(text)) if _MILLISECONDS.fullmatch(text) else None


def seconds(text: str) -> timedelta | None:
    """A Unix time of plain ASCII digits; None for anything else (signs, spaces, NaN, too long)."""
    return timedelta(seconds=int(text)) if _SECONDS.fullmatch(text) else None


def _entries(value: str, separator: str) -> tuple[str, ...]:
    return tuple(value.split(separator, MAX_SIGNATURES)[:MAX_SIGNATURES])


def _mac(key: bytes, preamble: bytes, body: bytes, encoding: Encoding) -> bytes:
    mac = hmac.digest(key, preamble + body if preamble else body, "sha256")
    return base64.b64encode(mac) if encoding == "base64" else mac.hex().encode()


def _same(entry: str, expected: bytes) -> bool:
    # surrogatepass: compare_digest wants bytes, and no lone surrogate may become a plain '?'.
    return hmac.compare_digest(entry.encode("utf-8", "surrogatepass"), expected)


def _in_every_item(method: BodyToken, key: bytes, body: bytes) -> bool:
    # Parsed before anything is verified, as no other body: it is capped, and read strictly.
    try:
        payload = parse_json(body)
    except BodyError:
        return False
    items = payload.get(method.items) if isinstance(payload, dict) else None
    if not isinstance(items, list) or not items:
        return False
    genuine = True
    for item in items:
        value = item.get(method.member) if isinstance(item, dict) else None
        genuine &= isinstance(value, str) and _same(value, key)
    return genuine


def _same_token(token: str, expected: Key) -> bool:
    if not isinstance(expected, bytes):
        return False
    try:
        wire = token.encode("latin-1")  # servers read header bytes as latin-1; ours may be UTF-8
    except UnicodeEncodeError:
        wire = b""
    return _same(token, expected) | hmac.compare_digest(wire, expected)
