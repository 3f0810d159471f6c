"""[defence]: what an operator decides about strangers."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from calls.errors import ConfigError
from telephony.sip.defence import DefenceConfig
from telephony.sip.networks import Network


@dataclass(frozen=True, slots=True)
class Defence:
    """Against scanners; trunks and registered phones are no part of it. See docs/security.md."""

    allow: tuple[str, ...] = ()
    """Addresses or networks that are never limited or banned, such as a proxy before the phones, or a monitor."""
    phones_from: tuple[str, ...] = ()
    """Addresses or networks that phones may register from; empty: everywhere."""
    strangers: str = "refuse"
    """refuse: a bare 403; silent: no answer but the challenge to a phone that registers."""
    ban_seconds: float = 300.0
    """How long the first ban lasts, each further one four times as long, a day at most; 0: nobody is banned."""

    def __post_init__(self) -> None:
        _check("[defence] allow", self.allow)
        _check("[defence] phones_from", self.phones_from)
        if self.strangers not in ("refuse", "silent"):
            raise ConfigError("[defence] strangers", f"{self.strangers!r} is unknown", "refuse or silent")
        if not 0 <= self.ban_seconds <= 86_400:
            raise ConfigError("[defence] ban_seconds", f"{self.ban_seconds:g} is not possible", "give 0 to 86400")

    def config(self) -> DefenceConfig:
        """The same as the defence wants it."""
        allow, phones_from = map(_networks, (self.allow, self.phones_from))
        return DefenceConfig(allow, phones_from, self.strangers == "silent", self.ban_seconds)


def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)


def _check(where: str, texts: tuple[str, ...]) -> None:
    for text in texts:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ConfigError(where, f"{text!r} is no address or network", "write 192.0.2.7 or 192.0.2.0/24") from None
