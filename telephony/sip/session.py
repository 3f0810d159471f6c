"""Session timers on the wire: how long a session lasts without a refresh, and who refreshes (RFC 4028)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from telephony.sip.errors import SipParseError
from telephony.sip.grammar import number, parse_params
from telephony.sip.message import Message, Request
from telephony.sip.timers import Timer

OPTION = "timer"
LEAST = 90
"""Section 4: no session may be shorter, in seconds, and this is what a missing Min-SE means."""
LONGEST = 7 * 86400
"""A Min-SE beyond a week asks for no session timer at all."""


class Refresher(StrEnum):
    """The side that refreshes, named by its part in the transaction at hand."""

    UAC = "uac"
    UAS = "uas"


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """``seconds`` from one refresh to the end, were no other to come."""

    seconds: int
    refresher: Refresher | None = None

    @classmethod
    def parse(cls, text: str, where: str) -> SessionExpires:
        digits, semicolon, rest = text.partition(";")
        who = dict(parse_params(semicolon + rest, where)).get("refresher")
        if who is not None and who.lower() not in set(Refresher):
            raise SipParseError(where, "refresher must be uac or uas")
        return cls(number(digits.strip(), where), Refresher(who.lower()) if who else None)

    def __str__(self) -> str:
        return f"{self.seconds};refresher={self.refresher}" if self.refresher else str(self.seconds)


@dataclass(slots=True)
class Session:
    """A session that ends at ``ends_at`` (monotonic s) unless it is refreshed before: by us where it is ``ours``."""

    interval: int
    ours: bool
    ends_at: float
    timer: Timer | None = None


ANSWERED: Mapping[tuple[bool, Refresher | None], Refresher] = {
    (True, None): Refresher.UAC,  # ours to choose: whose refreshes we hear of is alive
    (True, Refresher.UAC): Refresher.UAC,
    (True, Refresher.UAS): Refresher.UAS,
    (False, None): Refresher.UAS,
    (False, Refresher.UAC): Refresher.UAS,
    (False, Refresher.UAS): Refresher.UAS,
}
"""Table 2: (the client knows timers, refresher in its request) → refresher in the 2xx."""


def session_expires(message: Message) -> SessionExpires | None:
    """What Session-Expires says. Raises SipParseError."""
    return message.once("Session-Expires", SessionExpires.parse) if message.lines("Session-Expires") else None


def min_se(message: Message) -> int:
    """The least interval that the message's way allows. Raises SipParseError."""
    return message.once("Min-SE", _seconds) if message.lines("Min-SE") else LEAST


def supports(message: Message, option: str) -> bool:
    """Whether an option tag stands in Supported or Require."""
    return any(option == tag.lower() for name in ("Supported", "Require") for tag in message.values(name))


def too_brief(request: Request, least: int) -> bool:
    """Whether a request is refused with 422: a client that knows timers asks for less than ``least`` seconds."""
    asked = session_expires(request)
    return asked is not None and asked.seconds < least and supports(request, OPTION)


def grant(request: Request, wanted: int, least: int) -> SessionExpires | None:
    """What our 2xx says (section 9): as asked, but no longer than ``wanted``. None is no timer: nobody asks for one, or
    a proxy asks for one too brief on behalf of a client that knows none and could not be told so."""
    asked, knows = session_expires(request), supports(request, OPTION)
    if asked is None:
        return SessionExpires(max(wanted, min_se(request)), ANSWERED[True, None]) if knows else None
    if asked.seconds < least:
        return None
    shortest = min(asked.seconds, min_se(request))
    return SessionExpires(max(shortest, min(asked.seconds, wanted)), ANSWERED[knows, asked.refresher])


def _seconds(text: str, where: str) -> int:
    return number(text.partition(";")[0].strip(), where)
