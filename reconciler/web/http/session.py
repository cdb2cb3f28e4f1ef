"""The dashboard's session: a signed cookie that names a token, and the tokens of its forms.

Only sessions that were ended are stored, so servers that share the key and the database share
sessions, and a token that is removed from the tokens file ends its sessions with it.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import UTC, datetime, timedelta

COOKIE = "reconciler_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Its name where browsers come over TLS: no other host and no plain connection can set it."""
LIFETIME = timedelta(hours=12)
_SESSION = b"reconciler dashboard session v1"
_FORM = b"reconciler dashboard form v1"
_LOCAL = "local"


def seal(server_key: bytes, session_key: str, now: datetime) -> str:
    """The cookie's value for the token that `session_key` stands for.

    No two are the same: who signs out ends one session, and not one that began in the same second.
    """
    expires, nonce = int((now + LIFETIME).timestamp()), secrets.token_hex(8)
    text = f"{expires}-{nonce}.{session_key}"
    return f"{text}.{_mac(server_key, _SESSION, text)}"


def unseal(server_key: bytes, value: str, now: datetime) -> str | None:
    """The session key of a cookie; None for one that we did not make or that has expired."""
    text, _, mac = value.rpartition(".")
    if not hmac.compare_digest(_bytes(mac), _bytes(_mac(server_key, _SESSION, text))):
        return None
    expires, _, session_key = text.partition(".")
    if datetime.fromtimestamp(int(expires.partition("-")[0]), UTC) <= now:
        return None
    return session_key


def session_id(value: str) -> str:
    """What is stored of a session that was ended: no cookie can be made from it."""
    return hashlib.sha256(_bytes(value)).hexdigest()


def form_token(server_key: bytes, cookie: str | None) -> str:
    """What every form of this session carries, so that no other site can make one up."""
    return _mac(server_key, _FORM, cookie or _LOCAL)


def is_form_token(server_key: bytes, cookie: str | None, token: str) -> bool:
    """Whether a form came from a page of this session; in constant time."""
    return hmac.compare_digest(_bytes(token), _bytes(form_token(server_key, cookie)))


def cookies_of(header: str | None, *, secure: bool) -> list[str]:
    """The values of the session's cookie in a `Cookie` header: another server may have set some.

    Every server of `localhost` gets the cookies of all others, whatever is in them: `SimpleCookie`
    gives up at the first that no standard allows.
    """
    pairs = (part.strip().partition("=") for part in (header or "").split(";"))
    return [value for name, _, value in pairs if name == _name(secure) and value]


def set_cookie(value: str, *, secure: bool, path: str = "") -> str:
    """The `Set-Cookie` header of a session that begins."""
    age = int(LIFETIME.total_seconds())
    return _attributes(f"{value}; Max-Age={age}", secure=secure, path=path)


def clear_cookie(*, secure: bool, path: str = "") -> str:
    """The `Set-Cookie` header of a session that ends."""
    return _attributes("; Max-Age=0", secure=secure, path=path)


def _name(secure: bool) -> str:
    return SECURE_COOKIE if secure else COOKIE


def _attributes(value: str, *, secure: bool, path: str) -> str:
    # A cookie of `__Host-` is of the whole host, or browsers do not take it.
    path = "/" if secure else path or "/"
    flags = "HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")
    return f"{_name(secure)}={value}; Path={path}; {flags}"


def _mac(server_key: bytes, label: bytes, text: str) -> str:
    key = hmac.digest(server_key, label, hashlib.sha256)
    digest = hmac.digest(key, _bytes(text), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    """`compare_digest` raises on text that is not ASCII; bytes never."""
    return text.encode("utf-8", "surrogatepass")
