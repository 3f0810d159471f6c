"""The settings of signalling: where it is heard, and what others are told."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, replace

from calls.errors import ConfigError
from server.trunk_settings import check_codecs
from telephony.config import LOCAL
from telephony.sip.address import Address, Transport
from telephony.transport.tls import TlsFiles
from telephony.trunking.trunk import Network


@dataclass(frozen=True, slots=True)
class Sip:
    """Where signalling is heard."""

    listen: tuple[str, ...] = ("udp:0.0.0.0:5060", "tcp:0.0.0.0:5060")
    """transport:host:port of every address where SIP is heard; transport is udp, tcp, tls, ws or wss, host a numeric
    address of the machine: 0.0.0.0 is every one of IPv4, [::] every one of IPv6."""
    external_host: str = ""
    """Our address on the far side of a NAT in front of us; empty: there is none."""
    local_networks: tuple[str, ...] = tuple(map(str, LOCAL))
    """Who is on our side of that NAT, and is told our own address."""
    max_connections: int = 4096
    """TCP, TLS and WebSocket connections in all."""
    max_connections_per_source: int = 256
    """Connections from one address; a proxy, or an office behind NAT, brings many phones."""
    idle_seconds: float = 600.0
    """A connection that carries no call and no registration is closed when nothing came for so long."""
    tls: TlsFiles = field(default_factory=TlsFiles)
    """The section [sip.tls]: PEM files by their paths."""
    realm: str = "hotline"
    """Realm of digest challenges. Changing it needs new phone passwords, for they are stored as digests."""
    agent_silence: float = 8.0
    """Seconds that an agent's phone whose audio stopped has to say that it is there, or the caller gets another."""
    ask_phones: float = 25.0
    """Seconds between questions to each registered phone whether it is there. One that stops to answer is not rung, and
    its agent is offline, until it answers again."""
    caller_silence: float = 30.0
    """Seconds without audio after which a caller is asked whether the line is still there; no answer ends the call."""
    session_expires: int = 1800
    """Seconds after which a call must be confirmed (RFC 4028) or ends, where the far side knows how; 0: never."""
    min_se: int = 90
    """The least such time that is taken from others."""
    secured: bool = False
    """Phones: calls with SRTP or not at all. false takes SRTP where a phone offers it."""
    comfort_noise: bool = False
    """Let telephones fall silent and tell how the silence sounds (RFC 3389); recognition likes it less."""
    codecs: tuple[str, ...] = ("PCMA", "PCMU")
    """For phones, in order of preference: PCMA, PCMU, G722, OPUS, L16, L16_WIDE (16 kHz)."""

    def __post_init__(self) -> None:
        check_codecs("[sip] codecs", self.codecs)
        for text in self.listen:
            _listen(text)
        if not self.listen:
            raise ConfigError("[sip] listen", "is empty", 'name at least one address: "udp:0.0.0.0:5060"')
        if any(at.transport.secure for at in self.addresses) and self.tls.certificate is None:
            raise ConfigError("[sip.tls] certificate", "is missing", "tls: and wss: addresses need one")
        if self.external_host:
            _address("[sip] external_host", self.external_host)
        for text in self.local_networks:
            _network("[sip] local_networks", text)
        for name in ("max_connections", "max_connections_per_source"):
            if not 1 <= getattr(self, name) <= 100_000:
                raise ConfigError(f"[sip] {name}", f"{getattr(self, name)} is not possible", "give 1 to 100000")
        for name in ("idle_seconds", "agent_silence", "ask_phones", "caller_silence"):
            if not 1 <= getattr(self, name) <= 3600:
                problem = f"{getattr(self, name):g} is not possible"
                raise ConfigError(f"[sip] {name}", problem, "give seconds from 1 to 3600")
        if self.session_expires and not 90 <= self.min_se <= self.session_expires:
            raise ConfigError("[sip] session_expires, min_se", f"{self.session_expires} and {self.min_se} cannot be",
                              "90 ≤ min_se ≤ session_expires (RFC 4028 section 4), or session_expires = 0")

    @property
    def addresses(self) -> tuple[Address, ...]:
        """``listen``, understood."""
        return tuple(map(Address.parse, self.listen))

    @property
    def networks(self) -> tuple[Network, ...]:
        """``local_networks``, understood."""
        return tuple(ipaddress.ip_network(text, strict=False) for text in self.local_networks)

    @property
    def nearby(self) -> Address:
        """Where somebody on this machine reaches us: the first address of ``listen`` that asks for no certificate."""
        first = next((at for at in self.addresses if not at.transport.secure), self.addresses[0])
        every = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        return replace(first, host=every.get(first.host, first.host))


def _listen(text: str) -> None:
    try:
        at = Address.parse(text)
    except ValueError:
        at = None
    if at is None or not at.port or text.partition(":")[0].upper() not in Transport.__members__:
        remedy = 'write transport:host:port, such as "udp:0.0.0.0:5060" or "tls:[::]:5061"'
        raise ConfigError("[sip] listen", f"{text!r} is no address", remedy)


def _network(where: str, text: str) -> None:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        problem = f"{text!r} is no address or network"
        raise ConfigError(where, problem, "write 192.0.2.7 or 192.0.2.0/24") from error


def _address(where: str, text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ConfigError(where, f"{text!r} is no address", "write it in numbers: 192.0.2.1") from None
