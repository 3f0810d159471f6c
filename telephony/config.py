"""What the telephony part is told at birth."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from functools import lru_cache

from calls.errors import ConfigError
from media.engine import Codec
from telephony.overload import LoadLimits
from telephony.sip.address import Address, Transport
from telephony.sip.defence import DefenceConfig
from telephony.sip.keepalive import EVERY
from telephony.transport.connections import Limits
from telephony.transport.tls import TlsFiles
from telephony.trunking import Trunk
from telephony.trunking.tolls import TollRules
from telephony.trunking.trunk import Network

LOCAL: tuple[Network, ...] = tuple(ipaddress.ip_network(text) for text in (
    "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
    "::1/128", "fc00::/7", "fe80::/10",
))
"""Networks that are never on the far side of a NAT in front of us."""
FAR = {4: "192.0.2.1", 6: "2001:db8::1"}
"""Addresses for documentation: whatever leads there is the way out."""
EVERYWHERE = {4: "0.0.0.0", 6: "::"}
"""Every address of ours, by IP version."""


@dataclass(frozen=True, slots=True)
class TelephonyConfig:
    """Addresses, neighbours and limits. Raises ConfigError where a field cannot be right."""

    listen: tuple[Address, ...] = (Address("127.0.0.1", 5060), Address("127.0.0.1", 5060, Transport.TCP))
    """Where SIP is heard; RTP is bound to the hosts, so audio is of their families. ``0.0.0.0`` and ``::`` are every
    address of theirs. Port 0 takes any free one, the same for all that come after the first; ``Telephony.port`` says
    which."""
    external_host: str = ""
    """The numeric address of the NAT in front of us, told to everybody of its family who is not in ``local_networks``.
    Empty, or of the other family: everybody is told the address that we listen at, or where that is every address,
    whichever of ours the kernel would use towards the far side."""
    local_networks: tuple[Network, ...] = LOCAL
    tls: TlsFiles = field(default_factory=TlsFiles)
    limits: Limits = field(default_factory=Limits)
    """Of connections."""
    realm: str = "hotline"
    """The digest realm; the ha1 columns of the accounts are made with it."""
    secret: bytes = field(default=b"", repr=False)
    """Key of the nonces; empty takes a random one, so that nonces end with the process."""
    trunks: tuple[Trunk, ...] = ()
    outside: TollRules = field(default_factory=TollRules)
    """Which outside numbers may be dialled, and how much; none unless its prefixes say so."""
    load: LoadLimits = field(default_factory=LoadLimits)
    """How many calls are taken."""
    numbers: frozenset[str] = frozenset()
    """The called numbers that are ours; every other is 404."""
    codecs: tuple[Codec, ...] = (Codec.PCMA, Codec.PCMU)
    """Order of preference on legs that belong to no trunk: phones and SIP URIs."""
    secured: bool = False
    """On those legs: SRTP (keys in SDP) or nothing. Where it is False, SRTP is taken when it is offered."""
    comfort_noise: bool = False
    """Let telephones fall silent and say how the silence sounds (RFC 3389); recognition likes it less."""
    mask_tones: bool = False
    """Leave keys that are heard as tones out of recordings."""
    defence: DefenceConfig = field(default_factory=DefenceConfig)
    """Against those who are neither trunk nor phone."""
    agent_silence: float = 8.0
    """Seconds that a phone whose audio stopped has to answer OPTIONS before its leg counts as gone."""
    ask_phones: float = EVERY
    """Seconds between questions to each registered phone whether it is there."""
    caller_silence: float = 30.0
    """Seconds without audio after which a caller is asked by OPTIONS, again and again; no answer ends the call."""
    session_expires: int = 1800
    """Seconds that a session lasts without a refresh (RFC 4028), where the far side knows timers; 0: no timers."""
    min_se: int = 90
    """The shortest session that is taken, in seconds."""
    retry_after: int = 30
    """Seconds named in Retry-After while draining."""
    hold_music: bytes = field(default=b"", repr=False)
    """8 kHz s16le PCM for a party that was put on hold; empty is silence."""
    user_agent: str = "Hotline"
    t1: float = 0.5
    """Round-trip estimate in seconds, from which all other SIP timers follow (RFC 3261 section 17.1.1.1)."""
    socket_buffer: int = 4 * 1024 * 1024
    """Bytes of receive and of send buffer to ask the kernel for."""

    @property
    def no_response_within(self) -> float:
        """Seconds after which a registered phone that sent no response at all is taken for gone; it has been sent the
        same request five times by then (RFC 3261 section 17.1.1.2)."""
        return 16 * self.t1

    def __post_init__(self) -> None:
        if not self.listen:
            raise ConfigError("[sip] listen", "is empty", 'name at least one address: "udp:0.0.0.0:5060"')
        for text in filter(None, (self.external_host, *(at.host for at in self.listen))):
            if not _numeric(text):
                raise ConfigError("[sip] listen, external_host", f"{text!r} is no address", "in numbers: 192.0.2.1")

        if self.tls.certificate is None and any(at.transport.secure for at in self.listen):
            raise ConfigError("[sip.tls] certificate", "is missing", "tls: and wss: addresses need one")

    @property
    def contact_host(self) -> str:
        """Our address for everybody: that of the way out, where there are several."""
        host = self.listen[0].host
        return self._seen(host, FAR[version(host)])

    def listening(self, peer: Address) -> Address:
        """Which of our listening addresses the far side at ``peer`` speaks to."""
        alike = [at for at in self.listen if at.transport is peer.transport]
        if peer.listener < len(alike) and version(alike[peer.listener].host) == version(peer.host):
            return alike[peer.listener]
        rest = (*alike, *self.listen)
        return next((at for at in rest if version(at.host) == version(peer.host)), rest[0])

    def own(self, peer: Address) -> Address:
        """Our address, as the far side at ``peer`` reaches it."""
        at = self.listening(peer)
        return Address(self._seen(at.host, peer.host), at.port, peer.transport)

    @property
    def families(self) -> tuple[int, ...]:
        """The IP versions that we speak, audio like signalling: that of the first listening address first."""
        return tuple(dict.fromkeys(version(at.host) for at in self.listen))

    def family_towards(self, peer: str) -> int:
        """The IP version of the audio that we offer to a far side whose signalling comes from ``peer``."""
        return version(peer) if version(peer) in self.families else self.families[0]

    def media_host(self, family: int) -> str:
        """Where the sockets of media of this IP version are bound."""
        hosts = {at.host for at in self.listen if version(at.host) == family}
        return hosts.pop() if len(hosts) == 1 else EVERYWHERE[family]

    def host_towards(self, peer: str, family: int | None = None) -> str:
        """Which of our addresses the media of the far side at ``peer`` reach us at; the audio is of the IP version
        ``family``, or of that of the signalling."""
        return self._seen(self.media_host(family or self.family_towards(peer)), peer)

    def _seen(self, host: str, peer: str) -> str:
        """What ``peer`` sees of a socket of ours that is bound to ``host``."""
        if self.external_host and version(self.external_host) == version(host) and not self._local(peer):
            return self.external_host
        if host not in EVERYWHERE.values():
            return host
        return _own_address_towards(peer if version(peer) == version(host) else FAR[version(host)])

    def _local(self, peer: str) -> bool:
        address = ipaddress.ip_address(peer)
        return any(address in network for network in self.local_networks)


@lru_cache(maxsize=1024)
def _own_address_towards(peer: str) -> str:
    """The kernel's choice; nothing is sent. Loopback where there is no way to ``peer``."""
    family, loopback = (socket.AF_INET6, "::1") if ":" in peer else (socket.AF_INET, "127.0.0.1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((peer, 9))
        except OSError:
            return loopback
        return str(probe.getsockname()[0])


def version(host: str) -> int:
    """4 or 6."""
    return 6 if ":" in host else 4


def _numeric(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
