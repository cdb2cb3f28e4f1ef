"""Whether a webhook comes from whom it says: signature and freshness, pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Unpack

from reconciler.core.webhooks.delivery_key import DeliveryKey
from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.payload import JSONValue, parse_json
from reconciler.core.webhooks.schemes import SCHEMES, Row, SignatureOptions
from reconciler.core.webhooks.signature import (
    BodyMac,
    Headers,
    Method,
    StaticToken,
    verifies,
)
from reconciler.core.webhooks.signing_key import SecretInvalid

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MILLISECONDS = 10**15


@dataclass(frozen=True, slots=True)
class Accepted:
    """A verified delivery that fires its trigger."""

    payload: JSONValue
    key: DeliveryKey | None = None
    event: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A verified delivery that fires nothing: filtered, disabled or not in force. Answer 200."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A request that is not taken in, with the status of its answer. It uses up no key."""

    status: int
    reason: str


Verdict = Accepted | Ignored | Rejected


def verify(
    scheme: str,
    secrets: Sequence[str],
    headers: Headers,
    body: bytes,
    now: datetime,
    **options: Unpack[SignatureOptions],
) -> bool:
    """Whether `body` was sent just now by a holder of one of the active `secrets`.

    `headers` have lower-case names, `body` is raw, `now` is aware. `options` are the manifest's:
    `header`, `encoding` (hex, base64), `prefix`, `time_header` and `signed` for `hmac_sha256`,
    `header` and `prefix` for `bearer`, and `tolerance` for schemes that sign a time (5 minutes,
    Linear 60 seconds; the bound itself is still good, both ways).

    Never raises on what a sender controls. An unknown scheme, no secret and a malformed secret are
    False; `none` is always True. Every secret is tried, whichever matches.
    """
    row = SCHEMES.get(scheme)
    if row is None or not row.methods:
        return row is not None
    genuine = False
    for secret in secrets:
        genuine |= _verifies(row, secret, headers, body, now, options)
    return genuine


def secret_problem(scheme: str, secret: str) -> str | None:
    """What is wrong with `secret` under `scheme`, as the end of a sentence; None for nothing.

    Never repeats the secret. What is told here need not be hopeless: see `can_verify`.
    """
    if (why := _hopeless(scheme, secret)) is not None:
        return why
    if secret != secret.strip() or "\0" in secret:
        return "starts or ends with white space; was the last line break of a file kept?"
    return None


def can_verify(scheme: str, secret: str) -> bool:
    """Whether any request could ever be verified with `secret`."""
    return _hopeless(scheme, secret) is None


def _hopeless(scheme: str, secret: str) -> str | None:
    row = SCHEMES.get(scheme)
    method = row.method(secret, {}) if row else None
    if method is None:
        return f"is not used by scheme '{scheme}'"
    try:
        method.key(secret)
    except SecretInvalid as error:
        return str(error)
    if isinstance(method, StaticToken) and secret != secret.strip():
        # HTTP takes white space around the value of a header away.
        return "starts or ends with white space, which no header carries"
    return None


def _verifies(
    row: Row,
    secret: str,
    headers: Headers,
    body: bytes,
    now: datetime,
    options: SignatureOptions,
) -> bool:
    method = row.method(secret, options)
    envelope = method.envelope(headers) if method else None
    if method is None or envelope is None:
        return False
    tolerance = options.get("tolerance")
    tolerance = row.tolerance if tolerance is None else tolerance
    if envelope.sent_at is not None and not _fresh(envelope.sent_at, now, tolerance):
        return False
    try:
        genuine = verifies(method, envelope, secret, body)
    except SecretInvalid:
        return False
    # The body is parsed only once its MAC holds: strangers cannot make us parse.
    return genuine and _body_is_fresh(method, body, now, tolerance)


def _body_is_fresh(method: Method, body: bytes, now: datetime, tolerance: timedelta) -> bool:
    if not isinstance(method, BodyMac) or not method.time_field:
        return True
    try:
        payload = parse_json(body)
    except BodyError:
        return False
    sent = payload.get(method.time_field) if isinstance(payload, dict) else None
    if type(sent) is not int or not 0 <= sent < _MAX_MILLISECONDS:  # bool is an int too
        return False
    return _fresh(timedelta(milliseconds=sent), now, tolerance)


def _fresh(sent_at: timedelta, now: datetime, tolerance: timedelta) -> bool:
    return abs(now - _EPOCH - sent_at) <= tolerance
