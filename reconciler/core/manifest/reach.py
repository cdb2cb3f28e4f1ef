"""What a runtime may reach: URLs, and for a program its variables and folders.

An entry of `allowed_runtime_urls` is the beginning of a URL taken apart, not of its text:
`http://127.0.0.1` admits every port and path of that host, and not `http://127.0.0.1.evil.example`.
"""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")
"""What is allowed where the operator says nothing."""

DEFAULT_PORT = 8484
"""The port that the server itself listens on where the operator says nothing."""


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
_CODED_SLASH = re.compile(r"%(?:2f|5c)", re.IGNORECASE)
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


def admits(allowed: Iterable[str], url: str, own_port: int | None = None) -> bool:
    """Whether one of the entries admits the URL.

    Scheme and host must be equal; the port too, if the entry has one; the entry's path must be
    the URL's first segments, also for a server that takes `%2F` for a slash. The server's own port
    on this machine is admitted only by an entry that names it: without tokens, whoever may call it
    is an admin. A URL with a user, or with `.` and `..` in its path, is admitted by none. An entry
    that is no URL admits nothing.
    """
    wanted = parse_url(url)
    if wanted is None or wanted.user is not None or _DOTS.search(wanted.path):
        return False
    return any(_covers(parse_url(entry), wanted, own_port) for entry in allowed)


def _covers(entry: Url | None, url: Url, own_port: int | None) -> bool:
    if entry is None or (entry.scheme, entry.host) != (url.scheme, url.host):
        return False
    port = url.port or _PORTS[url.scheme]
    if entry.port is None and port == own_port and is_loopback(url.host.strip("[]")):
        return False
    if entry.port is not None and entry.port != port:
        return False
    base = entry.path.rstrip("/")
    # Many servers decode a path before they look at its dots: `/v1/..%2Fadmin` leaves `/v1`.
    if base and _DOTS.search(_CODED_SLASH.sub("/", url.path)):
        return False
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


FREE_VARIABLES = "AUTOPILOT_"
"""What the variables begin with that manifests may set without being named: nothing else knows
them, so they configure no loader, no interpreter and no model's endpoint."""


class Grant(NamedTuple):
    """What the operator lets manifests choose for a program: nothing, unless it is named.

    variables   names that `env` may set, beside those that begin with `AUTOPILOT_`
    folders     absolute paths; the working directory is one of them or below one
    """

    variables: frozenset[str] = frozenset()
    folders: tuple[str, ...] = ()


def variables_refusal(names: Iterable[str], grant: Grant, setting: str) -> str | None:
    """Return why these variables may not be set, in a sentence; None if they may.

    Names are compared as they are: the list is closed, and a pattern would name what nobody
    thought of. `setting` is the table of the settings that the sentence names.
    """
    refused = sorted(
        name
        for name in names
        if not name.startswith(FREE_VARIABLES) and name not in grant.variables
    )
    if not refused:
        return None
    return (
        f"{', '.join(refused)} may not be set; the operator names the variables that manifests may "
        f"set in [{setting}] env, and those that begin with {FREE_VARIABLES} are free"
    )


def folder_refusal(folder: str, grant: Grant, setting: str) -> str | None:
    """Return why work may not be done in a folder, in a sentence; None if it may.

    Only the text is compared; who opens the folder resolves its links and asks again.
    """
    parts = _parts(folder)
    if parts is None:
        return f"{folder!r} is not an absolute path without '.' and '..'"
    if any(
        (base := _parts(entry)) is not None and parts[: len(base)] == base
        for entry in grant.folders
    ):
        return None
    allowed = ", ".join(grant.folders) or "none"
    return (
        f"{folder!r} does not lie in a folder that the operator names in "
        f"[{setting}] folders ({allowed})"
    )


def is_plain_path(path: str) -> bool:
    """Whether it is absolute and has no `.` and `..`."""
    return _parts(path) is not None


def _parts(path: str) -> list[str] | None:
    parts = [part for part in path.split("/") if part]
    return parts if path.startswith("/") and not {".", ".."} & {*parts} else None
