"""The headers of an `http` runtime that a manifest may set, and the values that can be sent.

What it may not set says where a request goes, where its body ends and who signed it
(docs/runtimes.md).
"""

import re

_RESERVED = frozenset(
    {
        # Where the request goes and where its body ends.
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        # One connection's own (RFC 9110, 7.6.1).
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "upgrade",
        "http2-settings",
        # What the client negotiates.
        "expect",
        "accept-encoding",
        # Which run it is.
        "idempotency-key",
    }
)
_SIGNING = ("webhook-", "svix-")
_VALUE = re.compile(r"[!-~](?:[\t -~]*[!-~])?|", re.ASCII)


def is_reserved(name: str) -> bool:
    """Whether the server sets this header itself, in whatever case it is written."""
    lower = name.lower()
    return lower in _RESERVED or lower.startswith(_SIGNING)


def can_be_sent(value: str) -> bool:
    """Whether a value is visible ASCII with blanks and tabs inside (RFC 9110, 5.5)."""
    return bool(_VALUE.fullmatch(value))
