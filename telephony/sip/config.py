"""How an endpoint is set up."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from telephony.sip.address import Address
from telephony.sip.message import MAX_FIELDS, MAX_MESSAGE, Request


def _new_id() -> str:
    return secrets.token_hex(10)  # 80 bits: section 19.3 asks for at least 32 in a tag


class Guard(Protocol):
    """Who is listened to and who is answered."""

    def hears(self, data: bytes, source: Address, now: float) -> bool: ...
    def says(self, data: bytes, to: Address) -> bool: ...


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Settings of an ``Endpoint``; times in seconds."""

    host: str
    """Our address as others reach it: stands in Via and Contact."""
    port: int = 5060
    """The port that goes with ``host``."""
    user_agent: str = ""
    """Named in User-Agent and in Server of 2xx responses. Empty: not said. Refusals never say it."""
    towards: Callable[[Address], Address] | None = None
    """Which of our addresses the given far side reaches us at; None: always ``host`` and ``port``."""
    large: int = 1300
    """Requests of more bytes go over TCP instead of UDP (RFC 3261 section 18.1.1)."""
    streams: bool = False
    """Whether whoever carries our messages can open TCP connections."""
    contact_user: str = ""
    """User part of our Contact."""
    allow: tuple[str, ...] = (
        "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "PRACK", "REGISTER", "MESSAGE", "REFER",
        "NOTIFY",
    )
    """Methods that are understood; any other gets 405 with this list."""
    supported: tuple[str, ...] = ("100rel", "timer")
    """Option tags that a request may require, and that ours say we know; any other gets 420."""
    registering: tuple[str, ...] = ()
    """Option tags that a REGISTER may require as well: what the registrar knows that gets our Requested."""
    session_expires: int = 1800
    """Seconds that a session lasts without a refresh (RFC 4028), where the far side knows timers; 0: no timers."""
    min_se: int = 90
    """The shortest session that is taken, in seconds: a request for less gets 422."""
    t1: float = 0.5
    """Round-trip estimate (RFC 3261 section 17.1.1.1)."""
    t2: float = 4.0
    """Longest time between retransmissions, of non-INVITE requests and of responses to INVITE."""
    t4: float = 5.0
    """How long a message may live in the network."""
    max_message: int = MAX_MESSAGE
    """Longest datagram that is looked at, in bytes."""
    max_fields: int = MAX_FIELDS
    """Most header lines that a message may have."""
    max_forwards: int = 70
    """Hops that a request of ours may take, unless its headers say otherwise."""
    admit: Callable[[Request, Address], int | None] | None = None
    """Asked before any state is kept for a request outside dialogs: None admits it, a status refuses it statelessly."""
    guard: Guard | None = None
    """Asked before a message is parsed, and before one is sent; None lets everything pass."""
    overloaded: Callable[[], int] | None = None
    """Asked for every new INVITE that was admitted: seconds for the Retry-After of a stateless 503, or 0 to take it."""
    shedding: Callable[[Address], bool] | None = None
    """Asked before an INVITE that came as a datagram is read: whether there is no time for it, and its sender admitted
    for his address alone. Then ``overloaded`` is asked at once."""
    ids: Callable[[], str] = _new_id
    """Where tags, branches, Call-IDs and client nonces come from."""
    chance: Callable[[], float] = field(default=random.SystemRandom().random)
    """A number of 0…1 for the wait after a glare (section 14.1)."""

    def __post_init__(self) -> None:
        if not 0 < self.t1 <= self.t2:
            raise ValueError(f"t1={self.t1}, t2={self.t2}: must be 0 < t1 ≤ t2")
        if self.session_expires and not 0 < self.min_se <= self.session_expires:
            problem = f"session_expires={self.session_expires}, min_se={self.min_se}"
            raise ValueError(f"{problem}: must be 0 < min_se ≤ session_expires, or session_expires=0")
        if not 0 < self.port < 65536:
            raise ValueError(f"port={self.port}: must be 1…65535")

    def own(self, peer: Address) -> Address:
        """Our address, as the far side at ``peer`` reaches it."""
        return self.towards(peer) if self.towards else Address(self.host, self.port, peer.transport)

    def contact(self, peer: Address) -> str:
        """Our Contact, as text, for the far side at ``peer``."""
        user, own = f"{self.contact_user}@" if self.contact_user else "", self.own(peer)
        return f"<sip:{user}{own}{own.transport.parameter}>"

    @property
    def patience(self) -> float:
        """64·T1: how long a transaction waits for an answer or an ACK."""
        return 64 * self.t1

    def known_to(self, method: str) -> tuple[str, ...]:
        """Option tags that a request of this method may require."""
        return (*self.supported, *self.registering) if method == "REGISTER" else self.supported
