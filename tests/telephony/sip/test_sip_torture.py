"""Messages in the manner of RFC 4475, with the outcome that it asks of an endpoint. Written anew for our addresses."""

from __future__ import annotations

import pytest

from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Invited, Malformed, Requested, SipEvent
from telephony.sip.message import Response, parse
from tests.telephony.sip.network import STRANGER, a_request

TORTUOUS = (  # 3.1.1.1 wsinv: every liberty that the grammar allows, at once
    b"INVITE sip:vivekg@127.0.0.1;unknownparam SIP/2.0\r\n"
    b"TO :\r\n sip:vivekg@127.0.0.1 ;   tag    = 1918181833n\r\n"
    b'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@127.0.0.9>\r\n  ;\r\n  tag = 98asjd8\r\n'
    b"MaX-fOrWaRdS: 0068\r\n"
    b"Call-ID: wsinv.ndaksdj@192.0.2.1\r\n"
    b"Content-Length   : 3\r\n"
    b"cseq: 0009\r\n  INVITE\r\n"
    b"Via  : SIP  /   2.0\r\n /UDP\r\n    127.0.0.9;branch=390skdjuw\r\n"
    b"s :\r\n"
    b"NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
    b"UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n"
    b"v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
    b" SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
    b'm:"Quoted string \\"\\"" <sip:jdrosen@127.0.0.9> ; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33\r\n'
    b"\r\nabcdefgh"
)


def hear(data: bytes) -> tuple[list[SipEvent], list[Response]]:
    endpoint = Endpoint(EndpointConfig(host="127.0.0.1"))
    endpoint.receive(data, STRANGER, 0.0)
    said = [parse(sent) for sent, _ in endpoint.outgoing()]
    return endpoint.events(), [message for message in said if isinstance(message, Response)]


def test_a_short_tortuous_invite_is_read_in_every_part() -> None:
    message = parse(TORTUOUS)
    assert message.to_tag == message.to.tag == "1918181833n"
    assert message.from_tag == message.from_.tag == "98asjd8"
    assert message.from_.display == 'J Rosenberg \\"'
    assert (message.cseq.number, message.cseq.method, message.max_forwards) == (9, "INVITE", 68)
    assert (message.via.transport, message.via.host, message.via.branch) == ("UDP", "127.0.0.9", "390skdjuw")
    assert len(message.values("Via")) == 3
    (contact,) = message.contacts
    assert (contact.display, contact.q, contact.param("secondparam")) == ('Quoted string ""', 0.33, "")
    assert message.body == b"abc"
    _, said = hear(TORTUOUS)
    assert [response.status for response in said] == [481]  # it has a To tag and we know no such dialog


VALID = {
    "3.1.1.2 intmeth, unusual but legal characters": a_request(
        "!interesting-Method0123456789_*+`.%indeed'~", CSeq="139122385 !interesting-Method0123456789_*+`.%indeed'~",
        To='"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI~(to-be!sure)&isn\'t+it$/crazy?,/;;*:'
           '&it+has=1,weird!*pas$wo~d_too.(doesn\'t-it)@127.0.0.1>',
    ),
    "3.1.1.3 esc01, escapes in the user part": a_request(
        "OPTIONS", target="sip:sips%3Auser%40example.com@127.0.0.1", To="<sip:%75se%72@127.0.0.1>"
    ),
    "3.1.1.4 escnull, escaped nulls": a_request("REGISTER", To="<sip:null-%00-null@127.0.0.1>"),
    "3.1.1.6 lwsdisp, no space before the bracket": a_request("OPTIONS", From="caller<sip:c@127.0.0.9>;tag=323"),
    "3.1.1.7 longreq, long values": a_request(
        To=f'"I have a user name of {"x" * 600} proportion"<sip:{"y" * 400}@127.0.0.1>', Call_ID="z" * 700
    ),
    "3.1.1.8 dblreq, a second request behind the first": a_request("REGISTER") + a_request("INVITE"),
    "3.1.1.9 semiuri, semicolon in the user part": a_request("OPTIONS", target="sip:user;par=u%40h@127.0.0.1"),
    "3.1.1.10 transports, any transport": a_request("OPTIONS", Via="SIP/2.0/UNKNOWN 127.0.0.9;branch=z9hG4bKu"),
    "3.1.2.4 regescrt, folded and empty parameters": a_request("REGISTER", Contact="<sip:u@127.0.0.9;x>;expires=9"),
    "3.3.11 bext01 without Require, unknown Supported": a_request("OPTIONS", Supported="nothingSupportsThis"),
    "3.3.9 multi-body, other Content-Type": a_request("INVITE", body="<a/>", Content_Type="application/unknown"),
    "3.4.2 novelsc in From, a scheme of others": a_request("OPTIONS", From="<nobodyKnowsThisScheme:x>;tag=1"),
    "3.4.1 inv2543, without magic cookie and Max-Forwards": a_request(drop="Max-Forwards", Via="SIP/2.0/UDP 127.0.0.9"),
}

REFUSED = {
    "3.1.2.1 badinv01, semicolons and commas that mean nothing": (
        a_request(Via="SIP/2.0/UDP 127.0.0.9;branch=z9hG4bKx;;,;,,"), 400),
    "3.1.2.2 clerr, Content-Length beyond the datagram": (
        a_request(body="v=0").replace(b"Content-Length: 3", b"Content-Length: 9999"), 400),
    "3.1.2.3 ncl, negative Content-Length": (
        a_request(body="v=0").replace(b"Content-Length: 3", b"Content-Length: -999"), 400),
    "3.1.2.4 scalar02, numbers beyond their range": (a_request("REGISTER", CSeq="36893488147419103232 REGISTER"), 400),
    "3.1.2.6 quotbal, a quote that is never closed": (a_request(To='"Mr. J. User <sip:j@127.0.0.1>'), 400),
    "3.1.2.7 ltgtruri, brackets around the Request-URI": (a_request(target="<sip:user@127.0.0.1>"), 400),
    "3.1.2.12 baddn, display name that must be quoted": (a_request("OPTIONS", To='Bell, Alexander" <sip:a@b>'), 400),
    "3.1.2.17 mismatch01, CSeq names another method": (a_request("OPTIONS", CSeq="8 INVITE"), 400),
    "3.3.1 insuf, no Call-ID nor From": (a_request(drop="From"), 400),
    "3.3.2 unkscm, unknown scheme in the Request-URI": (a_request(target="nobodyKnowsThisScheme:totallyopaque"), 416),
    "3.3.8 multi01, From and To twice": (
        a_request().replace(b"To: ", b"To: <sip:other@127.0.0.1>\r\nTo: "), 400),
    "3.3.12 bext01, unknown Require": (a_request("OPTIONS", Require="nothingSupportsThis, nothingSupports"), 420),
    "3.3.6 unkm, unknown method": (a_request("NEWMETHOD"), 501),
    "3.4.0 zeromf on INVITE, which would go on": (a_request(Max_Forwards="0"), 483),
}


@pytest.mark.parametrize("data", VALID.values(), ids=VALID.keys())
def test_valid_messages_are_heard(data: bytes) -> None:
    events, said = hear(data)
    assert not any(isinstance(event, Malformed) for event in events), events
    method = data.split(b" ")[0]
    if method.startswith(b"!"):
        assert [response.status for response in said] == [501]  # well formed, only not ours
    else:
        assert [type(event) for event in events] == [Invited if method == b"INVITE" else Requested]


@pytest.mark.parametrize(("data", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_messages_are_refused(data: bytes, status: int) -> None:
    events, said = hear(data)
    assert [response.status for response in said] == [status]
    assert [type(event) for event in events] == ([Malformed] if status == 400 else [])


def test_the_wrong_version_is_refused() -> None:
    events, said = hear(a_request().replace(b"SIP/2.0\r\n", b"SIP/7.0\r\n", 1))
    assert [type(event) for event in events] == [Malformed]
    assert [response.status for response in said] == [505]


def test_a_response_with_an_impossible_status_is_counted() -> None:  # 3.1.2.19 bigcode
    events, _ = hear(b"SIP/2.0 4294967301 better not break the receiver\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n\r\n")
    assert [type(event) for event in events] == [Malformed]
