"""Which headers of a webhook may be repeated, shown and read by an expression."""

from collections import Counter
from collections.abc import Iterable

from reconciler.core.webhooks.errors import BodyError
from reconciler.core.webhooks.schemes import SCHEMES, Header, Row
from reconciler.core.webhooks.signature import BodyMac, Headers, StaticToken

MAX_SHOWN = 256
"""Characters of a header's value that the delivery log keeps."""

_SIGNED_BY_READERS = frozenset(
    {
        "stripe-signature",
        "x-slack-signature",
        "x-slack-request-timestamp",
        *(f"{p}-{part}" for p in ("webhook", "svix") for part in ("id", "timestamp", "signature")),
    }
)
_CREDENTIALS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "x-api-key",
        "x-auth-token",
        "stripe-signature",
        "x-slack-signature",
        "webhook-signature",
        "svix-signature",
        "x-hub-signature",
        *(
            method.header
            for row in SCHEMES.values()
            for _, method in row.methods
            if isinstance(method, StaticToken | BodyMac)
        ),
    }
)
_NAMES = frozenset(
    place.name
    for row in SCHEMES.values()
    for place in (*row.ids, *row.event)
    if isinstance(place, Header)
)
_ONCE = (
    frozenset(
        {
            "host",
            "content-type",
            "content-length",
            "content-encoding",
            "transfer-encoding",
            "idempotency-key",
        }
    )
    | (_CREDENTIALS - {"cookie"})
    | _SIGNED_BY_READERS
    | _NAMES
)
_ALWAYS_SHOWN = ("content-type", "content-length", "user-agent", "idempotency-key")


def refuse_ambiguous_headers(raw_headers: Iterable[tuple[bytes, bytes]], *own: str | None) -> None:
    """Raise `BodyError` 400 when a header that decides something stands there more than once.

    Proxies and servers differ in which one they take, the first, the last or both joined: one of
    them would verify what another one does not read. `own` are the names that the manifest chose.
    """
    once = _ONCE | {name.lower() for name in own if name}
    names = [name.decode("latin-1").lower() for name, _ in raw_headers]
    if len(set(names)) < len(names):
        for name, count in Counter(names).items():
            if count > 1 and name in once:
                message = f"header {name} was sent {count} times; send one"
                raise BodyError("header-duplicate", message)
    if "content-length" in names and "transfer-encoding" in names:
        # RFC 9112, 6.1: two lengths in one request are how requests are smuggled past a proxy.
        message = "Content-Length and Transfer-Encoding were both sent; send one"
        raise BodyError("header-duplicate", message)


def shown_headers(scheme: str, headers: Headers) -> dict[str, str]:
    """The headers that the delivery log keeps: a list of what is allowed, never a credential."""
    row = SCHEMES.get(scheme, Row())
    places = [place.name for place in (*row.ids, *row.event) if isinstance(place, Header)]
    names = dict.fromkeys((*_ALWAYS_SHOWN, *places, *row.shown))
    return {name: _printable(headers[name][:MAX_SHOWN]) for name in names if name in headers}


def expression_headers(headers: Headers, signature_header: str | None = None) -> dict[str, str]:
    """The headers that `when` and titles may read: all but credentials.

    A title template could otherwise copy a token into a run, its prompt and the dashboard.
    """
    hidden = _CREDENTIALS | {signature_header.lower()} if signature_header else _CREDENTIALS
    return {name: _printable(value) for name, value in headers.items() if name not in hidden}


def _printable(value: str) -> str:
    if value.isprintable():
        return value
    return "".join(char if char.isprintable() else "\ufffd" for char in value)
