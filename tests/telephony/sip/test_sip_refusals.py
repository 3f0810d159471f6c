"""What an endpoint refuses, with which words, and what it keeps of it: nothing."""

from __future__ import annotations

import pytest

from telephony.sip.address import Address
from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Invited, Malformed, Requested
from telephony.sip.message import Request, Response, parse
from tests.telephony.sip.network import ANSWER, STRANGER, Pair, a_request

ALLOWED = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REGISTER, MESSAGE, REFER, NOTIFY"
REFUSED = [
    (a_request("SUBSCRIBE"), 405, ("Allow", ALLOWED)),
    (a_request(Require="100rel, gruu"), 420, ("Unsupported", "gruu")),
    (a_request(target="http://127.0.0.1/"), 416, None),
    (a_request(Max_Forwards="0"), 483, None),
    (a_request(To="<sip:bob@127.0.0.1>;tag=gone"), 481, None),
    (a_request("BYE", To="<sip:bob@127.0.0.1>;tag=gone"), 481, None),
    (a_request("INFO", To="<sip:bob@127.0.0.1>;tag=gone"), 481, None),
    (a_request("CANCEL"), 481, None),
]


def _endpoint(**settings: object) -> Endpoint:
    return Endpoint(EndpointConfig(host="127.0.0.1", user_agent="Hotline", **settings))  # type: ignore[arg-type]


def _said(endpoint: Endpoint) -> Response:
    ((data, destination),) = endpoint.outgoing()
    assert destination == STRANGER
    message = parse(data)
    assert isinstance(message, Response)
    return message


def test_a_registration_may_require_what_the_registrar_knows_and_nothing_else_may() -> None:
    endpoint = _endpoint(registering=("gruu", "path"))
    endpoint.receive(a_request("REGISTER", Require="gruu, 100rel, Path"), STRANGER, 0.0)
    assert [type(event) for event in endpoint.events()] == [Requested]
    for request in (a_request("OPTIONS", Require="gruu"), a_request("REGISTER", Require="gruu, outbound")):
        other = _endpoint(registering=("gruu", "path"))
        other.receive(request, STRANGER, 0.0)
        assert _said(other).status == 420


@pytest.mark.parametrize(("request_", "status", "header"), REFUSED)
def test_refusals_keep_nothing_and_tell_strangers_nothing(
    request_: bytes, status: int, header: tuple[str, str] | None
) -> None:
    endpoint = _endpoint()
    endpoint.receive(request_, STRANGER, 0.0)
    said = _said(endpoint)
    assert said.status == status
    assert said.to_tag
    assert not said.lines("Server")
    assert not said.lines("User-Agent")
    if header is not None:
        assert header in said.fields
    assert not any(endpoint.live().values())
    endpoint.receive(request_, STRANGER, 1.0)  # a repetition hears the same words
    assert _said(endpoint).fields == said.fields
    assert endpoint.events() == []


def test_an_exhausted_request_for_ourselves_is_heard_all_the_same() -> None:
    endpoint = _endpoint()
    endpoint.receive(a_request("OPTIONS", Max_Forwards="0"), STRANGER, 0.0)
    assert [type(event) for event in endpoint.events()] == [Requested]


def test_an_extension_that_is_supported_may_be_required() -> None:
    endpoint = _endpoint(supported=("replaces",))
    endpoint.receive(a_request(Require="replaces"), STRANGER, 0.0)
    assert [type(event) for event in endpoint.events()] == [Invited]


def test_an_unknown_ack_is_never_answered() -> None:
    endpoint = _endpoint()
    endpoint.receive(a_request("ACK"), STRANGER, 0.0)
    endpoint.receive(a_request("ACK", To="<sip:bob@127.0.0.1>;tag=gone"), STRANGER, 0.0)
    assert endpoint.outgoing() == []
    assert endpoint.events() == []


def test_strangers_are_not_admitted() -> None:
    endpoint = _endpoint(admit=lambda request, source: 403 if source == STRANGER else None)
    endpoint.receive(a_request(), STRANGER, 0.0)
    assert _said(endpoint).status == 403
    assert endpoint.events() == []
    assert not any(endpoint.live().values())
    endpoint.receive(a_request(), Address("127.0.0.5", 5060), 0.0)
    assert [type(event) for event in endpoint.events()] == [Invited]


def test_beyond_the_capacity_a_call_is_refused_before_it_is_read_through() -> None:
    endpoint = _endpoint(overloaded=lambda: 7)
    endpoint.receive(a_request(Contact="<<"), STRANGER, 0.0)
    refused = _said(endpoint)
    assert (refused.status, refused.get("Retry-After")) == (503, "7"), "not 400: nobody has looked at Contact"
    assert endpoint.events() == []
    assert not any(endpoint.live().values())


def test_a_stranger_who_was_let_in_is_refused_without_a_trace() -> None:
    endpoint = _endpoint()
    endpoint.receive(a_request(), STRANGER, 0.0)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    endpoint.refuse_statelessly(invited.request, invited.source, 403)
    assert _said(endpoint).status == 403  # and no 100 Trying before it
    assert not any(endpoint.live().values())
    assert endpoint.deadline() is None
    ack = a_request("ACK", To="<sip:bob@127.0.0.1>;tag=any")
    endpoint.receive(ack, STRANGER, 0.0)
    assert endpoint.outgoing() == []
    endpoint.answer(invited.call, ANSWER, 0.0)
    assert endpoint.outgoing() == []


def test_a_request_of_someone_else_in_the_dialog_is_unknown(pair: Pair) -> None:
    pair.talk()
    bye = next(sent.data for sent in pair.net.wire if sent.says == "ACK")
    forged = parse(bye)
    assert isinstance(forged, Request)
    fields = [(name, text.replace(forged.from_tag, "guessed")) for name, text in forged.fields]
    fields = [(name, text.replace("ACK", "BYE") if name == "CSeq" else text) for name, text in fields]
    pair.bob.endpoint.receive(bytes(Request("BYE", forged.target, fields)), STRANGER, pair.net.now)
    assert parse(pair.bob.endpoint.outgoing()[-1][0]).start_line == "SIP/2.0 481 Call/Transaction Does Not Exist"
    assert pair.bob.endpoint.live()["dialogs"] == 1


@pytest.mark.parametrize(
    ("via", "destination"),
    [
        ("SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKa", Address("127.0.0.9", 5060)),
        ("SIP/2.0/UDP 127.0.0.9:5080;branch=z9hG4bKa", Address("127.0.0.9", 5080)),
        ("SIP/2.0/UDP 127.0.0.9:5080;branch=z9hG4bKa;rport", Address("127.0.0.9", 6000)),
        ("SIP/2.0/UDP pc.example.com:5080;branch=z9hG4bKa", Address("127.0.0.9", 5080)),
        ("SIP/2.0/UDP 192.168.1.7:5080;rport;branch=z9hG4bKa", Address("127.0.0.9", 6000)),
        ("SIP/2.0/UDP 1.2.3.4;branch=z9hG4bKa;received=5.6.7.8;rport=1", Address("127.0.0.9", 6000)),
    ],
)
def test_responses_go_where_the_request_came_from(via: str, destination: Address) -> None:
    endpoint = _endpoint()
    endpoint.receive(a_request("SUBSCRIBE", Via=via), Address("127.0.0.9", 6000), 0.0)
    assert [to for _, to in endpoint.outgoing()] == [destination]


def test_an_old_client_without_the_magic_cookie_is_served() -> None:
    endpoint, via = _endpoint(), "SIP/2.0/UDP 127.0.0.9:5060"
    endpoint.receive(a_request(Via=via), STRANGER, 0.0)
    endpoint.receive(a_request(Via=via), STRANGER, 0.1)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    endpoint.reject(invited.call, 486, 1.0)
    endpoint.receive(a_request("ACK", Via=via, To="<sip:bob@127.0.0.1>;tag=any"), STRANGER, 1.1)
    endpoint.tick(6.2)
    assert not any(endpoint.live().values())


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", b"\0\0\0\0"])
def test_keep_alives_are_no_news(data: bytes) -> None:
    endpoint = _endpoint()
    endpoint.receive(data, STRANGER, 0.0)
    assert endpoint.events() == []
    assert endpoint.outgoing() == []


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (a_request(drop="Contact"), "Contact"),
        (a_request(drop="Max-Forwards", CSeq="0 BYE"), "CSeq"),
        (a_request(CSeq="99999999999 INVITE"), "CSeq"),
        (a_request(Contact="<sip:a b>"), "Contact"),
        (a_request(Record_Route="<sip:a"), "Record-Route"),
        (a_request(Max_Forwards="seventy"), "Max-Forwards"),
        (a_request(target="sip:"), "Request-URI"),
    ],
)
def test_a_malformed_request_is_counted_and_its_sender_told(data: bytes, where: str) -> None:
    endpoint = _endpoint()
    endpoint.receive(data, STRANGER, 0.0)
    (event,) = endpoint.events()
    assert isinstance(event, Malformed)
    assert event.problem.startswith(where)
    assert _said(endpoint).start_line == f"SIP/2.0 400 Bad {where}"
    assert not any(endpoint.live().values())


def test_what_cannot_be_answered_is_only_counted() -> None:
    endpoint = _endpoint()
    endpoint.receive(a_request(drop="Via"), STRANGER, 0.0)
    assert [type(event) for event in endpoint.events()] == [Malformed]
    assert endpoint.outgoing() == []


@pytest.mark.parametrize("drop", ["From", "To", "Call-ID", "CSeq"])
def test_a_request_without_a_header_that_it_must_have(drop: str) -> None:
    endpoint = _endpoint()
    endpoint.receive(a_request(drop=drop), STRANGER, 0.0)
    assert [type(event) for event in endpoint.events()] == [Malformed]
    said = _said(endpoint)
    assert said.start_line == f"SIP/2.0 400 Bad {drop}"
    assert said.lines(drop) == []


def test_a_line_break_in_a_header_of_ours_is_never_sent() -> None:
    with pytest.raises(ValueError, match="line break"):
        bytes(Request("INVITE", "sip:a@b", [("Subject", "x\r\nEvil: 1")]))
