"""The grammar: whatever is written can be read again, and nothing that comes in breaks the reader."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.errors import SipParseError
from telephony.sip.events import Malformed
from telephony.sip.grammar import quote, split_list, unquote
from telephony.sip.headers import Challenge, Contact, CSeq, NameAddr, Via
from telephony.sip.message import Request, Response, parse
from telephony.sip.names import COMPACT
from telephony.sip.uri import Uri
from tests.telephony.sip.network import STRANGER, a_request

tokens = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-.!%*_+`'~", min_size=1, max_size=12)
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
hosts = st.sampled_from(["example.com", "192.0.2.1", "[2001:db8::1]", "a-b.c"])
ports = st.none() | st.integers(0, 65535)
names = tokens.map(str.lower)
values = st.none() | tokens | texts.map(quote)
params = st.lists(st.tuples(names, values), max_size=3, unique_by=lambda item: item[0]).map(tuple)
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=15)
uri_names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).map(str.lower)
uri_params = st.lists(
    st.tuples(uri_names, st.none() | anything), max_size=3, unique_by=lambda item: item[0]
).map(tuple)
users = anything.filter(bool)
passwords = st.text("abcXYZ019-_.!~*'()&=+$,%", max_size=8)
uri_headers = st.text("abcXYZ019-_.!~*'()[]/?:+$=&%", max_size=12)
schemes = st.sampled_from(["sip", "sips"])
sip_uris = st.builds(Uri, hosts, users, ports, schemes, uri_params, uri_headers, passwords)
addresses = st.builds(NameAddr, sip_uris, texts.map(str.strip), params)
auth_params = st.lists(st.tuples(names, tokens | texts.map(quote)), min_size=1, max_size=4).map(tuple)
other_fields = st.lists(st.tuples(st.sampled_from(["Subject", "X-Any", "Reason"]), texts.map(str.strip)))
vias = st.builds(Via, st.sampled_from(["UDP", "TCP", "TLS"]), hosts, ports, params, st.sampled_from(["2.0", "7.0"]))


@given(sip_uris)
def test_uris_are_read_as_written(uri: Uri) -> None:
    assert Uri.parse(str(uri)) == uri


@given(addresses)
def test_addresses_are_read_as_written(address: NameAddr) -> None:
    assert NameAddr.parse(str(address)) == address


@given(st.lists(addresses, min_size=1, max_size=4))
def test_lists_are_split_where_they_were_joined(several: list[NameAddr]) -> None:
    line = ", ".join(map(str, several))
    assert [NameAddr.parse(item) for item in split_list(line, "Route")] == several


@given(vias)
def test_hops_are_read_as_written(via: Via) -> None:
    assert Via.parse(str(via)) == via


@given(st.builds(CSeq, st.integers(0, 2**31 - 1), tokens))
def test_sequence_numbers_are_read_as_written(cseq: CSeq) -> None:
    assert CSeq.parse(str(cseq)) == cseq


@given(st.builds(Challenge, tokens, auth_params))
def test_challenges_are_read_as_written(challenge: Challenge) -> None:
    assert Challenge.parse(str(challenge)) == challenge


@given(texts)
def test_quoting_is_undone(text: str) -> None:
    assert unquote(quote(text)) == text


@given(tokens, sip_uris, other_fields, st.binary())
def test_requests_are_read_as_written(method: str, uri: Uri, fields: list[tuple[str, str]], body: bytes) -> None:
    again = parse(bytes(Request(method, str(uri), fields, body)))
    assert isinstance(again, Request)
    assert (again.method, again.uri, again.body) == (method, uri, body)
    for name in ("Subject", "X-Any", "Reason"):
        assert again.lines(name) == [value for key, value in fields if key == name]


@given(st.integers(100, 699), texts, st.binary())
def test_responses_are_read_as_written(status: int, reason: str, body: bytes) -> None:
    again = parse(bytes(Response(status, reason, [], body)))
    assert isinstance(again, Response)
    assert (again.status, again.reason, again.body) == (status, reason, body)


@given(st.binary(max_size=300))
def test_random_bytes_are_counted_and_nothing_else(data: bytes) -> None:
    endpoint = Endpoint(EndpointConfig(host="127.0.0.1"))
    endpoint.receive(data, STRANGER, 0.0)
    assert all(isinstance(event, Malformed) for event in endpoint.events())
    assert not any(endpoint.live().values())


@settings(max_examples=300)
@given(st.data())
def test_a_message_with_any_bytes_changed_never_breaks_the_endpoint(data: st.DataObject) -> None:
    message = bytearray(a_request(data.draw(st.sampled_from(["INVITE", "BYE", "CANCEL", "ACK", "REGISTER"])),
                                  Record_Route="<sip:p;lr>", Require="a", Expires="5"))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3) | st.sampled_from(
            [b"\r\n", b'"', b"<", b">", b";", b",", b":", b"\r\n ", b"=", b"%"]))
    endpoint = Endpoint(EndpointConfig(host="127.0.0.1"))
    endpoint.receive(bytes(message), STRANGER, 0.0)
    endpoint.receive(bytes(message), STRANGER, 0.1)
    for moment in (1.0, 40.0, 80.0):
        endpoint.tick(moment)
    assert endpoint.live()["transactions"] <= 1


@given(st.sampled_from([NameAddr.parse, Contact.parse, Via.parse, CSeq.parse, Challenge.parse, Uri.parse]), st.text())
def test_any_text_is_read_or_refused(reader: Callable[[str], object], text: str) -> None:
    with suppress(SipParseError):
        assert reader(text) is not None


@pytest.mark.parametrize("text", ['"' * 5000, "<" * 5000, '"\\' * 5000, "," * 5000, ";a=" * 3000, '<a>;b="' * 2000])
def test_hostile_lines_take_linear_time(text: str) -> None:
    # A pattern that backtracks would need hours for these.
    for reader in (NameAddr.parse, Via.parse, Challenge.parse, Uri.parse):
        with pytest.raises(SipParseError):
            reader(text)


def _least(data: bytes) -> float:
    """CPU seconds to hear it, by the best of five."""
    spent = []
    for _ in range(5):
        endpoint = Endpoint(EndpointConfig(host="127.0.0.1", max_message=10**7, max_fields=10**6))
        begun = time.process_time()
        endpoint.receive(data, STRANGER, 0.0)
        spent.append(time.process_time() - begun)
    return min(spent)


@pytest.mark.parametrize(
    "hostile",
    [
        lambda n: a_request(To="<sip:a@b>;tag=" + '"' * n),
        lambda n: a_request(Contact="<sip:a@b>" + ",<sip:a@b>" * (n // 10)),
        lambda n: a_request(From='"' + "\\\\" * (n // 2) + '" <sip:a@b>;tag=x'),
        lambda n: a_request(Via="SIP/2.0/UDP a" + ";b=c" * (n // 4)),
        lambda n: a_request(target="sip:" + "a:" * (n // 2) + "@b"),
        lambda n: a_request(CSeq="1" * n + " INVITE"),
        lambda n: a_request(Subject="a\r\n b" * (n // 5)),
        lambda n: a_request(Require="a, " * (n // 3)),
        lambda n: a_request(body=("--b\r\n\r\n" * (n // 7)), Content_Type="multipart/mixed;boundary=b"),
        lambda n: a_request(body="m=audio 1 RTP/AVP " + "8 " * (n // 2), Content_Type="application/sdp"),
        lambda n: a_request().replace(b"\r\n\r\n", b"\r\n" + b"A: b\r\n" * (n // 6) + b"\r\n"),
    ],
)
def test_the_time_to_hear_a_message_grows_as_its_length(hostile: Callable[[int], bytes]) -> None:
    # Eight times the length: linear time is eightfold, quadratic time sixty-four-fold.
    shorter, longer = hostile(6_000), hostile(48_000)
    assert _least(longer) < 24 * _least(shorter) + 0.02


# -- spellings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:alice@atlanta.com", Uri("atlanta.com", "alice")),
        (
            "sip:alice:secret@atlanta.com;transport=tcp",
            Uri("atlanta.com", "alice", params=(("transport", "tcp"),), password="secret"),
        ),
        (
            "sips:alice@atlanta.com?subject=project%20x",
            Uri("atlanta.com", "alice", scheme="sips", headers="subject=project%20x"),
        ),
        (
            "sip:+1-212-555-1212:1234@gateway.com;user=phone",
            Uri("gateway.com", "+1-212-555-1212", params=(("user", "phone"),), password="1234"),
        ),
        ("SIP:%61lice@[2001:DB8::1]:5070", Uri("[2001:db8::1]", "alice", 5070)),
        ("sip:a;day=tuesday@b", Uri("b", "a;day=tuesday")),
        ("sip:sips%3Auser%40x@b", Uri("b", "sips:user@x")),
        (
            "tel:+86-10-6552-9988;phone-context=example.com",
            Uri("", "+86-10-6552-9988", scheme="tel", params=(("phone-context", "example.com"),)),
        ),
        ("urn:service:sos", Uri("", "service:sos", None, "urn")),
    ],
)
def test_uris(text: str, uri: Uri) -> None:
    assert Uri.parse(text) == uri
    assert Uri.parse(str(uri)) == uri


@pytest.mark.parametrize(
    "text", ["", "sip:", "alice", "sip:a@", "sip:a b@c", "sip:a@b:x", "sip:a@b:70000", "sip:[::1", "sip:a@b c"]
)
def test_what_is_no_uri(text: str) -> None:
    with pytest.raises(SipParseError):
        Uri.parse(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", True),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", True),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", True),
        ("sip:ALICE@AtLanTa.CoM", "sip:alice@AtLanTa.CoM", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", False),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", False),
        ("sip:carol@chicago.com", "sips:carol@chicago.com", False),
    ],
)
def test_uris_are_compared_as_section_19_1_4_says(one: str, other: str, same: bool) -> None:
    assert Uri.parse(one).matches(Uri.parse(other)) is same
    assert Uri.parse(other).matches(Uri.parse(one)) is same


@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        ('"A. G. Bell" <sip:agb@bell-telephone.com> ;tag=a48s', "A. G. Bell", "sip:agb@bell-telephone.com", "a48s"),
        ("sip:+12125551212@server.phone2net.com;tag=887s", "", "sip:+12125551212@server.phone2net.com", "887s"),
        ("Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8", "Anonymous", "sip:c8oqz84zk7z@privacy.org", "hyh8"),
        ('"Joe \\"x\\" <;tag=no>" <sip:joe@b;tag=uri>', 'Joe "x" <;tag=no>', "sip:joe@b;tag=uri", ""),
        ("王小明 <sip:8001@b>", "王小明", "sip:8001@b", ""),
        ("<tel:+8613800138000>;TAG = x", "", "tel:+8613800138000", "x"),
    ],
)
def test_addresses(text: str, display: str, uri: str, tag: str) -> None:
    address = NameAddr.parse(text)
    assert (address.display, str(address.uri), address.tag) == (display, uri, tag)
    message = parse(a_request(From=text))
    assert message.from_tag == tag


@pytest.mark.parametrize("short", COMPACT)
def test_compact_names(short: str) -> None:
    text = f"OPTIONS sip:a SIP/2.0\r\n{short.upper()} : 0\r\n\r\n".encode()
    assert parse(text).fields == ((COMPACT[short], "0"),)


def test_lines_are_unfolded_and_values_collected() -> None:
    text = (b"\r\nOPTIONS sip:a SIP/2.0\r\nsubject: one\r\n  two\r\n\tthree\r\n"
            b"v: SIP/2.0/UDP a,\r\n SIP / 2.0 / UDP b\r\n"
            b'VIA: SIP/2.0/UDP c\r\nContact: "x, y" <sip:a,b@c>, <sip:d>\r\n\r\n')
    message = parse(text)
    assert message.get("Subject") == "one two three"
    assert [Via.parse(item).host for item in message.values("Via")] == ["a", "b", "c"]
    assert [contact.uri.user for contact in message.contacts] == ["a,b", ""]
    assert message.get("sUBJECT") == "one two three"


def test_a_body_ends_where_content_length_says() -> None:
    head = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: %s\r\n\r\nabcdef"
    assert parse(head % b"3").body == b"abc"
    assert parse(b"OPTIONS sip:a SIP/2.0\r\n\r\nabcdef").body == b"abcdef"
    for wrong in (b"7", b"-1", b"x", b"99999999999"):
        with pytest.raises(SipParseError, match="Content-Length"):
            parse(head % wrong)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"hello", b"OPTIONS sip:a SIP/2.0", b"OPTIONS sip:a SIP/2.0\nVia: x\n\n",
        b"OPTIONS sip:a HTTP/1.1\r\n\r\n",
        b"OPTIONS SIP/2.0\r\n\r\n", b"OPTIONS\r\n\r\n", b"OPTIONS sip:a SIP/2.0\r\n folded\r\n\r\n",
        b"OP(TIONS sip:a SIP/2.0\r\n\r\n",
        b"SIP/2.0 99 Low\r\n\r\n", b"SIP/2.0 700 High\r\n\r\n", b"SIP/2.0 2e2 OK\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nno colon\r\n\r\n", b"OPTIONS sip:a SIP/2.0\r\n: empty\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nA: b\rC: d\r\n\r\n",
    ],
)
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(SipParseError):
        parse(data)


def test_sizes_are_limited() -> None:
    with pytest.raises(SipParseError, match="bytes are more"):
        parse(a_request(Subject="x" * 2000), max_message=2000)
    with pytest.raises(SipParseError, match="header lines are more"):
        parse(a_request(), max_fields=5)


def test_what_is_not_utf_8_survives_a_round_trip() -> None:
    data = a_request(Subject="x").replace(b"Subject: x", b"Subject: \xff\xfe")
    assert b"Subject: \xff\xfe" in bytes(parse(data))


def test_a_message_does_not_show_its_numbers() -> None:
    assert "13800138000" not in repr(parse(a_request(target="sip:13800138000@a", From="<sip:13800138000@b>;tag=1")))
