"""The torture messages of RFC 4475 and RFC 5118 through a whole endpoint, a row each, with the outcome that the RFC
asks for. Where it leaves a choice (reject, or be liberal), the row's comment says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Invited, Malformed, Requested, SipEvent
from telephony.sip.headers import NameAddr, Via
from telephony.sip.message import Request, Response, parse
from tests.telephony.sip.network import STRANGER

WIRE = Path(__file__).parents[2] / "wire"

Outcome = int | type[SipEvent] | None
"""A final status that refuses it, the event that hands it on, or None: it is dropped."""

RFC4475: dict[str, tuple[str, Outcome]] = {
    "wsinv": ("3.1.1.1", 481),  # well formed; its To tag names a dialog that is none of ours
    "intmeth": ("3.1.1.2", 501),
    "esc01": ("3.1.1.3", Invited),
    "escnull": ("3.1.1.4", Requested),
    "esc02": ("3.1.1.5", 501),
    "lwsdisp": ("3.1.1.6", Requested),
    "longreq": ("3.1.1.7", Invited),
    "dblreq": ("3.1.1.8", Requested),
    "semiuri": ("3.1.1.9", Requested),
    "transports": ("3.1.1.10", Requested),
    "mpart01": ("3.1.1.11", Requested),
    "unreason": ("3.1.1.12", None),  # well formed; answers nothing that we asked
    "noreason": ("3.1.1.13", None),
    "badinv01": ("3.1.2.1", 400),
    "clerr": ("3.1.2.2", 400),
    "ncl": ("3.1.2.3", 400),
    "scalar02": ("3.1.2.4", 400),
    "scalarlg": ("3.1.2.5", Malformed),
    "quotbal": ("3.1.2.6", 400),
    "ltgtruri": ("3.1.2.7", 400),
    "lwsruri": ("3.1.2.8", 400),
    "lwsstart": ("3.1.2.9", Invited),  # or 400
    "trws": ("3.1.2.10", Requested),  # or 400
    "escruri": ("3.1.2.11", Invited),  # or 400: the escaped headers are ignored
    "baddate": ("3.1.2.12", Invited),  # nobody reads its date
    "regbadct": ("3.1.2.13", 400),
    "badaspec": ("3.1.2.14", Requested),  # or 400: the spaces are ignored
    "baddn": ("3.1.2.15", 400),
    "badvers": ("3.1.2.16", 505),
    "mismatch01": ("3.1.2.17", 400),
    "mismatch02": ("3.1.2.18", 501),  # or 400
    "bigcode": ("3.1.2.19", Malformed),
    "badbranch": ("3.2.1", Requested),  # or 400: it is told apart as RFC 2543 did
    "insuf": ("3.3.1", 400),
    "unkscm": ("3.3.2", 416),
    "novelsc": ("3.3.3", 416),
    "unksm2": ("3.3.4", Requested),  # the registrar's part, see below
    "bext01": ("3.3.5", 420),
    "invut": ("3.3.6", 415),
    "regaut01": ("3.3.7", Requested),
    "multi01": ("3.3.8", 400),
    "mcl01": ("3.3.9", 400),
    "bcast": ("3.3.10", None),
    "zeromf": ("3.3.11", Requested),
    "cparam01": ("3.3.12", Requested),
    "cparam02": ("3.3.13", Requested),
    "regescrt": ("3.3.14", Requested),
    "sdp01": ("3.3.15", 406),  # or 400
    "inv2543": ("3.4.1", Invited),
}

RFC5118: dict[str, tuple[str, Outcome]] = {
    "ipv6-good": ("4.1", Requested),
    "ipv6-bad": ("4.2", 400),
    "port-ambiguous": ("4.3", Requested),
    "port-unambiguous": ("4.4", Requested),
    "via-received-param-with-delim": ("4.5", 481),  # a BYE of no dialog of ours
    "via-received-param-no-delim": ("4.5", Requested),
    "ipv6-in-sdp": ("4.6", Invited),
    "mult-ip-in-header": ("4.7", 481),
    "mult-ip-in-sdp": ("4.8", Invited),
    "ipv4-mapped-ipv6": ("4.9", Invited),
    "ipv6-bug-abnf-3-colons": ("4.10", Requested),
    "ipv6-correct-abnf-2-colons": ("4.10", Requested),
}

ROWS = [
    pytest.param(WIRE / folder / f"{name}.sip", outcome, id=f"{section} {name}")
    for folder, table in (("rfc4475", RFC4475), ("rfc5118", RFC5118))
    for name, (section, outcome) in table.items()
]


def hear(data: bytes) -> tuple[list[SipEvent], list[Response]]:
    endpoint = Endpoint(EndpointConfig(host="127.0.0.1"))
    endpoint.receive(data, STRANGER, 0.0)
    said = [parse(sent) for sent, _ in endpoint.outgoing()]
    return endpoint.events(), [message for message in said if isinstance(message, Response)]


@pytest.mark.parametrize(("path", "outcome"), ROWS)
def test_the_outcome_that_the_rfc_asks_for(path: Path, outcome: Outcome) -> None:
    events, said = hear(path.read_bytes())
    handed_on = [event for event in events if not isinstance(event, Malformed)]
    if isinstance(outcome, int):
        assert [response.status for response in said] == [outcome]
        assert handed_on == []
        assert (outcome in (400, 505)) == bool(events), "what is no SIP is counted, what is not for us is not"
    else:
        assert [response.status for response in said] == ([100] if outcome is Invited else [])
        assert [type(event) for event in events] == ([] if outcome is None else [outcome])


def test_every_message_has_its_row() -> None:
    for folder, table in (("rfc4475", RFC4475), ("rfc5118", RFC5118)):
        assert {path.stem for path in (WIRE / folder).glob("*.sip")} == set(table)
    assert len(RFC4475) == 49


# -- what the accepted ones must be read as ---------------------------------------------------------------------------

READ: list[tuple[str, Callable[[Request], object], object]] = [
    ("wsinv", lambda m: (m.to_tag, m.to.tag, m.from_tag, m.from_.display), (
        "1918181833n", "1918181833n", "98asjd8", 'J Rosenberg \\"')),
    ("wsinv", lambda m: (m.cseq.number, m.cseq.method, m.max_forwards, m.get("Subject")), (9, "INVITE", 68, "")),
    ("wsinv", lambda m: [(hop.transport, hop.host, hop.branch) for hop in map(Via.parse, m.values("Via"))], [
        ("UDP", "192.0.2.2", "390skdjuw"), ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239")]),
    ("wsinv", lambda m: [(c.display, c.q, c.param("newparam"), c.param("secondparam")) for c in m.contacts], [
        ('Quoted string ""', 0.33, "newvalue", "")]),
    ("wsinv", lambda m: (m.uri.user, m.uri.params), ("vivekg", (("unknownparam", None),))),
    ("wsinv", lambda m: [NameAddr.parse(text).uri.params for text in m.values("Route")], [
        (("lr", None), ("unknownwith", "value"), ("unknown-no-value", None))]),
    ("wsinv", lambda m: m.get("UnknownHeaderWithUnusualValue"), ";;,,;;,;"),
    ("wsinv", lambda m: m.get("NewFangledHeader"), "newfangled value continued newfangled value"),
    ("intmeth", lambda m: (m.method, m.cseq.number), ("!interesting-Method0123456789_*+`.%indeed'~", 139122385)),
    ("intmeth", lambda m: (m.to.display, m.to.uri.user), (
        "BEL:\x07 NUL:\x00 DEL:\x7f", "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")),
    ("intmeth", lambda m: (m.uri.user, m.uri.password, m.uri.host), (
        "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*", "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)",
        "example.com")),
    ("intmeth", lambda m: (m.from_.display, m.from_.param("fromparam''~+*_!.-%"), m.from_tag), (
        "token1~` token2'+_ token3*%!.-", "работающий", "_token~1'+`*%!-.")),
    ("intmeth", lambda m: m.get("extensionHeader-!.%*+_`'~").strip("\ufeff"), "大停電"),
    ("esc01", lambda m: (m.uri.user, m.uri.host, m.to.uri.user, m.from_.uri.user), (
        "sips:user@example.com", "example.net", "user", "I have spaces")),
    ("esc01", lambda m: (m.contacts[0].uri.user, m.contacts[0].uri.params), (
        "caller", (("lr", None), ("name", "value%41")))),
    ("escnull", lambda m: (m.to.uri.user, [c.uri.user for c in m.contacts]), ("null-\0-null", ["\0", "\0\0"])),
    ("esc02", lambda m: (m.method, m.to.display, [c.uri.user for c in m.contacts]), (
        "RE%47IST%45R", "%Z%45", ["alias1", "alias3"])),
    ("lwsdisp", lambda m: (m.from_.display, m.from_.uri.user), ("caller", "caller")),
    ("longreq", lambda m: (len(m.from_tag), len(m.lines("Via")), len(m.call_id)), (155, 34, 141)),
    ("dblreq", lambda m: (m.method, m.body), ("REGISTER", b"")),
    ("semiuri", lambda m: (m.uri.user, m.uri.host, m.uri.params), ("user;par=u@example.net", "example.com", ())),
    ("transports", lambda m: [Via.parse(text).transport for text in m.values("Via")], [
        "UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]),
    ("mpart01", lambda m: (len(m.body), m.body.count(b"\0") > 0), (553, True)),
    ("badaspec", lambda m: (m.to.display, str(m.to.uri)), ("Watson, Thomas", "sip:t.watson@example.org")),
    ("trws", lambda m: (m.target, m.version), ("sip:remote-target@example.com", "2.0")),
    ("lwsstart", lambda m: (m.target, m.version), ("sip:user@example.com", "2.0")),
    ("zeromf", lambda m: m.max_forwards, 0),
    ("cparam01", lambda m: [(c.params, c.uri.params) for c in m.contacts], [((("unknownparam", None),), ())]),
    ("cparam02", lambda m: [(c.params, c.uri.params) for c in m.contacts], [((), (("unknownparam", None),))]),
    ("regescrt", lambda m: str(m.contacts[0].uri), "sip:user@example.com?Route=%3Csip:sip.example.com%3E"),
    ("unksm2", lambda m: (m.to.uri.scheme, m.from_.uri.scheme, m.contacts[0].uri.scheme), ("isbn", "http", "name")),
    ("regaut01", lambda m: m.get("Authorization").partition(" ")[0], "NoOneKnowsThisScheme"),
    ("inv2543", lambda m: (m.from_tag, m.via.branch, m.max_forwards, m.body[:3]), ("", "", 70, b"v=0")),
    ("ipv6-good", lambda m: (m.uri.literal, m.via.host), ("2001:db8::10", "[2001:db8::9:1]")),
    ("port-ambiguous", lambda m: (m.uri.literal, m.uri.port), ("2001:db8::10:5070", None)),
    ("port-unambiguous", lambda m: (m.uri.literal, m.uri.port), ("2001:db8::10", 5070)),
    ("via-received-param-with-delim", lambda m: m.via.reply_to().host, "2001:db8::9:255"),
    ("via-received-param-no-delim", lambda m: m.via.reply_to().host, "2001:db8::9:255"),
    ("mult-ip-in-header", lambda m: (m.via.host, m.via.port, len(m.lines("Via"))), ("[2001:db8::9:1]", 6050, 3)),
    ("ipv4-mapped-ipv6", lambda m: m.contacts[0].uri.literal, "::ffff:192.0.2.2"),
    ("ipv6-bug-abnf-3-colons", lambda m: m.uri.literal, "2001:db8::192.0.2.1"),
    ("ipv6-correct-abnf-2-colons", lambda m: m.uri.literal, "2001:db8::192.0.2.1"),
]


@pytest.mark.parametrize(("name", "read", "value"), READ, ids=[f"{at} {row[0]}" for at, row in enumerate(READ)])
def test_accepted_messages_are_read_as_meant(name: str, read: Callable[[Request], object], value: object) -> None:
    (path,) = WIRE.glob(f"rfc*/{name}.sip")
    message = parse(path.read_bytes())
    assert isinstance(message, Request)
    assert read(message) == value


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [("unreason", 200, "= 2**3 * 5**2 но сто девяносто девять - простое"), ("noreason", 100, "")],
)
def test_reason_phrases_may_be_anything(name: str, status: int, reason: str) -> None:
    response = parse((WIRE / "rfc4475" / f"{name}.sip").read_bytes())
    assert isinstance(response, Response)
    assert (response.status, response.reason) == (status, reason)


def test_what_a_refusal_lists() -> None:
    _, (unsupported,) = hear((WIRE / "rfc4475/bext01.sip").read_bytes())
    assert unsupported.get("Unsupported") == "nothingSupportsThis, nothingSupportsThisEither"
    _, (unknown,) = hear((WIRE / "rfc4475/intmeth.sip").read_bytes())
    assert "INVITE" in unknown.get("Allow")
    _, (media,) = hear((WIRE / "rfc4475/invut.sip").read_bytes())
    assert "application/sdp" in media.get("Accept")


def test_a_bare_cookie_does_not_make_two_requests_one() -> None:
    data = (WIRE / "rfc4475/badbranch.sip").read_bytes()
    endpoint = Endpoint(EndpointConfig(host="127.0.0.1"))
    endpoint.receive(data, STRANGER, 0.0)
    endpoint.receive(data, STRANGER, 0.1)
    endpoint.receive(data.replace(b"badbranch.", b"another."), STRANGER, 0.2)
    assert [type(event) for event in endpoint.events()] == [Requested, Requested]
