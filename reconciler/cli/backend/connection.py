"""Requests to a running server: bounded in time, certificates verified, redirects not followed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from reconciler import __version__
from reconciler.cli.backend.answers import content_of
from reconciler.cli.console import say
from reconciler.core.base.errors import Unavailable, UsageError
from reconciler.core.base.masking import mask
from reconciler.core.manifest.reach import is_loopback
from reconciler.settings import Settings

TIMEOUT = httpx.Timeout(30.0, connect=10.0, read=120.0)
"""Seconds. An apply may wait 10 s for the database, and takes its time for ten thousand objects."""
PAGE = 200
"""Items of one page; a server gives no more."""
_LONGEST_TOKEN = 16 * 1024


@dataclass(frozen=True, slots=True)
class Connection:
    """A server, and how it is asked. `url` has no slash at its end."""

    url: str
    client: httpx.Client

    def get(self, path: str, **parameters: Any) -> bytes:
        """The answer to a GET; parameters that are None are not sent. Raises as `content_of`."""
        known = {name: value for name, value in parameters.items() if value is not None}
        return self._answer("GET", path, params=known)

    def get_text(self, path: str, **parameters: Any) -> tuple[str, httpx.Headers]:
        """The answer to a GET as text, with its headers. Raises as `content_of`."""
        known = {name: value for name, value in parameters.items() if value is not None}
        response = self._send("GET", path, params=known, headers={"Accept": "text/plain"})
        content = content_of(response, f"GET {path}", self.url)
        return content.decode("utf-8", "replace"), response.headers

    def post(self, path: str, body: Any = None) -> bytes:
        """The answer to a POST of JSON. Raises as `content_of`."""
        return self._answer("POST", path, json={} if body is None else body)

    def items(self, path: str, limit: int | None, **parameters: Any) -> list[dict[str, Any]]:
        """Items of a list, at most `limit`, page by page."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while limit is None or len(items) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(items))
            page = json.loads(self.get(path, limit=size, cursor=cursor, **parameters))
            items += page["items"]
            cursor = page["nextCursor"]
            if cursor is None:
                break
        return items

    def _answer(self, method: str, path: str, **content: Any) -> bytes:
        return content_of(self._send(method, path, **content), f"{method} {path}", self.url)

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            return self.client.request(method, f"{self.url}{path}", **content)
        except httpx.TimeoutException:
            raise Unavailable(
                f"the server at {self.url} did not answer in time; whether it did what was asked "
                "is not known"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unavailable(
                f"the server at {self.url} cannot be reached: {mask(str(error)) or 'no answer'}; "
                "is it running, and is --server (RECONCILER_SERVER) its address?"
            ) from None


@contextmanager
def connected(settings: Settings) -> Iterator[Connection]:
    """The server of the settings. Nothing is sent yet. Raises UsageError for a token file."""
    url, token = settings.server or "", _token(settings)
    parts = urlsplit(url)
    local = is_loopback(parts.hostname or "")
    if token and parts.scheme == "http" and not local:
        say(f"warning: the token is sent to {url} in clear text; use https")
    headers = {"User-Agent": f"reconciler/{__version__}", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    # A proxy of the environment would be asked for an address that only this machine has.
    with httpx.Client(
        headers=headers, timeout=TIMEOUT, follow_redirects=False, trust_env=not local
    ) as client:
        yield Connection(url, client)


def _token(settings: Settings) -> str | None:
    """The token, of the file if one is named."""
    if settings.token_file is None:
        text = settings.token.get_secret_value() if settings.token else ""
        where = "RECONCILER_TOKEN"
    else:
        where = str(settings.token_file)
        try:
            with settings.token_file.open("rb") as file:
                text = file.read(_LONGEST_TOKEN + 1).decode("ascii", "replace")
        except OSError as error:
            raise UsageError(f"cannot read the token file {where}: {error.strerror}") from None
        if not text.strip():
            raise UsageError(f"the token file {where} is empty")
    token = text.strip()
    if not token.isascii() or any(not c.isprintable() or c == " " for c in token):
        raise UsageError(f"{where} is not a token: it holds more than one word of visible ASCII")
    if len(token) > _LONGEST_TOKEN:
        raise UsageError(f"{where} is not a token: it is too long")
    return token or None
