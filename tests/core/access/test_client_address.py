"""Whose address counts behind proxies: the rightmost one that no trusted proxy has."""

from ipaddress import IPv4Address

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler.core.access.client_address import client_address, networks_of

PROXY = "10.0.0.1"
TRUSTED = networks_of(["10.0.0.0/8", "::1", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        pytest.param("192.0.2.1", [], "192.0.2.1", id="no proxy"),
        pytest.param("192.0.2.1", ["198.51.100.1"], "192.0.2.1", id="a stranger's header"),
        pytest.param(PROXY, ["198.51.100.1"], "198.51.100.1", id="through a proxy"),
        pytest.param(PROXY, ["1.1.1.1, 198.51.100.1"], "198.51.100.1", id="the left was made up"),
        pytest.param(PROXY, ["198.51.100.1, 10.2.3.4"], "198.51.100.1", id="two proxies"),
        pytest.param(PROXY, ["198.51.100.1", "10.2.3.4"], "198.51.100.1", id="two headers"),
        pytest.param(PROXY, [], PROXY, id="a proxy that says nothing"),
        pytest.param(PROXY, ["10.1.1.1"], "10.1.1.1", id="nobody but proxies"),
        pytest.param(PROXY, ["1.1.1.1, unknown"], PROXY, id="not an address"),
        pytest.param(PROXY, ["198.51.100.1:4711"], "198.51.100.1", id="with a port"),
        pytest.param(PROXY, ["[2001:db8::1]:80"], "2001:db8::/64", id="IPv6 with a port"),
        pytest.param("::1", ["2001:db8::5"], "2001:db8::/64", id="a site of IPv6"),
        pytest.param("::ffff:10.0.0.1", ["::ffff:192.0.2.9"], "192.0.2.9", id="IPv4 within IPv6"),
        pytest.param("", ["1.1.1.1"], "", id="a socket without addresses"),
    ],
)
def test_who_is_asking(peer: str, forwarded: list[str], client: str) -> None:
    assert client_address(peer, forwarded, TRUSTED) == client


@given(st.lists(st.text(max_size=30), max_size=5), st.ip_addresses(v=4))
def test_whatever_a_client_writes_its_address_stays_its_own(
    forged: list[str], address: IPv4Address
) -> None:
    assume(address not in TRUSTED[0])
    assert client_address(PROXY, [*forged, str(address)], TRUSTED) == str(address)


@pytest.mark.parametrize("text", ["", "proxy", "10.0.0.0/33", "1.2.3"])
def test_what_is_not_a_network_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address or a network"):
        networks_of([text])
