"""Serving below the path of `public_url`, whether the proxy in front strips that path or not.

Everything else is written as if it were served at the root: this is the one place that knows.
"""

import re
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LINKS = re.compile(r'\b(href|(?:form)?action|src)="/(?!/)')


def path_of(public_url: str | None) -> str:
    """The path of `public_url` without a slash at its end: empty where it is the root."""
    return urlsplit(public_url).path.rstrip("/") if public_url else ""


def with_links_below(html: str, path: str) -> str:
    """A page whose links to this server stand below the path.

    Only templates write a quotation mark: in texts it is escaped, so that nothing else matches.
    """
    return _LINKS.sub(rf'\1="{path}/', html) if path else html


class Below:
    """Takes the path off addresses that have it, and puts it before those in `Location`."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self.app = app
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": self._stripped(scope["path"])}
            if "raw_path" in scope:
                raw = scope["raw_path"].decode("latin-1")
                scope["raw_path"] = self._stripped(raw).encode("latin-1")

        async def send_below(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                message["headers"] = [(name, self._placed(name, value)) for name, value in headers]
            await send(message)

        await self.app(scope, receive, send_below)

    def _stripped(self, path: str) -> str:
        if path == self.path:
            return "/"
        return path.removeprefix(self.path) if path.startswith(f"{self.path}/") else path

    def _placed(self, name: bytes, value: bytes) -> bytes:
        is_ours = name.lower() == b"location" and value.startswith(b"/")
        return self.path.encode("ascii") + value if is_ours else value
