"""One trunk as the settings describe it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from calls.errors import ConfigError
from media.engine import Codec
from telephony.sip.address import Address
from telephony.trunking.rewriting import Rule

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FULL = (480, 486, 503)
"""What a caller may be told when all channels of a trunk are taken."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How a trunk is asked whether it is there (OPTIONS, RFC 3261 section 11)."""

    every: float = 30.0
    """Seconds between two questions; 0: it is not asked."""
    up_after: int = 2
    """So many answers in a row bring it back."""
    down_after: int = 3
    """So many questions without an answer take it out."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """Whose number a trunk is shown in calls that we send to it (RFC 3323, RFC 3325)."""

    own: str = field(default="", repr=False)
    """Our number there: shown where a call brings none, and asserted where we may not show the caller's."""
    passes_caller: bool = True
    """Show the number of a caller who is passed on; False shows ``own``: many carriers refuse foreign numbers."""
    account: str = ""
    """User of From where the carrier wants its account there; the number stands in P-Asserted-Identity then."""
    asserts: bool = True
    """Send P-Asserted-Identity: right where the carrier trusts us, as it does on a trunk of ours."""
    domain: str = ""
    """Host of those addresses; empty: our own."""
    rules: tuple[Rule, ...] = ()
    """How the carrier wants numbers of callers written."""


AS_IT_IS = Presentation()
"""The caller's number as it is, in From and asserted: what our own phones are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a trunk carries calls: the same in the settings and in the trunk that they make."""

    priority: int = 1
    """Calls leave by the trunk with the lowest number; the next is tried where it fails."""
    weight: int = 1
    """Share of the calls among trunks of one priority (RFC 2782); 0: only when the others failed."""
    silent_after: float = 4.0
    """Seconds without any response to an INVITE after which the next trunk is tried."""
    probe: Probe = Probe()
    channels_in: int = 0
    channels_out: int = 0
    """Calls at once in either direction; 0: no limit."""
    when_full: int = 503
    """The status for a call that finds no channel: 486, 480, or 503 with Retry-After."""
    trusted: bool = False
    """Believe its P-Asserted-Identity (RFC 3325 section 6), not the number that the caller wrote: it belongs to our
    trust domain."""
    caller_in: tuple[Rule, ...] = ()
    called_in: tuple[Rule, ...] = ()
    """From the carrier's way of writing numbers to ours: ``{ prefix = "00", add = "+" }``."""
    called_out: tuple[Rule, ...] = ()
    """From E.164 to what the carrier wants dialled: ``{ prefix = "+86", add = "0" }``."""
    presents: Presentation = AS_IT_IS
    """Whose number is shown in calls that leave by it."""


@dataclass(frozen=True, slots=True)
class Trunk(Terms):
    """One carrier. It is known by its source addresses or by where it was told to send calls when we registered."""

    name: str
    addresses: tuple[Network, ...] = ()
    """Source networks; a single host is a /32 or /128."""
    codecs: tuple[Codec, ...] = (Codec.PCMA, Codec.PCMU)
    """Our order of preference on this trunk."""
    outbound: Address | None = None
    """Host and port for outgoing calls, OPTIONS and REGISTER; None when the trunk only brings calls in."""
    user: str = ""
    """Digest user for 401/407, or "" where the trunk asks for none."""
    password: str = field(default="", repr=False)
    secured: bool = False
    """Calls with SRTP (keys in SDP) or not at all. Where it is False, SRTP is taken when it is offered."""
    registers: int = 0
    """Seconds to register for as ``user``, again and again; 0: this carrier wants no REGISTER."""

    def __post_init__(self) -> None:
        if not self.codecs:
            known = ", ".join(Codec.__members__)
            raise ConfigError(f"trunk {self.name}: codecs", "is empty", f"name at least one of {known}")
        if self.user and not self.password:
            raise ConfigError(f"trunk {self.name}: password", "is empty although a user is set")
        if self.registers and not (self.user and self.outbound):
            raise ConfigError(f"trunk {self.name}: register", "needs user, password and outbound")
        if self.when_full not in FULL:
            raise ConfigError(f"trunk {self.name}: when_full", f"{self.when_full} is not possible", "486, 480 or 503")
