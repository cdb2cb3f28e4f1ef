"""The URLs that manifests may make the server call (docs/operating.md#what-a-server-may-reach).

Manifests are held against the same rule when they are loaded; here it also holds for what was
applied under other settings.
"""

import os
from dataclasses import dataclass

from reconciler.core.manifest.reach import (
    LOOPBACK,
    Grant,
    admits,
    folder_refusal,
    is_loopback,
    parse_url,
)


@dataclass(frozen=True, slots=True)
class Reach:
    """Setting `allowed_runtime_urls`, and the server's own port, which must be named in it."""

    allowed: tuple[str, ...] = LOOPBACK
    own_port: int | None = None

    def refusal(self, url: str) -> str | None:
        """Return why the URL may not be called, in a sentence without secrets; None if it may."""
        if admits(self.allowed, url, self.own_port):
            return None
        parsed = parse_url(url)
        if parsed is None:
            return "the runtime's url is not an absolute http or https URL"
        if parsed.user is not None:
            return "the runtime's url holds a user name; use token, secret or headers instead"
        port = "" if parsed.port is None else f":{parsed.port}"
        return (
            f"this server may not call {parsed.scheme}://{parsed.host}{port}{parsed.path}: "
            f"setting allowed_runtime_urls admits {', '.join(self.allowed) or 'nothing'}"
        )


def links_refusal(folder: str, grant: Grant, setting: str) -> str | None:
    """Return why the folder that a path leads to, links resolved, may not be worked in."""
    folders = tuple(os.path.realpath(entry) for entry in grant.folders)
    return folder_refusal(os.path.realpath(folder), Grant(folders=folders), setting)


def is_here(url: str) -> bool:
    """Whether the URL is one of this machine, so that its folders are ours."""
    parsed = parse_url(url)
    return parsed is not None and is_loopback(parsed.host.strip("[]"))
