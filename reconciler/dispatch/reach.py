"""Which URLs manifests may make the server call: what the operator allows (contract 2).

An allowed URL admits another one of the same scheme and host, of the same port if it names one,
below its path. Both are read by the parser that makes the request, so that no second reading of
`http://127.0.0.1@example.org` or `http://127.0.0.1.example.org` can slip through.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx


@dataclass(frozen=True, slots=True)
class Reach:
    """Setting `allowed_runtime_urls`."""

    allowed: tuple[str, ...]

    def refusal(self, url: str) -> str | None:
        """Why the URL may not be called, as a sentence; None if it may."""
        try:
            wanted = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            return f"{url!r} is not a URL: {error}"
        if wanted.userinfo:
            return "the URL holds a user name or password; use token, secret or headers instead"
        if any(_admits(allowed, wanted) for allowed in self.allowed):
            return None
        origin = f"{wanted.scheme}://{wanted.netloc.decode('ascii', 'replace')}"
        return (
            f"this server may not call {origin}: setting allowed_runtime_urls admits "
            f"{', '.join(self.allowed) or 'nothing'}"
        )


def _admits(allowed: str, wanted: httpx.URL) -> bool:
    try:
        prefix = httpx.URL(allowed)
    except (httpx.InvalidURL, ValueError):
        return False
    same_origin = (prefix.scheme, prefix.host) == (wanted.scheme, wanted.host)
    return (
        same_origin
        and prefix.port in (None, wanted.port)
        and _below(_segments(prefix), _segments(wanted))
    )


def _segments(url: httpx.URL) -> list[str]:
    return [segment for segment in url.path.split("/") if segment]


def _below(prefix: Sequence[str], path: Sequence[str]) -> bool:
    # `url.path` is already unquoted: `%2e%2e` is `..` here as well.
    return ".." not in path and list(path[: len(prefix)]) == list(prefix)
