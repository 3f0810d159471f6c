"""A network in memory: endpoints exchange datagrams, the clock is passed in, and the wire can be told to misbehave."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from telephony.sip.address import Address
from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Invited, Malformed, SipEvent
from telephony.sip.headers import NameAddr
from telephony.sip.message import Request, parse
from telephony.sip.uri import Uri

_E = TypeVar("_E")
T1 = 0.5
OFFER, ANSWER = b"v=0 offer\r\n", b"v=0 answer\r\n"


def words(data: bytes) -> str:
    """What a datagram says: ``INVITE`` or ``180 INVITE``."""
    message = parse(data)
    return message.method if isinstance(message, Request) else f"{message.status} {message.cseq.method}"


@dataclass
class Sent:
    """One datagram as it left."""

    at: float
    sender: str
    says: str
    data: bytes


@dataclass
class Party:
    """An endpoint on the network, with all it was told so far."""

    name: str
    address: Address
    endpoint: Endpoint
    told: list[SipEvent] = field(default_factory=list)

    def last(self, kind: type[_E]) -> _E:
        """The latest event of a kind."""
        return next(event for event in reversed(self.told) if isinstance(event, kind))

    def count(self, kind: type[_E]) -> int:
        return sum(isinstance(event, kind) for event in self.told)

    @property
    def kinds(self) -> list[str]:
        """The names of all events, in order."""
        return [type(event).__name__ for event in self.told]

    @property
    def invited(self) -> str:
        """The call that came in last."""
        return self.last(Invited).call

    def idle(self) -> bool:
        return not any(self.endpoint.live().values())


class Network:
    """Carries datagrams in 10 ms. ``now`` is its clock; ``wire`` is all that was ever sent."""

    def __init__(self, seed: int = 0) -> None:
        self.now = 100.0
        self.wire: list[Sent] = []
        self.parties: dict[Address, Party] = {}
        self.fate: Callable[[Sent], list[float]] = lambda sent: [0.01]
        """The delays after which copies of a datagram arrive; an empty list loses it."""
        self.rewrite: Callable[[bytes], bytes] = lambda data: data
        """What becomes of a datagram on its way."""
        self._random = random.Random(seed)
        self._numbers = itertools.count(1)
        self._flying: list[tuple[float, int, bytes, Address, Address]] = []
        self._rules: list[tuple[str, str, int, list[float]]] = []

    def add(self, name: str, **settings: object) -> Party:
        """A new endpoint on 127.0.0.x."""
        address = Address(f"127.0.0.{len(self.parties) + 1}", 5060)
        config = EndpointConfig(
            host=address.host, ids=lambda: f"{name}{next(self._numbers)}", chance=self._random.random,
            **settings,  # type: ignore[arg-type]
        )
        self.parties[address] = Party(name, address, Endpoint(config))
        return self.parties[address]

    def lose(self, says: str, times: int = 1, sender: str = "") -> None:
        """Lose the next datagrams that say this."""
        self._rules.append((says, sender, times, []))

    def delay(self, says: str, seconds: float, times: int = 1, sender: str = "") -> None:
        """Let the next datagrams that say this arrive late."""
        self._rules.append((says, sender, times, [seconds]))

    def double(self, says: str, times: int = 1, sender: str = "") -> None:
        """Let the next datagrams that say this arrive twice."""
        self._rules.append((says, sender, times, [0.01, 0.02]))

    def run(self, seconds: float = 0.2) -> None:
        """Let time pass: carry datagrams and tick endpoints at their deadlines."""
        end = self.now + seconds
        while True:
            self._collect()
            due = [party.endpoint.deadline() for party in self.parties.values()]
            moments = [at for at in due if at is not None]
            if self._flying:
                moments.append(self._flying[0][0])
            at = max(min(moments, default=end + 1), self.now)
            if at > end:
                self.now = end
                return
            self.now = at
            while self._flying and self._flying[0][0] <= at:
                _, _, data, source, destination = heapq.heappop(self._flying)
                if destination in self.parties:
                    self.parties[destination].endpoint.receive(data, source, at)
            for party in self.parties.values():
                party.endpoint.tick(at)

    def settle(self) -> None:
        """Let enough time pass for everything to time out."""
        self.run(400 * T1)

    def said(self, sender: Party | None = None) -> list[str]:
        """All that was sent, by one party or by all."""
        return [sent.says for sent in self.wire if sender is None or sent.sender == sender.name]

    def _collect(self) -> None:
        for party in list(self.parties.values()):
            party.told += party.endpoint.events()
            for data, destination in party.endpoint.outgoing():
                sent = Sent(self.now, party.name, words(data), data)
                self.wire.append(sent)
                for delay in self._delays(sent):
                    arrives = self.rewrite(data)
                    entry = (self.now + delay, next(self._numbers), arrives, party.address, destination)
                    heapq.heappush(self._flying, entry)

    def _delays(self, sent: Sent) -> list[float]:
        for position, (says, sender, times, delays) in enumerate(self._rules):
            if says == sent.says and sender in ("", sent.sender):
                if times > 1:
                    self._rules[position] = (says, sender, times - 1, delays)
                else:
                    del self._rules[position]
                return delays
        return self.fate(sent)


@dataclass
class Pair:
    """Alice calls Bob."""

    net: Network
    alice: Party
    bob: Party
    call: str = ""

    def dial(self, **more: object) -> str:
        """Alice sends her INVITE; nothing has been carried yet."""
        self.call = self.alice.endpoint.invite(
            Uri.parse(f"sip:bob@{self.bob.address}"),
            self.bob.address,
            from_=NameAddr.parse(f"Alice <sip:alice@{self.alice.address}>"),
            body=OFFER,
            now=self.net.now,
            **more,  # type: ignore[arg-type]
        )
        return self.call

    def ring(self) -> str:
        """Alice calls and Bob's phone rings; Bob's key of the call."""
        self.dial()
        self.net.run()
        self.bob.endpoint.ring(self.bob.invited, self.net.now)
        self.net.run()
        return self.bob.invited

    def talk(self) -> str:
        """Alice and Bob are in a call; Bob's key of it."""
        call = self.ring()
        self.bob.endpoint.answer(call, ANSWER, self.net.now)
        self.net.run()
        return call

    def assert_nothing_left(self) -> None:
        """After all timers nothing is kept, and nobody got anything that is no SIP."""
        self.net.settle()
        for party in self.net.parties.values():
            assert party.endpoint.live() == {"transactions": 0, "dialogs": 0, "timers": 0}, party.name
            assert party.endpoint.deadline() is None
            assert not party.count(Malformed), party.told


def a_request(method: str = "INVITE", *, drop: str = "", body: str = "", **headers: str) -> bytes:
    """A request of a stranger at 127.0.0.9. Header names are written with ``_``; ``target`` is the Request-URI."""
    target = headers.pop("target", "sip:bob@127.0.0.1")
    fields = {
        "Via": "SIP/2.0/UDP 127.0.0.9:5060;branch=z9hG4bKstranger", "Max-Forwards": "70",
        "From": "<sip:eve@127.0.0.9>;tag=eve", "To": "<sip:bob@127.0.0.1>", "Call-ID": "strange",
        "CSeq": f"1 {method}", "Contact": "<sip:eve@127.0.0.9>",
    }
    fields.update({name.replace("_", "-"): text for name, text in headers.items()})
    fields.pop(drop, None)
    lines = [f"{method} {target} SIP/2.0", *(f"{name}: {text}" for name, text in fields.items())]
    return ("\r\n".join([*lines, f"Content-Length: {len(body)}"]) + "\r\n\r\n" + body).encode()


STRANGER = Address("127.0.0.9", 5060)
