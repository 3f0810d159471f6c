"""Why a call ended, in the words of both worlds: SIP statuses and the causes of ITU-T Q.850, mapped by RFC 3398.

    Reason: Q.850;cause=17;text="User busy"        (RFC 3326)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from calls.call import Hangup, Side
from telephony.sip.errors import SipParseError
from telephony.sip.grammar import is_token, number, param, parse_params, quote, split_list
from telephony.sip.message import Message

NORMAL, NO_ANSWER, NON_SELECTED, NO_CIRCUIT = 16, 19, 26, 34

TEXTS: Mapping[int, str] = {
    1: "Unallocated number", 2: "No route to network", 3: "No route to destination", 16: "Normal call clearing",
    17: "User busy", 18: "No user responding", 19: "No answer from user", 20: "Subscriber absent",
    21: "Call rejected", 22: "Number changed", 23: "Redirection to new destination", 25: "Exchange routing error",
    26: "Non-selected user clearing", 27: "Destination out of order", 28: "Invalid number format",
    29: "Facility rejected", 31: "Normal, unspecified", 34: "No circuit available", 38: "Network out of order",
    41: "Temporary failure", 42: "Switching equipment congestion", 47: "Resource unavailable",
    55: "Incoming calls barred", 57: "Bearer capability not authorized", 58: "Bearer capability not available",
    63: "Service or option not available", 65: "Bearer capability not implemented",
    70: "Only restricted digital information available", 79: "Service or option not implemented",
    87: "User not member of group", 88: "Incompatible destination", 102: "Recovery on timer expiry",
    111: "Protocol error", 127: "Interworking",
}
"""What a cause means (ITU-T Q.850 section 2.2.7)."""

STATUS_OF: Mapping[int, int] = {
    1: 404, 2: 404, 3: 404, 17: 486, 18: 408, 19: 480, 20: 480, 21: 403, 22: 410, 23: 410, 25: 483, 26: 404, 27: 502,
    28: 484, 29: 501, 31: 480, 34: 503, 38: 503, 41: 503, 42: 503, 47: 503, 55: 403, 57: 403, 58: 503, 63: 503,
    65: 488, 70: 488, 79: 501, 87: 403, 88: 503, 102: 504, 111: 500, 127: 500,
}
"""Cause → status of a call that was never answered (RFC 3398 section 7.2.4.1)."""

CAUSE_OF: Mapping[int, int] = {
    200: 16, 400: 41, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 408: 102, 410: 22, 413: 127, 415: 79, 416: 127,
    420: 127, 421: 127, 480: 18, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17, 488: 65, 500: 41, 501: 79, 502: 38,
    503: 41, 504: 102, 505: 127, 513: 127, 600: 17, 603: 21, 604: 1, 606: 65,
}
"""Status → cause (RFC 3398 section 8.2.6.1). Without a row: 401 and 407 ask for a password and end nothing, 487 says
only that somebody else ended the call, 423, 481 and 491 belong to SIP alone. For 488 and 606 the RFC leaves the choice
to the Warning header: no codec in common is a bearer that is not implemented."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One value of a Reason header; ``cause`` is a status where ``protocol`` is SIP, a cause where it is Q.850."""

    protocol: str
    cause: int
    text: str = ""

    @classmethod
    def parse(cls, value: str) -> Reason:
        """Raises SipParseError. A reason without a cause has 0: RFC 3326 lets protocols of others do without."""
        protocol, semicolon, rest = value.partition(";")
        protocol = protocol.strip()
        if not is_token(protocol):
            raise SipParseError("Reason", f"{protocol[:20]!r} is no protocol, expected SIP or Q.850")
        params = parse_params(semicolon + rest, "Reason")
        cause = param(params, "cause")
        return cls(protocol, number(cause, "Reason cause", 999) if cause is not None else 0,
                   param(params, "text") or "")

    def __str__(self) -> str:
        return f"{self.protocol};cause={self.cause}" + (f";text={quote(self.text)}" if self.text else "")


def reason_headers(cause: int) -> list[tuple[str, str]]:
    """The Reason header that tells ``cause``; nothing where it is 0, that is: not known."""
    return [("Reason", str(Reason("Q.850", cause, TEXTS.get(cause, ""))))] if cause else []


ELSEWHERE = [("Reason", 'SIP;cause=200;text="Call completed elsewhere"')]
"""On the CANCEL to a phone whose neighbour was faster: it notes no missed call (RFC 3326 section 3)."""


def reasons(message: Message) -> list[Reason]:
    """What the Reason headers of a message say; a value that cannot be read is passed over, another may do."""
    return read(", ".join(message.lines("Reason")))


def read(text: str) -> list[Reason]:
    """The same, of the header's text."""
    try:
        values = split_list(text, "Reason") if text else []
    except SipParseError:
        return []
    found = []
    for value in values:
        try:
            found.append(Reason.parse(value))
        except SipParseError:
            continue
    return found


def named(said: Sequence[Reason]) -> int:
    """The Q.850 cause among them, or 0."""
    return next((each.cause for each in said if each.protocol.upper() == "Q.850" and 0 < each.cause < 128), 0)


def cause_in(said: Sequence[Reason], status: int = 0) -> int:
    """The Q.850 cause that a message named, else the one that its status stands for, else 0."""
    by_sip = next((each.cause for each in said if each.protocol.upper() == "SIP"), 0)
    return named(said) or CAUSE_OF.get(by_sip or status, 0)


def status_of(cause: int) -> int:
    """The status that refuses a call for ``cause``; 500 for one without a row (RFC 3398 section 7.2.4.1)."""
    return STATUS_OF.get(cause, 500)


_OF_ONE_HOP: Mapping[int, int] = {
    401: 502, 407: 502, 420: 502, 421: 502, 422: 502, 423: 502, 481: 502, 482: 502, 483: 502, 487: 480, 491: 480,
    493: 502, 494: 502, 513: 502,
}
"""Statuses that speak of the request, the password or the dialog of one leg: the other leg has other ones. RFC 3261
section 16.7 passes them on, but a proxy's request is the same on both sides."""


def passed_on(status: int) -> int:
    """The status that refuses a call on one leg for what refused it on the other: that of the called party as it is. A
    redirection that we did not follow leaves nobody to answer (480); what our own request was refused for is a bad
    gateway (502) to whoever calls."""
    return _OF_ONE_HOP.get(status, status) if 400 <= status <= 699 else 480


_STATUS_FIRST = re.compile(r"(\d{3}) to ")


def why_ended(reason: str, side: Side) -> Hangup:
    """What the endpoint says of a dialog that ended: the BYE of the party at ``side``, or a far side that says (``481
    to OPTIONS``) or shows (``no ACK``) that it is no longer there."""
    if (refused := _STATUS_FIRST.match(reason)) is not None:
        status = int(refused[1])
        return Hangup(Side.NETWORK, status, reason, CAUSE_OF.get(status, 0))
    if reason in ("no ACK", "no PRACK"):
        return Hangup(Side.NETWORK, 408, reason, CAUSE_OF[408])
    return Hangup(side, 200, reason, cause_in(read(reason)))
