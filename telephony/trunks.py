"""Trunks: the neighbours whose INVITEs are accepted because of where they come from, and the ways out."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from calls.errors import ConfigError
from media.engine import Codec
from telephony.sip.address import Address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Trunk:
    """One neighbour. It is known by its source addresses; ``outbound`` is where our own calls to it go."""

    name: str
    addresses: tuple[Network, ...] = ()
    """Source networks; a single host is a /32 or /128."""
    codecs: tuple[Codec, ...] = (Codec.PCMA, Codec.PCMU)
    """Our order of preference on this trunk."""
    outbound: Address | None = None
    """Host and port for outgoing calls; None when the trunk only brings calls in."""
    user: str = ""
    """Digest user for 401/407 on outgoing calls, or "" where the trunk asks for none."""
    password: str = field(default="", repr=False)
    secured: bool = False
    """Calls with SRTP (keys in SDP) or not at all. Where it is False, SRTP is taken when it is offered."""

    def __post_init__(self) -> None:
        if not self.codecs:
            known = ", ".join(Codec.__members__)
            raise ConfigError(f"trunk {self.name}: codecs", "is empty", f"name at least one of {known}")
        if self.user and not self.password:
            raise ConfigError(f"trunk {self.name}: password", "is empty although a user is set")


class Trunks:
    """All trunks, asked by source address or for a way out."""

    def __init__(self, trunks: Sequence[Trunk]) -> None:
        rows = [(network, trunk) for trunk in trunks for network in trunk.addresses]
        # The narrowest network first, so that one host inside a carrier's range may be a trunk of its own.
        self._rows = sorted(rows, key=lambda row: row[0].prefixlen, reverse=True)
        self._of_host = lru_cache(maxsize=4096)(self._search)
        self._ways_out = [trunk for trunk in trunks if trunk.outbound is not None]

    def of(self, source: Address) -> Trunk | None:
        """The trunk that sends from ``source``, or None for a stranger. The port does not matter."""
        return self._of_host(source.host)

    def _search(self, text: str) -> Trunk | None:
        try:
            host = ipaddress.ip_address(text)
        except ValueError:
            return None
        if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped:
            host = host.ipv4_mapped  # an IPv4 packet as a dual-stack socket shows it (RFC 4291 section 2.5.5.2)
        return next((trunk for network, trunk in self._rows if host in network), None)

    def outbound(self) -> Trunk | None:
        """The first configured trunk that takes outgoing calls."""
        return self._ways_out[0] if self._ways_out else None
