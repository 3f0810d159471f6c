"""Keys for SRTP in offers and answers (RFC 4568)."""

from __future__ import annotations

import base64

import pytest

from media.engine import Codec, SrtpKeys, SrtpSuite
from telephony.sdp import Local, NotAcceptable, accept, answer, negotiate, offer, offered, parse

G711 = (Codec.PCMA, Codec.PCMU)
HERE = Local("192.0.2.1", 20000, session_id=7)
SHA80, GCM = SrtpSuite.AES_CM_128_HMAC_SHA1_80, SrtpSuite.AEAD_AES_128_GCM


def inline(suite: SrtpSuite, seed: int) -> str:
    return base64.b64encode(bytes([seed]) * suite.key_size).decode()


def described(*lines: str, protocol: str = "RTP/SAVP") -> bytes:
    head = ["v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0", f"m=audio 4000 {protocol} 8"]
    return "\r\n".join([*head, *lines, ""]).encode()


def crypto(tag: int, suite: str, key: str, rest: str = "") -> str:
    return f"a=crypto:{tag} {suite} inline:{key}{rest}"


def test_the_first_line_that_we_understand_is_answered_under_its_tag() -> None:
    remote = parse(
        described(
            crypto(1, "F8_128_HMAC_SHA1_80", inline(SHA80, 1)),
            crypto(2, GCM, inline(SHA80, 2)),  # the wrong length
            crypto(3, SHA80, inline(SHA80, 3), "|2^20|1:4"),  # a master key index
            crypto(4, SHA80, inline(SHA80, 4), " UNENCRYPTED_SRTP"),
            crypto(5, SHA80, inline(SHA80, 5), "|2^20 WSH=128"),
            crypto(6, GCM, inline(GCM, 6)),
        )
    )
    agreed = negotiate(remote, G711)
    assert agreed.keys is not None
    assert (agreed.keys.suite, agreed.keys.receive) == (SHA80, bytes([5]) * 30)
    lines = answer(remote, agreed, HERE).decode().split("\r\n")
    assert "m=audio 20000 RTP/SAVP 8" in lines
    [line] = [line for line in lines if line.startswith("a=crypto")]
    assert line == f"a=crypto:5 {SHA80} inline:{base64.b64encode(agreed.keys.send).decode()}"
    assert agreed.keys.send != agreed.keys.receive


def test_our_key_stays_while_the_suite_does() -> None:
    first = negotiate(parse(described(crypto(1, SHA80, inline(SHA80, 1)))), G711).keys
    assert first is not None
    again = negotiate(parse(described(crypto(2, SHA80, inline(SHA80, 9)))), G711, current=first).keys
    assert again is not None
    assert (again.send, again.receive) == (first.send, bytes([9]) * 30)
    other = negotiate(parse(described(crypto(1, GCM, inline(GCM, 1)))), G711, current=first).keys
    assert other is not None
    assert other.send[:16] != first.send[:16]
    [line] = offered(first)
    assert (line.suite, line.key) == (SHA80, first.send)


def test_an_offer_of_ours_is_understood_on_both_sides() -> None:
    lines = offered()
    assert len({line.key for line in lines}) == 4
    agreed = negotiate(parse(offer(HERE, G711, keys=lines)), G711)
    assert agreed.keys is not None
    assert agreed.keys.suite is SrtpSuite.AEAD_AES_256_GCM
    remote = parse(offer(HERE, G711, keys=lines))
    settled = accept(parse(answer(remote, agreed, HERE)), G711, offered=lines).keys
    assert settled == SrtpKeys(agreed.keys.suite, send=agreed.keys.receive, receive=agreed.keys.send)


@pytest.mark.parametrize(
    "body",
    [
        described(protocol="RTP/AVP"),
        described(crypto(1, SHA80, inline(SHA80, 1))),  # tag 1 was offered with another suite
        described(crypto(9, SHA80, inline(SHA80, 1))),
        described(),
    ],
)
def test_an_answer_must_take_one_of_the_keys_offered(body: bytes) -> None:
    with pytest.raises(NotAcceptable):
        accept(parse(body), G711, offered=offered())


def test_an_answer_cannot_add_protection() -> None:
    with pytest.raises(NotAcceptable):
        accept(parse(described(crypto(1, SHA80, inline(SHA80, 1)))), G711)


@pytest.mark.parametrize("body", [described(protocol="RTP/AVP"), described(), described("a=crypto:nonsense")])
def test_where_protection_is_demanded_nothing_else_is_taken(body: bytes) -> None:
    with pytest.raises(NotAcceptable, match="RTP/SAVP"):
        negotiate(parse(body), G711, secured=True)


def test_keys_are_never_shown() -> None:
    remote = parse(described(crypto(1, SHA80, inline(SHA80, ord("k")))))
    agreed = negotiate(remote, G711)
    assert "kkkk" not in repr(remote) + repr(agreed)
    assert inline(SHA80, ord("k")) not in repr(remote) + repr(agreed)
