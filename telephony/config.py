"""What the telephony part is told at birth."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from functools import lru_cache

from calls.errors import ConfigError
from media.engine import Codec
from telephony.sip.defence import DefenceConfig
from telephony.trunking import Trunk
from telephony.trunking.tolls import TollRules


@dataclass(frozen=True, slots=True)
class TelephonyConfig:
    """Addresses, neighbours and limits. Raises ConfigError where a field cannot be right."""

    listen_host: str = "127.0.0.1"
    """Where SIP (UDP) and RTP are bound; ``0.0.0.0`` for every interface."""
    listen_port: int = 5060
    """0 takes any free port; ``Telephony.port`` says which."""
    advertised_host: str = ""
    """The numeric address that everybody reaches us at, for Contact, Via and SDP. Empty: ``listen_host``, or where
    that is every address, whichever of ours the kernel would use towards each far side."""
    realm: str = "hotline"
    """The digest realm; the ha1 columns of the accounts are made with it."""
    secret: bytes = field(default=b"", repr=False)
    """Key of the nonces; empty takes a random one, so that nonces end with the process."""
    trunks: tuple[Trunk, ...] = ()
    outside: TollRules = field(default_factory=TollRules)
    """Which outside numbers may be dialled, and how much; none unless its prefixes say so."""
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
    retry_after: int = 30
    """Seconds named in Retry-After while draining."""
    hold_music: bytes = field(default=b"", repr=False)
    """8 kHz s16le PCM for a party that was put on hold; empty is silence."""
    user_agent: str = "Hotline"
    t1: float = 0.5
    """Round-trip estimate in seconds, from which all other SIP timers follow (RFC 3261 section 17.1.1.1)."""
    socket_buffer: int = 4 * 1024 * 1024
    """Bytes of receive and of send buffer to ask the kernel for."""

    def __post_init__(self) -> None:
        for name in ("listen_host", "advertised_host"):
            text = getattr(self, name)
            if text and not _numeric(text):
                raise ConfigError(f"[telephony] {name}", f"{text!r} is no address", "give it in numbers: 192.0.2.1")
        if not 0 <= self.listen_port <= 65535:
            raise ConfigError("[telephony] listen_port", f"{self.listen_port} is no port", "use 0 to 65535")

    @property
    def contact_host(self) -> str:
        """Our address for everybody: that of the way out, where there are several."""
        return self.host_towards("2001:db8::1" if self.ip_version == 6 else "192.0.2.1")  # documentation addresses

    def host_towards(self, peer: str) -> str:
        """Which of our addresses the far side at ``peer`` reaches us at."""
        host = self.advertised_host or self.listen_host
        return _own_address_towards(peer) if ipaddress.ip_address(host).is_unspecified else host

    @property
    def ip_version(self) -> int:
        return 6 if ":" in (self.advertised_host or self.listen_host) else 4


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


def _numeric(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
