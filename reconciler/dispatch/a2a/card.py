"""Where an agent's card leads: only to the origin that the manifest names, and only where admitted.

The card is the agent's own word. Followed blindly it would send prompts and the token anywhere, and
reach services that only this machine can.
"""

from collections.abc import Iterable

from reconciler.core.manifest.reach import is_loopback, parse_url
from reconciler.dispatch.reach import Reach

PATHS = ("/.well-known/agent-card.json", "/.well-known/agent.json")
"""Below the agent's URL; the second one is that of older servers."""
_PORTS = {"http": 80, "https": 443}


def usable(url: str, base: str, reach: Reach) -> str | None:
    """Return why an interface of a card is not used, or None."""
    if (refusal := reach.refusal(url)) is not None:
        return refusal
    if _origin(url) != _origin(base):
        return (
            f"{url} is of another origin than {base}; scheme, host and port of spec.runtime.url "
            "must be those that the card names"
        )
    return None


def calls_back(callback: str, base: str) -> bool:
    """Whether an agent may reach a callback: one on another host never reaches our loopback."""
    return not _on_loopback(callback) or _on_loopback(base)


def cards_of(base: str) -> Iterable[str]:
    """The addresses at which the card of an agent may be."""
    return tuple(f"{base.rstrip('/')}{path}" for path in PATHS)


def _on_loopback(url: str) -> bool:
    parsed = parse_url(url)
    return parsed is not None and is_loopback(parsed.host.strip("[]"))


def _origin(url: str) -> tuple[str, str, int] | None:
    parsed = parse_url(url)
    if parsed is None:
        return None
    host = "loopback" if is_loopback(parsed.host.strip("[]")) else parsed.host
    return (parsed.scheme, host, parsed.port or _PORTS[parsed.scheme])
