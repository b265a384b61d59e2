"""Which client a request counts for."""

from __future__ import annotations

import pytest

from lookdex.errors import ConfigError
from lookdex.service.http.clients import client_key, is_trusted, trusted_networks


def test_ipv4_clients_are_counted_by_address() -> None:
    assert client_key("203.0.113.7") == "203.0.113.7"
    assert client_key("::ffff:203.0.113.7") == "203.0.113.7"


def test_ipv6_clients_are_counted_by_64_bit_network() -> None:
    assert client_key("2001:db8::1") == client_key("2001:db8::2:3") != client_key("2001:db8:0:1::1")
    assert client_key("fe80::1%eth0") == "fe80::/64"


@pytest.mark.parametrize(
    ("host", "trusted"),
    [("10.1.2.3", True), ("::1", True), ("11.0.0.1", False), ("", False), ("x", False)],
)
def test_hosts_within_the_trusted_networks_are_trusted(host: str, trusted: bool) -> None:
    assert is_trusted(host, trusted_networks(("10.0.0.0/8", "::1"))) is trusted


@pytest.mark.parametrize("name", ["*", "proxy", "10.0.0.1/8"])
def test_a_trusted_proxy_must_be_an_address_or_a_network(name: str) -> None:
    with pytest.raises(ConfigError, match="trusted_proxies"):
        trusted_networks((name,))
