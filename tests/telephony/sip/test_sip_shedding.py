"""What is refused unread gets the words that it would get if it were read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from telephony.sip.address import Address, Transport
from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Invited
from telephony.sip.message import parse
from telephony.sip.shedding import glance

CARRIER = Address("192.0.2.7", 5070, Transport.UDP, 1)
BRANCH = "branch=z9hG4bK-a.1"
PLAIN = {
    "Via": f"SIP/2.0/UDP 192.0.2.7:5070;{BRANCH}", "From": '"王" <sip:1@192.0.2.7>;tag=f1', "To": "<sip:400@us>",
    "Call-ID": "c1@192.0.2.7", "CSeq": "7 INVITE", "Contact": "<sip:1@192.0.2.7>", "Max-Forwards": "70",
}
UNREAD: dict[str, dict[str, str | None]] = {
    "plain": {},
    "asks for its port": {"Via": f"SIP/2.0/UDP 10.0.0.1:5060;rport;{BRANCH}"},
    "behind NAT": {"Via": f"SIP/2.0/UDP 10.0.0.1:5062;{BRANCH};x=y"},
    "port 0": {"Via": f"SIP/2.0/UDP 192.0.2.7:0;{BRANCH}"},
    "no port": {"Via": f"SIP/2.0/UDP 192.0.2.7;{BRANCH}"},
    "a name": {"Via": f"SIP/2.0/UDP Proxy.Example.com:5070;{BRANCH}"},
    "two hops": {"Via": f"SIP/2.0/UDP 192.0.2.7:5070;{BRANCH}\r\nVia: SIP/2.0/TCP [2001:db8::1]:5060;branch=b, c"},
    "compact": {"Via": None, "v": f"SIP/2.0/UDP 192.0.2.7:5070;{BRANCH}", "From": None, "f": "<sip:1@a>;tag=2",
                "To": None, "t": "sip:400@us", "Call-ID": None, "i": "c2"},
    "shouting": {"CSeq": None, "CSEQ": "8 INVITE", "To": None, "tO ": "<sip:400@us> \t"},
}
READ: dict[str, dict[str, str | None]] = {
    "folded": {"To": "<sip:400@us>\r\n ;x=y"},
    "several hops in a line": {"Via": f"SIP/2.0/UDP 192.0.2.7:5070;{BRANCH}, SIP/2.0/UDP 10.0.0.1;branch=b"},
    "within a dialog": {"To": "<sip:400@us>;tag=t1"},
    "writes down itself where it is": {"Via": f"SIP/2.0/UDP 192.0.2.7:5070;{BRANCH};received=192.0.2.9"},
    "a port that cannot be": {"Via": f"SIP/2.0/UDP 192.0.2.7:65536;{BRANCH}"},
    "two branches": {"Via": f"SIP/2.0/UDP 192.0.2.7:5070;branch=z9hG4bK;{BRANCH}"},
    "an old branch": {"Via": "SIP/2.0/UDP 192.0.2.7:5070;branch=1"},
    "IPv6": {"Via": f"SIP/2.0/UDP [2001:db8::7]:5070;{BRANCH}"},
    "two From": {"From": "<sip:1@a>;tag=1\r\nFrom: <sip:2@a>;tag=2"},
    "no Call-ID": {"Call-ID": None},
    "words in Call-ID": {"Call-ID": "a b"},
    "quoted": {"Via": f'SIP/2.0/UDP 192.0.2.7:5070;x="y";{BRANCH}'},
    "another transport": {"Via": f"SIP/2.0/TCP 192.0.2.7:5070;{BRANCH}"},
}


def invite(changes: dict[str, str | None], method: str = "INVITE") -> bytes:
    lines = [f"{name}: {text}" for name, text in (PLAIN | changes).items() if text is not None]
    return "\r\n".join([f"{method} sip:400@us SIP/2.0", *lines, "Content-Length: 4", "", "v=0\n"]).encode()


def busy(*, unread: bool) -> Endpoint:
    """Has no time; the tags of all of them are the same."""
    config = EndpointConfig(host="192.0.2.1", overloaded=lambda: 6, shedding=(lambda source: True) if unread else None)
    endpoint = Endpoint(config)
    core = endpoint._core
    core._secret, core.refusal_prefix, core.refusal_mark = b"s", "rx-", b";tag=rx-"
    return endpoint


def answers(endpoint: Endpoint, data: bytes) -> list[tuple[bytes, Address]]:
    endpoint.receive(data, CARRIER, 0.0)
    return endpoint.outgoing()


@pytest.mark.parametrize("kind", UNREAD)
def test_unread_or_read_the_refusal_is_the_same(kind: str) -> None:
    data = invite(UNREAD[kind])
    assert glance(data, CARRIER) is not None
    [(said, to)] = answers(busy(unread=True), data)
    assert [(said, to)] == answers(busy(unread=False), data)
    assert parse(said).get("Retry-After") == "6"


@pytest.mark.parametrize("kind", READ)
def test_whatever_is_not_plain_is_read(kind: str) -> None:
    data = invite(READ[kind])
    assert glance(data, CARRIER) is None
    assert answers(busy(unread=True), data) == answers(busy(unread=False), data)


def test_only_datagrams_and_only_an_invite_are_refused_unread() -> None:
    assert glance(invite({}, "OPTIONS"), CARRIER) is None
    assert glance(invite({}), replace(CARRIER, transport=Transport.TCP)) is None
    assert glance(invite({})[:-6], CARRIER) is None
    assert glance(invite({}).replace(b"\r\nTo", b"\nTo"), CARRIER) is None


def test_who_has_been_taken_is_not_refused_when_he_repeats_himself() -> None:
    late = False
    endpoint = Endpoint(EndpointConfig(
        host="192.0.2.1", overloaded=lambda: 6 * late, shedding=lambda source: late))
    endpoint.receive(invite({}), CARRIER, 0.0)
    [invited] = endpoint.events()
    assert isinstance(invited, Invited)
    trying = endpoint.outgoing()
    late = True
    endpoint.receive(invite({}), CARRIER, 0.5)
    assert endpoint.outgoing() == trying


def test_the_ack_of_a_refusal_is_dropped_and_that_of_an_answer_is_not() -> None:
    endpoint = busy(unread=True)
    [(said, _)] = answers(endpoint, invite({}))
    ack = invite({"To": parse(said).get("To"), "CSeq": "7 ACK"}, "ACK")
    read: list[bytes] = []
    endpoint._intake._request = lambda request, *_: read.append(bytes(request))  # type: ignore[method-assign]
    endpoint._intake._let_in = lambda *_: True  # type: ignore[method-assign]
    endpoint.receive(ack, CARRIER, 0.0)
    assert read == []
    endpoint.receive(invite({"To": "<sip:400@us>;tag=t1", "CSeq": "7 ACK"}, "ACK"), CARRIER, 0.0)
    assert len(read) == 1
