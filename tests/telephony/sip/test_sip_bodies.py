"""Bodies of INVITE and its kin: the session description, alone or among others (RFC 5621, RFC 3204)."""

from __future__ import annotations

import pytest

from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.errors import SipParseError
from telephony.sip.events import Invited, Malformed
from telephony.sip.message import Request, Response, parse
from tests.telephony.sip.network import STRANGER, a_request

SDP = "v=0\r\ns=-\r\n"
SDP_PART = f"Content-Type: application/sdp\r\n\r\n{SDP}"
PLAIN = "\r\nhello"
ISUP = "Content-Type: application/ISUP;version=itu-t92+\r\n\r\n\x01\x02"
ICON = "Content-Type: image/png\r\nContent-Disposition: icon;handling=optional\r\n\r\n\x89PNG"
PICTURE = "Content-Type: image/png\r\n\r\n\x89PNG"
EARLY = f"content-disposition: early-session;handling=optional\r\n{SDP_PART.replace('s=-', 's=early')}"
FOLDED = f"Content-Type:\r\n application/SDP\r\nX: y\r\n\r\n{SDP}"


def multi(*parts: str, mark: str = "b", end: str = "--") -> str:
    return "".join(f"--{mark}\r\n{part}\r\n" for part in parts) + f"--{mark}{end}\r\n"


INNER = f"Content-Type: multipart/alternative;boundary=i\r\n\r\n{multi(PLAIN, SDP_PART, mark='i')}"

READ: list[tuple[str, str, str, str]] = [
    # (what it shows, Content-Type, body, session)
    ("alone", "application/sdp", SDP, SDP),
    ("with a parameter, in capitals", "Application/SDP; charset=utf-8", SDP, SDP),
    ("first of two", "multipart/mixed;boundary=b", multi(SDP_PART, ICON), SDP),
    ("second of two", "multipart/mixed; boundary=\"b\"", multi(ICON, SDP_PART), SDP),
    ("with what networks add", "multipart/mixed;boundary=b", multi(SDP_PART, ISUP), SDP),
    ("among alternatives", "multipart/alternative;boundary=b", multi(PLAIN, SDP_PART), SDP),
    ("two levels down", "multipart/mixed;boundary=b", multi(ICON, INNER), SDP),
    ("behind a preamble", "multipart/mixed;boundary=b", "for old readers\r\n" + multi(SDP_PART), SDP),
    ("early media's own session is not ours", "multipart/mixed;boundary=b", multi(EARLY, SDP_PART), SDP),
    ("folded headers of a part", "multipart/mixed;boundary=b", multi(FOLDED), SDP),
    ("none, and nothing that had to be understood", "multipart/mixed;boundary=b", multi(ICON, ISUP), ""),
]

REFUSED: list[tuple[str, dict[str, str], str, int]] = [
    ("another type", {"Content_Type": "text/plain"}, "hello", 415),
    ("a part that must be understood", {"Content_Type": "multipart/mixed;boundary=b"}, multi(SDP_PART, PICTURE), 415),
    ("no alternative is understood", {"Content_Type": "multipart/alternative;boundary=b"}, multi(PLAIN), 415),
    ("another purpose", {"Content_Type": "application/sdp", "Content_Disposition": "render"}, SDP, 415),
    ("squeezed", {"Content_Type": "application/sdp", "Content_Encoding": "gzip"}, "xx", 415),
    ("too deep", {"Content_Type": "multipart/mixed;boundary=a"}, multi(
        "Content-Type: multipart/mixed;boundary=c\r\n\r\n" + multi(
            "Content-Type: multipart/mixed;boundary=d\r\n\r\n" + multi(
                "Content-Type: multipart/mixed;boundary=e\r\n\r\n" + multi(SDP_PART, mark="e"),
                mark="d"), mark="c"), mark="a"), 415),
    ("no boundary", {"Content_Type": "multipart/mixed"}, multi(SDP_PART), 400),
    ("no end", {"Content_Type": "multipart/mixed;boundary=b"}, multi(SDP_PART, end=""), 400),
    ("a part without an empty line", {"Content_Type": "multipart/mixed;boundary=b"}, multi("x"), 400),
    ("too many parts", {"Content_Type": "multipart/mixed;boundary=b"}, multi(*[ICON] * 30), 400),
]


@pytest.mark.parametrize(("kind", "body", "session"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_the_session_is_found(kind: str, body: str, session: str) -> None:
    endpoint = Endpoint(EndpointConfig(host="127.0.0.1"))
    endpoint.receive(a_request(body=body, Content_Type=kind), STRANGER, 0.0)
    (invited,) = endpoint.events()
    assert isinstance(invited, Invited)
    assert invited.request.body == session.encode()
    assert invited.request.get("Content-Type") == "application/sdp"


@pytest.mark.parametrize(("headers", "body", "status"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_understood_is_refused(headers: dict[str, str], body: str, status: int) -> None:
    endpoint = Endpoint(EndpointConfig(host="127.0.0.1"))
    endpoint.receive(a_request(body=body, **headers), STRANGER, 0.0)
    ((data, _),) = endpoint.outgoing()
    said = parse(data)
    assert isinstance(said, Response)
    assert said.status == status
    if status == 415:
        assert said.lines("Accept") or said.lines("Accept-Encoding")
    assert not any(isinstance(event, Invited | Malformed) for event in endpoint.events())
    assert not any(endpoint.live().values())


def test_a_message_that_nobody_asked_for_its_session_keeps_its_body() -> None:
    message = parse(a_request("MESSAGE", body="hello", Content_Type="text/plain"))
    assert isinstance(message, Request)
    with pytest.raises(SipParseError) as caught:
        message.unwrap()
    assert caught.value.status == 415
    assert message.body == b"hello"
