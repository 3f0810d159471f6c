"""What a call costs in the endpoint by itself: its messages as bytes, in both roles, and no socket.

Defence, admission of the trunk, parsing, transactions, dialogs, building and timers are in it; the telephony above and
the network are not. What the far side does is text with the names of the call filled in, and not counted.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_network

from calls.clock import SystemClock
from server.run import settle_memory
from telephony.guarding import Guarding
from telephony.sip.address import Address
from telephony.sip.config import EndpointConfig
from telephony.sip.defence import DefenceConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Invited
from telephony.sip.headers import NameAddr
from telephony.sip.message import Request, parse
from telephony.sip.uri import Uri
from telephony.trunking import Trunk, Trunks

OURS, THEIRS = Address("127.0.0.1", 5060), Address("127.0.0.2", 5070)
CALLS, ROUNDS, PER_SECOND = 500, 12, 400.0
SDP = (b"v=0\r\no=sipp 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8 101\r\n"
       b"a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n")
ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS"


class Side:
    """Our endpoint, and a carrier that it trusts. ``busy`` is the processor time of ours, in seconds."""

    def __init__(self, overloaded: Callable[[], int] | None = None) -> None:
        clock, trunks = SystemClock(), Trunks([Trunk("carrier", (ip_network("127.0.0.2/32"),))])
        guarding = Guarding(
            DefenceConfig(), lambda source: trunks.of(source) is not None, lambda source: False, clock, Counter()
        )
        self.endpoint = Endpoint(EndpointConfig(
            OURS.host, OURS.port, user_agent="Hotline", guard=guarding.defence, overloaded=overloaded,
            shedding=lambda source: overloaded is not None and trunks.of(source) is not None,
            admit=lambda request, source: guarding.admitted(
                request, source, 403 if trunks.sender(request, source) is None else None),
        ))
        self.now, self.busy, self.calls = 1000.0, 0.0, 0

    def hears(self, text: str, body: bytes = b"") -> list[bytes]:
        """One message comes; what is sent in turn."""
        head = text.strip().replace("\n", "\r\n")
        data = f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        return self.does(lambda: self.endpoint.receive(data, THEIRS, self.now))

    def does(self, what: Callable[[], object]) -> list[bytes]:
        """Something happens; what is sent in turn."""
        begun = time.thread_time()
        what()
        sent = self.endpoint.outgoing()
        self.endpoint.deadline()
        self.busy += time.thread_time() - begun
        return [data for data, _ in sent]

    def events(self) -> list[object]:
        begun = time.thread_time()
        events = self.endpoint.events()
        self.busy += time.thread_time() - begun
        return [*events]

    def lets_time_pass(self) -> None:
        self.now += 1 / PER_SECOND
        self.calls += 1
        self.does(lambda: self.endpoint.tick(self.now))


def names(number: int, method: str, branch: str, sequence: int) -> str:
    return (f"Via: SIP/2.0/UDP {THEIRS};branch=z9hG4bK-77-{number}-{branch}\nMax-Forwards: 70\n"
            f"From: <sip:9{number}@{THEIRS.host}>;tag=77-{number}\nCall-ID: {number}-77@{THEIRS.host}\n"
            f"CSeq: {sequence} {method}")


def invite(number: int) -> str:
    return (f"INVITE sip:4008001234@{OURS} SIP/2.0\n{names(number, 'INVITE', 'invite', 1)}\n"
            f"To: <sip:4008001234@{OURS}>\nContact: <sip:caller@{THEIRS}>\nAllow: {ALLOW}\n"
            "Content-Type: application/sdp")


def called(side: Side) -> None:
    """They call, we ring and answer, they hang up."""
    number = side.calls
    side.hears(invite(number), SDP)
    (invited,) = side.events()
    assert isinstance(invited, Invited)
    side.does(lambda: side.endpoint.ring(invited.call, side.now))
    (answer,) = side.does(lambda: side.endpoint.answer(invited.call, SDP, side.now))
    to = f"To: {parse(answer).get('To')}"
    side.hears(f"ACK sip:{OURS} SIP/2.0\n{names(number, 'ACK', 'ack', 1)}\n{to}")
    side.hears(f"BYE sip:{OURS} SIP/2.0\n{names(number, 'BYE', 'bye', 2)}\n{to}")
    side.events()
    side.lets_time_pass()


def calling(side: Side) -> None:
    """We call, they ring and answer, we hang up."""
    us, them = NameAddr(Uri(OURS.host, "9123")), Uri(THEIRS.host, "agent", THEIRS.port)
    keys: list[str] = []
    (data,) = side.does(lambda: keys.append(
        side.endpoint.invite(them, THEIRS, from_=us, body=SDP, now=side.now)))
    answers(side, data, "100 Trying")
    answers(side, data, "180 Ringing")
    answers(side, data, "200 OK", SDP)
    side.events()
    (bye,) = side.does(lambda: side.endpoint.bye(keys[0], side.now))
    answers(side, bye, "200 OK")
    side.lets_time_pass()


def answers(side: Side, data: bytes, status: str, body: bytes = b"") -> None:
    request = parse(data)
    assert isinstance(request, Request)
    tag = "" if request.to_tag or status.startswith("100") else ";tag=88"
    copied = "\n".join(f"{name}: {request.get(name)}" for name in ("Via", "From", "Call-ID", "CSeq"))
    contact = f"\nContact: <sip:agent@{THEIRS}>\nContent-Type: application/sdp" if body else ""
    side.hears(f"SIP/2.0 {status}\n{copied}\nTo: {request.get('To')}{tag}{contact}", body)


def refused(side: Side) -> None:
    """They call, we refuse for want of time."""
    number = side.calls
    (data,) = side.hears(invite(number), SDP)
    side.hears(f"ACK sip:4008001234@{OURS} SIP/2.0\n{names(number, 'ACK', 'invite', 1)}\nTo: {parse(data).get('To')}")
    side.lets_time_pass()


def microseconds(what: Callable[[Side], None], side: Side) -> float:
    """Of one call; the best of many rounds, after so many calls that timers run out as fast as they are started."""
    settle_memory()
    for _ in range(round(40 * PER_SECOND)):
        what(side)
    best = float("inf")
    for _ in range(ROUNDS):
        side.busy = 0.0
        for _ in range(CALLS):
            what(side)
        best = min(best, side.busy / CALLS)
    return best * 1e6


def measure() -> dict[str, float]:
    return {
        "endpoint_called_us": microseconds(called, Side()),
        "endpoint_calling_us": microseconds(calling, Side()),
        "endpoint_refused_us": microseconds(refused, Side(lambda: 5)),
    }
