"""Identify clients by address: the peer's, or the one a trusted proxy reports."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from lookdex.errors import ConfigError

_IPV6_NETWORK = 64  # prefix bits: one subscriber's network

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def trusted_networks(names: Iterable[str]) -> tuple[Network, ...]:
    """Parse the setting `trusted_proxies`. Raises ConfigError."""
    try:
        return tuple(ipaddress.ip_network(name) for name in names)
    except ValueError as error:
        raise ConfigError(
            f"trusted_proxies: {error}; name addresses (10.0.0.7) or networks (10.0.0.0/8) of your proxies"
        ) from error


def is_trusted(host: str, networks: Iterable[Network]) -> bool:
    """Whether the address belongs to a trusted proxy."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in networks)


def client_key(host: str) -> str:
    """The key that limits count a client by: its IPv4 address, or the /64 network of its IPv6 address."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_NETWORK), strict=False))
