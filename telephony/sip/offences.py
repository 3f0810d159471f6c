"""What strangers do and telephones do not, and what it costs them: the defence as tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from telephony.sip.digest import Verdict
from telephony.sip.message import Request
from telephony.sip.rates import Rate


class Offence(StrEnum):
    """Why a source is scored."""

    SCANNER = "scanning software"
    UNKNOWN_USER = "a user that nobody is"
    WRONG_PASSWORD = "wrong passwords"
    CALL = "calls from a stranger"
    PROBE = "probes from a stranger"
    MALFORMED = "messages that are no SIP"
    FLOOD = "too many messages"


POINTS: Mapping[Offence, float] = {
    Offence.SCANNER: 10,  # nobody names himself so by mistake
    Offence.UNKNOWN_USER: 2,
    Offence.CALL: 2,
    Offence.WRONG_PASSWORD: 1,
    Offence.PROBE: 1,
    Offence.MALFORMED: 1,
    Offence.FLOOD: 0.05,
}
"""What one offence adds to the score. A challenge that is fetched (401 without credentials), a stale nonce and a
refreshed registration are no offences: each well-behaved phone does all three."""

LIMIT = 10.0
"""The score at which a source is banned."""
FORGIVEN_PER_SECOND = 0.05
"""A phone with a wrong password that tries again every half minute stays below the limit for ever."""

OFFENCES: Mapping[Verdict, Offence] = {
    Verdict.UNKNOWN: Offence.UNKNOWN_USER,
    Verdict.DENIED: Offence.WRONG_PASSWORD,
}
"""What the registrar found out about a REGISTER."""

RATES: Mapping[bytes, Rate] = {
    b"REGISTER": Rate(50, 500),  # an office whose power comes back: 250 phones behind one address, challenged once
    b"INVITE": Rate(10, 50),
    b"OPTIONS": Rate(5, 20),
    b"SIP/2.0": Rate(100, 500),
}
"""Messages of one stranger, by their first word."""
OTHER = Rate(20, 100)
"""Every other first word, sense or nonsense."""
OF_A_FLOW = Rate(50, 500)
"""All messages of one registered phone."""
OF_ALL_STRANGERS = Rate(2000, 4000)
"""All strangers together: what remains of the machine belongs to trunks and registered phones."""

_SCANNERS = re.compile(
    r"friendly-scanner|friendly-request|sipvicious|sipcli|sip-?scan|sundayddr|vaxsip|iwar|smap\b|pplsip|sipptk|sipburn",
    re.IGNORECASE,
)


def is_scanner(request: Request) -> bool:
    """Whether the request says itself that it comes from a program that looks for victims."""
    named = f"{request.get('User-Agent')} {request.get('From')}"  # SIPVicious may have its name in either
    return len(named) < 1000 and _SCANNERS.search(named) is not None


def of_stranger(request: Request) -> Offence:
    """What a request is that comes neither from a trunk nor from a phone of ours, and is no REGISTER."""
    return Offence.CALL if request.method == "INVITE" else Offence.PROBE
