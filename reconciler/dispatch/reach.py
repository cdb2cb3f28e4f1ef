"""The URLs that manifests may make the server call (docs/operating.md#what-a-server-may-reach).

Manifests are held against the same rule when they are loaded; here it also holds for what was
applied under other settings.
"""

from dataclasses import dataclass

from reconciler.core.manifest.reach import LOOPBACK, admits, parse_url


@dataclass(frozen=True, slots=True)
class Reach:
    """Setting `allowed_runtime_urls`."""

    allowed: tuple[str, ...] = LOOPBACK

    def refusal(self, url: str) -> str | None:
        """Return why the URL may not be called, in a sentence without secrets; None if it may."""
        if admits(self.allowed, url):
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
