"""Which address a request comes from, where proxies stand in front (docs/operating.md)."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SITE = 64
"""Bits of an IPv6 address that name a site: whoever has one has 2^64 addresses."""


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """The networks that proxies are trusted in. Raises ValueError that names the wrong one."""
    return tuple(_network(text) for text in texts)


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """The rightmost address that no trusted proxy has, or `peer` where that is not one.

    `forwarded_for` are the values of `X-Forwarded-For` as they came. What stands left of the
    answer was written by whoever sent the request, and anything may stand there. The text names
    a client, not always an address: of IPv6 it is the site (/64).
    """
    hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
    client = _address(peer)
    if client is None:
        return peer
    while hops and _is_in(client, trusted):
        hop = _address(hops.pop())
        if hop is None:
            break
        client = hop
    return _named(client)


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _named(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _SITE), strict=False))
    return str(address)


def _address(text: str) -> Address | None:
    """An address, also as `1.2.3.4:5678` and `[::1]:80`; None for what is not one."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not an address or a network such as 10.0.0.0/8") from None
