"""Middleware: which names the server answers to, headers of every answer, and the last resort."""

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reconciler.web.http.problems import UNEXPECTED, Problem

log = structlog.get_logger(__name__)

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

_POLICY = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    # Not no-referrer: browsers would then send `Origin: null` with our own forms.
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)


class Guarded:
    """Headers for every answer, and a problem instead of a stack trace for what nobody foresaw."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = message.get("headers", ())
                names = {name.lower() for name, _ in headers}
                message["headers"] = [*headers, *(h for h in _HEADERS if h[0] not in names)]
            await send(message)

        try:
            await self.app(scope, receive, send_guarded)
        except Exception:
            # The path may hold a webhook's token: it is not logged.
            log.exception("a request failed unexpectedly", method=scope["method"])
            if started:
                raise
            await UNEXPECTED.response()(scope, receive, send_guarded)


class OwnNames:
    """Without a tokens file: answers only under loopback names, and only to our own pages.

    A page of the internet that a browser on this machine shows can send requests here, under its
    own name (DNS rebinding) or from its own origin (CSRF). `public` is the name under which
    webhooks come in; under it nothing else is open, since nobody there shows a credential.
    """

    def __init__(
        self, app: ASGIApp, public_url: str | None, is_self_protected: Callable[[str], bool]
    ) -> None:
        self.app = app
        self.public = origin_of(public_url) if public_url else None
        self.is_self_protected = is_self_protected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refusal(scope) if scope["type"] == "http" else None
        if refused is None:
            await self.app(scope, receive, send)
        else:
            await refused.response()(scope, receive, send)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers, path = Headers(scope=scope), scope["path"]
        hosts = headers.getlist("host")
        name = host_name(hosts[0]) if len(hosts) == 1 else None
        if name not in LOOPBACK_NAMES:
            if self.public is None or name != host_name(urlsplit(self.public).netloc):
                return _HOST
            if not self.is_self_protected(path):
                return _TOKENS
        if self.is_self_protected(path):
            return None
        origins = headers.getlist("origin")
        own = {f"http://{hosts[0]}", f"https://{hosts[0]}"}
        return _ORIGIN if any(origin.lower() not in own for origin in origins) else None


_HOST = Problem(
    403,
    "host-refused",
    "without a tokens file the server answers to localhost, 127.0.0.1 and [::1] only, and to the "
    "host of public_url for webhooks; set tokens_file to open it to others",
)
_TOKENS = Problem(
    403,
    "tokens-required",
    "under the name of public_url only webhooks and callbacks are open until tokens_file is set",
)
_ORIGIN = Problem(403, "origin-refused", "requests from the pages of other sites are not answered")


@lru_cache(maxsize=64)
def host_name(host: str) -> str | None:
    """The name in a `Host` header without its port, in lower case; None for an invalid host."""
    try:
        parts = urlsplit(f"//{host}")
        parts.port  # noqa: B018 - raises for an invalid port
    except ValueError:
        return None
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return None
    name = (parts.hostname or "").rstrip(".")
    return f"[{name}]" if ":" in name else name or None


def origin_of(url: str) -> str:
    """`scheme://host:port` of a URL, in lower case."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
