"""Secrets are taken out of texts: the one rule for settings, errors and logs.

What is masked may be more than a secret, and is never less: a URL loses its password (an http one
everything before the `@`, which may be a token), the values of its query but for some harmless
ones, and tokens wherever they stand.
"""

import re

MASK = "***"

_TOKEN = re.compile(r"\b(whk_|rct_(?:run_)?|whsec_|whsk_|whpk_|lease_)[A-Za-z0-9+/=_-]{8,}")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}")
# A scheme is short: of a long word, read to its end from each letter, a log would take hours.
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,63})://(?P<rest>\S+)")
_PAIR = re.compile(r"(?P<name>[?&#;][^=?&#;\s]*)=(?P<value>[^&#;\s]*)")
_PASSWORD = re.compile(
    r"(?i)\b(?P<name>[a-z_]*(?:password|passwd|secret|token|api_?key))=(?:'[^']*'?|\"[^\"]*\"?|[^\s&,;]+)"
)
_WEB = frozenset({"http", "https"})
_HARMLESS = frozenset(
    {
        "application_name", "client_encoding", "connect_timeout", "count", "cursor", "dbname",
        "gssencmode", "host", "hostaddr", "limit", "port", "sslcert", "sslmode", "sslrootcert",
        "target_session_attrs", "timezone", "user", "workspace",
    }
)  # fmt: skip
"""Parameters of URLs whose values people need to see, and that never hold a secret."""


def mask(text: str) -> str:
    """The text without tokens, credentials, JWTs, and the secrets of URLs."""
    text = _URL.sub(_masked_url, text)
    text = _PASSWORD.sub(rf"\g<name>={MASK}", text)
    text = _TOKEN.sub(rf"\1{MASK}", text)
    text = _JWT.sub(MASK, text)
    return _BEARER.sub(rf"\1 {MASK}", text)


def _masked_url(url: re.Match[str]) -> str:
    scheme, remainder = url["scheme"], url["rest"]
    # The last `@`: a password may hold one, and `/`, `?` and `#`, where somebody forgot to escape.
    before, at, after = remainder.rpartition("@")
    if at and any(mark in before for mark in "?#"):
        # Nobody can say whether it ends a password or stands in one of the query.
        return f"{scheme}://{MASK}"
    if at:
        user = before.partition(":")[0] if ":" in before else ""
        if scheme.lower() in _WEB or "/" in user:
            before = MASK
        elif ":" in before:
            before = f"{user}:{MASK}"
    return f"{scheme}://{before}{at}{_PAIR.sub(_masked_pair, after)}"


def _masked_pair(pair: re.Match[str]) -> str:
    name, value = pair["name"], pair["value"]
    return f"{name}={value if name[1:].lower() in _HARMLESS else MASK}"


def unescaped(url: str) -> str | None:
    """How to write a mark in the password of a URL that would end it there; None if none does.

    Whoever parses such a URL takes a part of the password for the host, and says so in errors.
    """
    scheme, separator, remainder = url.partition("://")
    if not separator or scheme.lower().startswith("sqlite"):
        return None
    end = min(
        (place for mark in "/?#" if (place := remainder.find(mark)) >= 0), default=len(remainder)
    )
    authority, following = remainder[:end], remainder[end:]
    if authority.count("@") > 1:
        return "a user name or password holds '@'; write %40 for it"
    port = authority.rpartition(":")[2]
    if "@" not in authority and "@" in following and ":" in authority and not port.isdigit():
        mark = following[0]
        return f"a password holds {mark!r}; write %{ord(mark):02X} for it"
    return None
