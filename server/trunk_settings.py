"""The settings of one trunk, and the trunk that they make."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field, fields

from calls.errors import ConfigError
from media.engine import Codec
from telephony.sip.address import Address, Transport
from telephony.trunking import Trunk
from telephony.trunking.trunk import Terms

TRANSPORTS = ("udp", "tcp", "tls")


@dataclass(frozen=True, slots=True)
class TrunkSettings(Terms):
    """A carrier's line: calls from its addresses, or to where we registered, are answered; ours leave by it."""

    name: str
    addresses: tuple[str, ...] = ()
    """Source addresses or networks (192.0.2.0/24); may be left out where ``register`` is set."""
    codecs: tuple[str, ...] = ("PCMA", "PCMU")
    """In order of preference: PCMA, PCMU, G722, OPUS, L16, L16_WIDE (16 kHz)."""
    secured: bool = False
    """Calls with SRTP or not at all. false takes SRTP where the carrier offers it."""
    outbound: str = ""
    """host:port to which outside numbers are dialled; empty: this trunk is for incoming calls only."""
    transport: str = "udp"
    """How ``outbound`` is reached: udp, tcp or tls."""
    user: str = ""
    """Account with the carrier; empty where it asks for none."""
    password: str = field(default="", repr=False)
    """Its password; left out, it is taken from the systemd credential ``trunk-NAME``."""
    register: int = 0
    """Register at ``outbound`` for so many seconds at a time; 0: this carrier wants no registration."""

    def __post_init__(self) -> None:
        for text in self.addresses:
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError as error:
                raise self._wrong("addresses", f"{text!r} is no address or network",
                                  "write 192.0.2.7 or 192.0.2.0/24") from error
        check_codecs(f"[[trunks]] {self.name}: codecs", self.codecs)
        host, _, port = self.outbound.rpartition(":")
        if self.outbound and not (host and port.isdecimal() and 0 < int(port) < 65536):
            raise self._wrong("outbound", f"{self.outbound!r} is no host:port", "write 192.0.2.1:5060")
        if self.transport not in TRANSPORTS:
            raise self._wrong("transport", f"{self.transport!r} is unknown", f"one of {', '.join(TRANSPORTS)}")
        self._check_ranges()
        self.trunk("to be read from the credentials")

    def _check_ranges(self) -> None:
        if self.register and not 60 <= self.register <= 86_400:
            raise self._wrong("register", f"{self.register} is not possible", "give 60 to 86400 seconds, or 0")
        if not 0 <= self.weight <= 65_535:
            raise self._wrong("weight", f"{self.weight} is not possible", "give 0 to 65535")
        if not 0.5 <= self.silent_after <= 32:
            raise self._wrong("silent_after", f"{self.silent_after:g} is not possible", "give 0.5 to 32 seconds")
        if self.probe.every and not 1 <= self.probe.every <= 3600:
            raise self._wrong("probe.every", f"{self.probe.every:g} is not possible", "give 1 to 3600 seconds, or 0")
        if min(self.probe.up_after, self.probe.down_after) < 1:
            raise self._wrong("probe", "up_after or down_after is below 1", "give 1 or more")
        if min(self.channels_in, self.channels_out) < 0:
            raise self._wrong("channels_in, channels_out", "is below 0", "give the number of calls, or 0: no limit")

    def _wrong(self, what: str, problem: str, remedy: str) -> ConfigError:
        return ConfigError(f"[[trunks]] {self.name}: {what}", problem, remedy)

    def trunk(self, password: str = "") -> Trunk:
        """The trunk; ``password`` is that of the credentials. Raises ConfigError."""
        host, _, port = self.outbound.rpartition(":")
        way = Transport[self.transport.upper()]
        return Trunk(
            self.name, tuple(ipaddress.ip_network(text, strict=False) for text in self.addresses),
            tuple(Codec[name] for name in self.codecs), Address(host.strip("[]"), int(port), way) if host else None,
            self.user, self.password or (password if self.user else ""), self.secured, self.register,
            **{each.name: getattr(self, each.name) for each in fields(Terms)},
        )


def check_codecs(where: str, names: tuple[str, ...]) -> None:
    """Raises ConfigError where ``names`` are no codecs."""
    if not names:
        raise ConfigError(where, "is empty", "PCMA and PCMU are understood everywhere")
    for name in names:
        if name not in Codec.__members__:
            raise ConfigError(where, f"{name!r} is unknown", f"known are {', '.join(Codec.__members__)}")
