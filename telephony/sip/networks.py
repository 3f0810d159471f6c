"""Addresses as the defence counts them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=8192)
def network_of(host: str) -> str:
    """Whom an address stands for: an IPv4 address for itself, an IPv6 address for its /64, of which every customer of
    a provider has one and takes a new address as he likes (RFC 6177). What is no address stands for itself."""
    if ":" not in host:
        return host
    try:
        address = _plain(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((address, 64), strict=False))


class Networks:
    """Is a host in one of these?"""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)
        self._found = lru_cache(maxsize=8192)(self._search)

    def __contains__(self, host: str) -> bool:
        return self._found(host)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def _search(self, host: str) -> bool:
        try:
            address = _plain(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks)


def _plain(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IPv4 packet may be shown by a dual-stack socket as IPv6 (RFC 4291 section 2.5.5.2)."""
    address = ipaddress.ip_address(host)
    return (isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped) or address
