"""The URLs that a runtime may call: the setting `allowed_runtime_urls`.

An entry is the beginning of a URL taken apart, not a text that another one starts with:
`http://127.0.0.1` admits every port and path of that host, and not `http://127.0.0.1.evil.example`.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")
"""What is allowed where the operator says nothing."""

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:(?P<user>[^/?#@\\]*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[^?#\s\\]*)?"
    r"(?:\?[^#\s]*)?",
    re.ASCII | re.IGNORECASE,
)
_DOTS = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


class Url(NamedTuple):
    """The parts of an http URL; `port` is None where none is written. Scheme and host in lower
    case; `user` is what stands before an `@`."""

    scheme: str
    user: str | None
    host: str
    port: int | None
    path: str


def parse_url(text: str) -> Url | None:
    """The parts of an absolute http or https URL without a fragment, or None for anything else."""
    match = _URL.fullmatch(text)
    if match is None or int(match["port"] or 1) not in range(1, 65536):
        return None
    port = int(match["port"]) if match["port"] else None
    host = match["host"].lower().removesuffix(".")
    return Url(match["scheme"].lower(), match["user"], host, port, match["path"] or "/")


def admits(allowed: Iterable[str], url: str) -> bool:
    """Whether one of the entries admits the URL.

    Scheme and host must be equal; the port too, if the entry has one; the entry's path must be
    the URL's first segments. A URL with a user, or with `.` and `..` in its path, is admitted by
    none. An entry that is no URL admits nothing.
    """
    wanted = parse_url(url)
    if wanted is None or wanted.user is not None or _DOTS.search(wanted.path):
        return False
    return any(_covers(parse_url(entry), wanted) for entry in allowed)


def _covers(entry: Url | None, url: Url) -> bool:
    if entry is None or (entry.scheme, entry.host) != (url.scheme, url.host):
        return False
    if entry.port is not None and entry.port != (url.port or _PORTS[url.scheme]):
        return False
    base = entry.path.rstrip("/")
    return url.path == base or url.path.startswith(base + "/")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address: `localhost`, `127.0.0.0/8`, `::1`."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_every_address(host: str) -> bool:
    """Whether who listens there listens on every address of the machine: `0.0.0.0`, `::`."""
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
