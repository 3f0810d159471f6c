"""The registrar without a network: registrations with digest a second of one core, and what 5,000 phones weigh.

Everything that the server does with a REGISTER is done (defence, parsing, transaction, digest, bindings, response);
what the telephones do is done in between and not counted.
"""

from __future__ import annotations

import gc
import resource
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from calls.clock import SystemClock
from telephony.guarding import Guarding
from telephony.phones import PhoneAccount, Phones
from telephony.sip.address import Address
from telephony.sip.auth import ClientCredentials, answer_challenges
from telephony.sip.config import EndpointConfig
from telephony.sip.defence import DefenceConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Requested
from telephony.sip.message import Request, Response, parse
from telephony.store import AccountBook, with_password

PHONES = 5000
REALM, PASSWORD = "hotline", "wo-ai-dianhua"
STORM = 60.0
"""Seconds of the server's clock in which all phones register."""
AT_ONCE = 50
"""Phones that are challenged before the first of them answers; few, or the phones would weigh more than the server."""


class Registering:
    """``phones`` telephones at as many addresses, and the registrar that they know."""

    def __init__(self, phones: int = PHONES) -> None:
        self.users = [str(20_000 + number) for number in range(phones)]
        book = AccountBook([with_password(PhoneAccount(user), REALM, PASSWORD) for user in self.users])
        clock = SystemClock()
        self.phones = Phones(REALM, b"k" * 32, book, clock)
        guarding = Guarding(DefenceConfig(), lambda source: False, self.phones.is_flow, clock, Counter())
        self.endpoint = Endpoint(EndpointConfig("127.0.0.1", admit=lambda request, source: guarding.admitted(
            request, source, None), guard=guarding.defence))
        self._guarding = guarding
        self._sequence = 0
        self.now = clock.monotonic()
        self.busy = 0.0
        """Seconds of CPU that the server's side has used."""

    def storm(self) -> int:
        """Everybody registers once, with a challenge, within ``STORM`` seconds; how many were granted."""
        self._sequence += 2
        starts = range(0, len(self.users), AT_ONCE)
        return sum(self._register(range(start, min(start + AT_ONCE, len(self.users)))) for start in starts)

    def _register(self, numbers: range) -> int:
        asked = {number: self._request(number) for number in numbers}
        challenges = self._exchange(asked)
        answered = {}
        for number, request in asked.items():
            credentials = ClientCredentials(self.users[number], PASSWORD)
            answer = answer_challenges(request, challenges[number], credentials, "cnonce")
            answered[number] = self._request(number, answer)
        return sum(response.status == 200 for response in self._exchange(answered).values())

    def _exchange(self, requests: Mapping[int, Request]) -> dict[int, Response]:
        """One response to each, by the number of its phone."""
        data = {number: bytes(request) for number, request in requests.items()}
        sent: list[bytes] = []
        began = time.process_time()
        for number, message in data.items():
            self.now += STORM / len(self.users) / 2
            self.endpoint.receive(message, _address(number), self.now)
            for event in self.endpoint.events():
                assert isinstance(event, Requested)
                self._answer(event)
            sent += [answer for answer, _ in self.endpoint.outgoing()]
            self.endpoint.tick(self.now)
        self.busy += time.process_time() - began
        responses = [parse(answer) for answer in sent]
        heard = {number: each for number, each in zip(requests, responses, strict=True) if isinstance(each, Response)}
        assert len(heard) == len(requests)
        return heard

    def _answer(self, event: Requested) -> None:
        reply = self.phones.register(event.request, event.source, self.now)
        self._guarding.registered(reply, event.source)
        self.endpoint.respond(event.transaction, reply.status, self.now, headers=reply.headers)

    def _request(self, number: int, more: Sequence[tuple[str, str]] = ()) -> Request:
        user, address = self.users[number], _address(number)
        sequence = self._sequence + bool(more)
        return Request("REGISTER", "sip:127.0.0.1", [
            ("Via", f"SIP/2.0/UDP {address};branch=z9hG4bK{number}x{sequence};rport"), ("Max-Forwards", "70"),
            ("From", f"<sip:{user}@127.0.0.1>;tag={number}"), ("To", f"<sip:{user}@127.0.0.1>"),
            ("Call-ID", f"{number}@{address.host}"), ("CSeq", f"{sequence} REGISTER"),
            ("Contact", f'<sip:{user}@{address}>;+sip.instance="<urn:uuid:00000000-0000-1000-8000-{number:012}>"'),
            ("Expires", "3600"), ("User-Agent", "a telephone of the usual make, 1.2.3"),
            ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, NOTIFY, REFER, UPDATE, MESSAGE"), *more,
        ])


def _address(number: int) -> Address:
    return Address(f"10.1.{number >> 8}.{number & 255}", 5060)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure(phones: int = PHONES) -> dict[str, float]:
    """``register_per_s``: registrations that one core grants, from nothing and refreshed over the flow;
    ``phones5000_mb``: what all of them take, with the transactions of the last half minute of a refresh storm."""
    gc.collect()
    before = _resident()
    registering = Registering(phones)
    granted = registering.storm() + registering.storm()
    gc.collect()
    return {
        "register_per_s": granted / registering.busy,
        "register_failed": 2 * phones - granted,
        "phones5000_mb": (_resident() - before) / 2**20,
    }

