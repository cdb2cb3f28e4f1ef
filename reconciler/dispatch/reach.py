"""Which URLs manifests may make the server call: what the operator allows (contract 2).

The same rule is asked when a manifest is loaded; here it holds also for what was applied before
the operator changed his mind.
"""

from dataclasses import dataclass

from reconciler.core.manifest.reach import LOOPBACK, admits, parse_url


@dataclass(frozen=True, slots=True)
class Reach:
    """Setting `allowed_runtime_urls`."""

    allowed: tuple[str, ...] = LOOPBACK

    def refusal(self, url: str) -> str | None:
        """Why the URL may not be called, as a sentence that repeats no secret; None if it may."""
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
