"""Where a message comes from or goes to, and how it travels."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum


class Transport(StrEnum):
    """How messages travel, by the name that stands in Via (RFC 3261 section 20.42, RFC 7118 section 5.2)."""

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"
    WS = "WS"
    WSS = "WSS"

    @property
    def reliable(self) -> bool:
        """Whether nothing gets lost on the way: then nothing is sent twice (RFC 3261 section 17)."""
        return self is not Transport.UDP

    @property
    def secure(self) -> bool:
        """Whether nobody on the way reads along."""
        return self in (Transport.TLS, Transport.WSS)

    @property
    def port(self) -> int:
        """The port where none is named (RFC 3261 section 19.1.2, RFC 7118 section 5.3)."""
        return _PORTS[self]

    @property
    def parameter(self) -> str:
        """The ``;transport=`` of a URI that is reached so; empty for UDP, which is what a URI without it means. A URI
        knows no wss: RFC 7118 section 5.3 writes ws for both."""
        return {Transport.UDP: "", Transport.WSS: ";transport=ws"}.get(self, f";transport={self.value.lower()}")


_PORTS = {Transport.UDP: 5060, Transport.TCP: 5060, Transport.TLS: 5061, Transport.WS: 80, Transport.WSS: 443}


@dataclass(frozen=True, slots=True)
class Address:
    """A transport address. ``host`` is an IP address in text form, IPv6 without brackets.

    Of a stream it names the connection too: the far side of one that was accepted has a port that nobody else has, and
    one of ours leads to the port that the far side listens on.
    """

    host: str
    port: int
    transport: Transport = Transport.UDP
    listener: int = 0
    """Which of our listening addresses of this transport it speaks to, in the order of the settings: answers leave from
    there (RFC 3581 section 4)."""

    name: str = field(default="", compare=False)
    """The name that it was looked up by: its TLS certificate must bear it (RFC 5922 section 4)."""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``[transport:]host:port`` with a numeric host, IPv6 in brackets; UDP where no transport is named.
        Raises ValueError."""
        word, colon, rest = text.partition(":")
        transport = Transport.__members__.get(word.upper()) if colon else None
        host, _, port = (rest if transport else text).rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        number = int(port) if port.isascii() and port.isdigit() else -1
        if not 0 <= number <= 65535 or (":" in bare) != (bare is not host):
            raise ValueError(f"{text!r} is not transport:host:port, such as udp:192.0.2.1:5060 or tls:[::]:5061")
        return cls(str(ipaddress.ip_address(bare)), number, transport or Transport.UDP)

    @property
    def place(self) -> Address:
        """The far end alone: the same whichever of our listening addresses it speaks to."""
        return self if not self.listener else Address(self.host, self.port, self.transport)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
