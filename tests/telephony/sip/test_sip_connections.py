"""Reliable transports, without a socket: nothing is sent twice, and everything finds its connection."""

from __future__ import annotations

import pytest

from telephony.sip.address import Address, Transport
from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Disconnected, Failed, Invited, Responded
from telephony.sip.headers import NameAddr
from telephony.sip.message import Request, parse
from telephony.sip.uri import Uri
from tests.telephony.sip.network import ANSWER, OFFER, T1, a_request, words

TCP = Transport.TCP
PHONE = Address("127.0.0.9", 40000, TCP)
LISTENS = Address("127.0.0.9", 5060, TCP)
VIA = "SIP/2.0/TCP 127.0.0.9:5060;branch=z9hG4bK"
ME = NameAddr.parse("<sip:me@127.0.0.1>")


def endpoint(**settings: object) -> Endpoint:
    return Endpoint(EndpointConfig(host="127.0.0.1", **settings))  # type: ignore[arg-type]


def sent(endpoint: Endpoint) -> list[tuple[str, Address]]:
    return [(words(data), to) for data, to in endpoint.outgoing()]


def later(endpoint: Endpoint, seconds: float = 400 * T1) -> None:
    """Tick at every deadline until then."""
    while (due := endpoint.deadline()) is not None and due <= seconds:
        endpoint.tick(due)


def in_call(endpoint: Endpoint, contact: str = "<sip:eve@127.0.0.9;transport=tcp>", via: str = VIA) -> str:
    """A call that came over TCP; our key of it."""
    endpoint.receive(a_request(Via=f"{via}i", Contact=contact), PHONE, 0.0)
    invited = next(event for event in endpoint.events() if isinstance(event, Invited))
    endpoint.answer(invited.call, ANSWER, 0.0)
    answer = parse(endpoint.outgoing()[-1][0])
    ack = a_request("ACK", Via=f"{via}a", To=answer.get("To"), CSeq="1 ACK")
    endpoint.receive(ack, PHONE, 0.0)
    endpoint.outgoing()
    return invited.call


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_request_goes_out_once_and_fails_when_nothing_comes(method: str) -> None:
    ours, target = endpoint(), Uri.parse("sip:bob@127.0.0.9;transport=tcp")
    if method == "INVITE":
        ours.invite(target, LISTENS, from_=ME, body=OFFER, now=0.0)
    else:
        ours.send_request(method, target, LISTENS, from_=ME, now=0.0)
    later(ours)
    assert sent(ours) == [(method, LISTENS)]
    statuses = [e.status if isinstance(e, Failed) else e.response.status for e in ours.events()
                if isinstance(e, Failed | Responded)]
    assert statuses == [408]
    assert not any(ours.live().values())


def test_a_refusal_goes_out_once_and_nothing_waits_for_what_cannot_come_again() -> None:
    ours = endpoint()
    ours.receive(a_request(Via=f"{VIA}i"), PHONE, 0.0)
    invited = next(event for event in ours.events() if isinstance(event, Invited))
    ours.reject(invited.call, 486, 0.0)
    refusal = parse(ours.outgoing()[-1][0])
    later(ours, 10.0)
    assert sent(ours) == []
    ours.receive(a_request("ACK", Via=f"{VIA}i", To=refusal.get("To"), CSeq="1 ACK"), PHONE, 10.0)
    ours.tick(10.0)
    assert not any(ours.live().values())


def test_via_and_contact_name_the_transport() -> None:
    ours = endpoint()
    ours.invite(Uri.parse("sip:bob@127.0.0.9;transport=tcp"), LISTENS, from_=ME, body=OFFER, now=0.0)
    request = parse(ours.outgoing()[0][0])
    assert request.via.transport == "TCP"
    assert request.get("Contact") == "<sip:127.0.0.1:5060;transport=tcp>"


@pytest.mark.parametrize("contact", [
    "<sip:eve@127.0.0.9:40000;transport=tcp>",  # the connection's own port
    "<sip:eve@127.0.0.9;transport=tcp>",  # the port that Via names
    "<sip:eve@127.0.0.9>",  # says nothing of TCP, and speaks it
    "<sip:eve@phone.example.com;transport=tcp>",  # nobody here looks up names
])
def test_a_dialog_uses_the_connection_that_its_peer_opened(contact: str) -> None:
    ours = endpoint()
    ours.bye(in_call(ours, contact), 1.0)
    assert sent(ours) == [("BYE", PHONE)]


@pytest.mark.parametrize(("contact", "to"), [
    ("<sip:eve@127.0.0.9;transport=tcp>", LISTENS),
    ("<sip:eve@127.0.0.9:5066;transport=tcp>", Address("127.0.0.9", 5066, TCP)),
    ("<sips:eve@127.0.0.9>", Address("127.0.0.9", 5061, Transport.TLS)),
])
def test_without_its_connection_a_dialog_goes_to_the_contact(contact: str, to: Address) -> None:
    ours = endpoint()
    call = in_call(ours, contact)
    ours.disconnected(PHONE, 1.0)
    assert ours.events()[-1] == Disconnected(PHONE)
    ours.bye(call, 1.0)
    assert sent(ours) == [("BYE", to)]


def test_a_response_whose_connection_is_closed_goes_to_where_via_listens() -> None:
    ours = endpoint()
    ours.receive(a_request(Via=f"{VIA}i"), PHONE, 0.0)
    invited = next(event for event in ours.events() if isinstance(event, Invited))
    assert sent(ours) == [("100 INVITE", PHONE)]
    ours.disconnected(PHONE, 1.0)
    ours.answer(invited.call, ANSWER, 1.0)
    assert sent(ours) == [("200 INVITE", LISTENS)]


def test_what_waits_for_a_connection_fails_with_it() -> None:
    ours = endpoint()
    ours.send_request("OPTIONS", Uri.parse("sip:127.0.0.9;transport=tcp"), LISTENS, from_=ME, now=0.0)
    ours.disconnected(LISTENS, 0.1)
    assert [event.response.status for event in ours.events() if isinstance(event, Responded)] == [503]


@pytest.mark.parametrize("others", [0, 200])
def test_a_connection_that_closes_costs_the_same_however_many_there_are(
    others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = endpoint()
    for number in range(others):
        at = Address("127.0.1.1", 1024 + number, TCP)
        ours.send_request("OPTIONS", Uri.at(at), at, from_=ME, now=0.0)
        ours.receive(a_request(Via=f"{VIA}o{number}", From=f"<sip:{number}@x>;tag={number}"), at, 0.0)
    ours.events()
    call = in_call(ours)
    looked_at: list[Address] = []

    def place(self: Address) -> Address:
        looked_at.append(self)
        return Address(self.host, self.port, self.transport)

    monkeypatch.setattr(Address, "place", property(place))
    assert ours.needs(PHONE)
    assert not ours.needs(LISTENS)
    ours.disconnected(PHONE, 1.0)
    assert len(looked_at) < 20
    assert ours.needs(PHONE), "the call goes on"
    ours.bye(call, 1.0)
    later(ours)
    assert not ours.needs(PHONE)


PEER = Address("127.0.0.9", 5060)


@pytest.mark.parametrize(("target", "subject", "streams", "transport"), [
    ("sip:bob@127.0.0.9", 1300, True, TCP),
    ("sip:bob@carrier.example.com", 1300, True, TCP),
    ("sip:bob@127.0.0.9", 100, True, Transport.UDP),
    ("sip:bob@127.0.0.9", 1300, False, Transport.UDP),
    ("sip:bob@192.168.1.7:5062", 1300, True, Transport.UDP),  # behind NAT: there is but the one way back
])
def test_a_large_request_prefers_tcp(target: str, subject: int, streams: bool, transport: Transport) -> None:
    ours = endpoint(streams=streams)
    ours.send_request("OPTIONS", Uri.parse(target), PEER, from_=ME, headers=[("Subject", "x" * subject)], now=0.0)
    ((data, to),) = ours.outgoing()
    assert to == Address(PEER.host, PEER.port, transport)
    assert parse(data).via.transport == transport


def test_a_large_request_falls_back_to_udp_where_tcp_is_refused() -> None:
    ours = endpoint(streams=True)
    ours.invite(Uri.parse("sip:bob@127.0.0.9"), PEER, from_=ME, body=OFFER, headers=[("Subject", "x" * 1300)], now=0.0)
    ((over_tcp, to),) = ours.outgoing()
    ours.unreachable(to, 0.1)
    ((over_udp, again),) = ours.outgoing()
    assert again == PEER
    first, second = parse(over_tcp), parse(over_udp)
    assert isinstance(second, Request)
    assert (first.via.transport, second.via.transport) == ("TCP", "UDP")
    assert first.via.branch == second.via.branch
    ours.tick(0.1 + T1)
    assert sent(ours) == [("INVITE", PEER)], "over UDP it is repeated"
    ours.unreachable(PEER, 1.0)
    assert [event.status for event in ours.events() if isinstance(event, Failed)] == [503]
