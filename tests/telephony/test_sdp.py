"""Offer → answer, as rows."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.engine import Codec
from telephony.sdp import Agreed, Direction, Local, NotAcceptable, SdpError, accept, answer, negotiate, offer, parse

BOTH = (Codec.PCMA, Codec.PCMU)
HERE = Local("192.0.2.1", 20000, session_id=7)


def described(*media: str, session: str = "c=IN IP4 192.0.2.9") -> bytes:
    lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", session, "t=0 0", *media]
    return "\r\n".join(line for line in lines if line).encode() + b"\r\n"


def answered(*media: str, codecs: tuple[Codec, ...] = BOTH, session: str = "c=IN IP4 192.0.2.9") -> list[str]:
    """The m= and a= lines of our answer to an offer."""
    remote = parse(described(*media, session=session))
    text = answer(remote, negotiate(remote, codecs), HERE).decode()
    return [line for line in text.split("\r\n") if line[:2] in ("m=", "a=")]


ROWS: list[tuple[str, list[str], tuple[Codec, ...], list[str]]] = [
    # (what it shows, offer, codecs, m-lines of the answer)
    ("our order wins", ["m=audio 4000 RTP/AVP 0 8"], BOTH, ["m=audio 20000 RTP/AVP 8"]),
    ("a trunk's own order", ["m=audio 4000 RTP/AVP 8 0"], BOTH[::-1], ["m=audio 20000 RTP/AVP 0"]),
    (
        "the offer's number for telephone-event is kept",
        ["m=audio 4000 RTP/AVP 8 96", "a=rtpmap:96 telephone-event/8000"],
        BOTH,
        ["m=audio 20000 RTP/AVP 8 96"],
    ),
    (
        "a wide-band telephone-event is not ours",
        ["m=audio 4000 RTP/AVP 8 96 97", "a=rtpmap:96 telephone-event/48000", "a=rtpmap:97 telephone-event/8000"],
        BOTH,
        ["m=audio 20000 RTP/AVP 8 97"],
    ),
    (
        "a codec under a dynamic number",
        ["m=audio 4000 RTP/AVP 112", "a=rtpmap:112 pcmu/8000/1"],
        BOTH,
        ["m=audio 20000 RTP/AVP 112"],
    ),
    (
        "a number below 96 that was given another meaning",
        ["m=audio 4000 RTP/AVP 8 0", "a=rtpmap:8 L16/8000"],
        BOTH,
        ["m=audio 20000 RTP/AVP 0"],
    ),
    (
        "other streams are refused in their place",
        ["m=video 5000 RTP/AVP 31 32", "m=audio 4000 RTP/AVP 8", "m=image 6000 udptl t38"],
        BOTH,
        ["m=video 0 RTP/AVP 31 32", "m=audio 20000 RTP/AVP 8", "m=image 0 udptl t38"],
    ),
    (
        "of two audio streams the first that fits",
        ["m=audio 4000 RTP/SAVP 8", "m=audio 4002 RTP/AVP 18", "m=audio 4004/2 RTP/AVP 8"],
        BOTH,
        ["m=audio 0 RTP/SAVP 8", "m=audio 0 RTP/AVP 18", "m=audio 20000 RTP/AVP 8"],
    ),
]


WIDE = (Codec.OPUS, Codec.G722, Codec.L16_WIDE, Codec.L16, Codec.PCMA)
ROWS += [
    ("G.722 is static", ["m=audio 4000 RTP/AVP 8 9"], WIDE, ["m=audio 20000 RTP/AVP 9"]),
    ("wide codecs only where they are wanted", ["m=audio 4000 RTP/AVP 9 0"], BOTH, ["m=audio 20000 RTP/AVP 0"]),
    (
        "Opus with its two channels, in any spelling",
        ["m=audio 4000 RTP/AVP 9 111", "a=rtpmap:111 OPUS/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1"],
        WIDE,
        ["m=audio 20000 RTP/AVP 111"],
    ),
    (
        "linear samples are told apart by their rate",
        ["m=audio 4000 RTP/AVP 100 101", "a=rtpmap:100 L16/44100", "a=rtpmap:101 L16/16000"],
        WIDE,
        ["m=audio 20000 RTP/AVP 101"],
    ),
    (
        "stereo is not ours",
        ["m=audio 4000 RTP/AVP 100 8", "a=rtpmap:100 L16/16000/2"],
        WIDE,
        ["m=audio 20000 RTP/AVP 8"],
    ),
    (
        "telephone-event on the clock of the audio",
        [
            "m=audio 4000 RTP/AVP 111 97 98",
            "a=rtpmap:111 opus/48000/2",
            "a=rtpmap:97 telephone-event/8000",
            "a=rtpmap:98 telephone-event/48000",
        ],
        WIDE,
        ["m=audio 20000 RTP/AVP 111 98"],
    ),
    (
        "telephone-event at 8000 where there is no other",
        ["m=audio 4000 RTP/AVP 111 97", "a=rtpmap:111 opus/48000/2", "a=rtpmap:97 telephone-event/8000"],
        WIDE,
        ["m=audio 20000 RTP/AVP 111 97"],
    ),
    ("comfort noise only where it is wanted", ["m=audio 4000 RTP/AVP 8 13"], BOTH, ["m=audio 20000 RTP/AVP 8"]),
]


@pytest.mark.parametrize(("offered", "codecs", "media"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_answers_keep_the_offers_numbers_and_order(
    offered: list[str], codecs: tuple[Codec, ...], media: list[str]
) -> None:
    assert [line for line in answered(*offered, codecs=codecs) if line.startswith("m=")] == media


def test_an_answer_in_full() -> None:
    lines = answered("m=audio 4000 RTP/AVP 0 8 101", "a=rtpmap:101 telephone-event/8000", "a=ptime:30")
    assert lines == [
        "m=audio 20000 RTP/AVP 8 101",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
    ]


@pytest.mark.parametrize(
    ("session", "media", "ours"),
    [
        ("c=IN IP4 192.0.2.9", "a=sendrecv", "sendrecv"),
        ("c=IN IP4 192.0.2.9", "a=sendonly", "recvonly"),
        ("c=IN IP4 192.0.2.9", "a=recvonly", "sendonly"),
        ("c=IN IP4 192.0.2.9", "a=inactive", "inactive"),
        ("c=IN IP4 192.0.2.9\r\na=sendonly", "", "recvonly"),
        ("c=IN IP4 192.0.2.9\r\na=sendonly", "a=sendrecv", "sendrecv"),
        ("c=IN IP4 0.0.0.0", "", "recvonly"),
        ("c=IN IP4 0.0.0.0", "a=sendonly", "recvonly"),
        ("c=IN IP4 0.0.0.0", "a=inactive", "inactive"),
    ],
)
def test_hold_is_answered_with_the_mirrored_direction(session: str, media: str, ours: str) -> None:
    assert answered("m=audio 4000 RTP/AVP 8", media, session=session)[-1] == f"a={ours}"


def test_agreed_says_what_the_media_core_needs() -> None:
    remote = parse(
        described(
            "m=video 5000 RTP/AVP 31",
            "m=audio 4000 RTP/AVP 0 8 97",
            "c=IN IP4 192.0.2.77",
            "a=rtpmap:97 telephone-event/8000",
        )
    )
    assert negotiate(remote, BOTH) == Agreed(1, "192.0.2.77", 4000, Codec.PCMA, 8, 97, Direction.SENDRECV)


def test_opus_in_full() -> None:
    offered = ["m=audio 4000 RTP/AVP 111 98", "a=rtpmap:111 opus/48000/2", "a=rtpmap:98 telephone-event/48000"]
    assert answered(*offered, codecs=WIDE) == [
        "m=audio 20000 RTP/AVP 111 98",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:98 telephone-event/48000",
        "a=fmtp:111 useinbandfec=1",
        "a=fmtp:98 0-15",
        "a=ptime:20",
        "a=sendrecv",
    ]


def test_an_offer_of_wide_codecs_has_telephone_event_for_every_clock() -> None:
    offered = offer(HERE, (Codec.PCMA, Codec.OPUS, Codec.L16_WIDE)).decode()
    assert "m=audio 20000 RTP/AVP 8 96 98 101 102 103\r\n" in offered
    assert [line.partition(" ")[2] for line in offered.split("\r\n") if "telephone-event" in line] == [
        "telephone-event/8000",
        "telephone-event/16000",
        "telephone-event/48000",
    ]
    assert negotiate(parse(offered.encode()), (Codec.OPUS,)).digit_clock == 48000


@pytest.mark.parametrize(
    ("media", "codec", "ms"),
    [
        ("", Codec.PCMA, 20),
        ("a=ptime:30", Codec.PCMA, 30),
        ("a=ptime:10", Codec.OPUS, 10),
        ("a=ptime:30", Codec.OPUS, 20),
        ("a=ptime:50\r\na=maxptime:40", Codec.PCMA, 40),
        ("a=maxptime:10", Codec.PCMA, 10),
        ("a=ptime:120", Codec.PCMA, 60),
        ("a=ptime:5", Codec.PCMA, 20),
        ("a=ptime:0", Codec.PCMA, 20),
        ("a=ptime:many", Codec.PCMA, 20),
    ],
)
def test_packets_are_as_long_as_the_far_side_wants_if_that_can_be(media: str, codec: Codec, ms: int) -> None:
    body = described("m=audio 4000 RTP/AVP 8 111", "a=rtpmap:111 opus/48000/2", media)
    assert negotiate(parse(body), (codec,)).packet_ms == ms


def test_reports_share_the_port_of_the_audio_where_both_sides_want_it() -> None:
    """RFC 5761 section 5.1.1."""
    audio = "m=audio 4000 RTP/AVP 8"
    assert b"a=rtcp-mux\r\n" in offer(HERE, BOTH)
    assert "a=rtcp-mux" in answered(audio, "a=rtcp-mux")
    assert "a=rtcp-mux" not in answered(audio)
    assert accept(parse(described(audio, "a=rtcp-mux")), BOTH).rtcp_mux
    assert not accept(parse(described(audio)), BOTH).rtcp_mux


def test_payload_types_that_look_like_reports_keep_the_port_to_themselves() -> None:
    offered = ["m=audio 4000 RTP/AVP 8 72", "a=rtpmap:72 telephone-event/8000", "a=rtcp-mux"]
    assert "a=rtcp-mux" not in answered(*offered)


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("", None),
        ("a=rtcp:53020", ("192.0.2.9", 53020)),
        ("a=rtcp:53020 IN IP4 192.0.2.126", ("192.0.2.126", 53020)),
        ("a=rtcp:53020 IN IP6 2001:db8::9", None),
        ("a=rtcp:9 IN IP4 0.0.0.0", None),
        ("a=rtcp:53020 IN IP4 239.0.0.1", None),
        ("a=rtcp:53020 IN IP4 phone.example.org", None),
        ("a=rtcp:0", None),
        ("a=rtcp:99999", None),
        ("a=rtcp:here", None),
    ],
)
def test_where_reports_go_is_told_or_is_the_port_above(line: str, where: tuple[str, int] | None) -> None:
    """RFC 3605. What cannot be followed is left aside: no call fails for want of reports."""
    assert negotiate(parse(described("m=audio 4000 RTP/AVP 8", line)), BOTH).rtcp == where


def test_comfort_noise_on_the_clock_of_8000_hertz() -> None:
    body = described("m=audio 4000 RTP/AVP 8 13 111", "a=rtpmap:111 opus/48000/2")
    remote = parse(body)
    agreed = negotiate(remote, BOTH, comfort_noise=True)
    assert agreed.comfort_noise
    assert b"m=audio 20000 RTP/AVP 8 13\r\n" in answer(remote, agreed, HERE)
    assert not negotiate(remote, (Codec.OPUS,), comfort_noise=True).comfort_noise
    assert b" 8 0 101 13\r\n" in offer(HERE, BOTH, comfort_noise=True)


def test_ipv6_media() -> None:
    remote = parse(described("m=audio 4000 RTP/AVP 8", session="c=IN IP6 2001:db8::9"))
    agreed = negotiate(remote, BOTH, families=(6,))
    assert (agreed.address, agreed.family) == ("2001:db8::9", 6)
    assert b"c=IN IP6 2001:db8::1\r\n" in answer(remote, agreed, Local("2001:db8::1", 20000, 7))


@pytest.mark.parametrize(("address", "families", "family"), [
    ("IN IP6 ::ffff:192.0.2.9", (4,), 4),  # IPv4 in other clothes
    ("IN IP4 192.0.2.9", (6, 4), 4),
    ("IN IP6 2001:db8::9", (4, 6), 6),
    ("IN IP4 0.0.0.0", (6,), None),  # held as RFC 2543 does it, over IPv6
    ("IN IP6 ::", (4,), None),
])
def test_whichever_family_they_name_where_we_speak_it(address: str, families: tuple[int, ...], family: int) -> None:
    agreed = negotiate(parse(described("m=audio 4000 RTP/AVP 8", session=f"c={address}")), BOTH, families=families)
    assert (agreed.family, agreed.direction.sends) == (family, family is not None)


@pytest.mark.parametrize(("address", "code"), [
    ("IN IP6 ::ffff:192.0.2.9", 300), ("IN IP4 192.0.2.9", 300), ("IN IP6 fe80::1%eth0", 301), ("IN IP6 fe80::1", 301),
    ("IN IP6 ff02::1", 330),
])
def test_what_our_ipv6_does_not_reach(address: str, code: int) -> None:
    with pytest.raises(NotAcceptable) as caught:
        negotiate(parse(described("m=audio 4000 RTP/AVP 8", session=f"c={address}")), BOTH, families=(6,))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (305, described("m=audio 4000 RTP/AVP 18 9")),
        (304, described("m=video 4000 RTP/AVP 31")),
        (304, described("m=audio 0 RTP/AVP 8")),
        (304, described("m=audio 4000 RTP/SAVP 8")),
        (302, described("m=audio 9 UDP/TLS/RTP/SAVPF 8")),
        (304, described()),
        (301, described("m=audio 4000 RTP/AVP 8", session="c=IN IP4 phone.example.org")),
        (300, described("m=audio 4000 RTP/AVP 8", session="c=IN IP6 2001:db8::9")),
        (330, described("m=audio 4000 RTP/AVP 8", session="c=IN IP4 239.0.0.1/127")),
    ],
)
def test_what_is_not_acceptable_carries_its_warning_code(code: int, body: bytes) -> None:
    with pytest.raises(NotAcceptable) as caught:
        negotiate(parse(body), BOTH, families=(4,))
    assert caught.value.warning("hotline.example.org").startswith(f'{code} hotline.example.org "')


@pytest.mark.parametrize(
    ("line", "body"),
    [
        (1, b""),
        (1, b"o=- 1 1 IN IP4 192.0.2.9\r\nv=0\r\n"),
        (3, b"v=0\r\ns=-\r\nnot a line\r\n"),
        (3, b"v=0\r\ns=-\r\nc=IN IP4\r\n"),
        (5, described("m=audio RTP/AVP 8", session="")),
        (6, described("m=audio 70000 RTP/AVP 8")),
        (6, described("m=audio 4000 RTP/AVP 8 PCMA")),
        (6, described("m=audio 4000 RTP/AVP 200")),
        (7, described("m=audio 4000 RTP/AVP 8", "a=rtpmap:8 PCMA")),
        (0, b"v=0\r\ns=\xff\r\n"),
        (500, b"v=0\r\n" + b"a=x\r\n" * 600),
    ],
)
def test_malformed_text_is_an_error_that_names_its_line(line: int, body: bytes) -> None:
    with pytest.raises(SdpError) as caught:
        negotiate(parse(body), BOTH)
    assert caught.value.line == line


def test_a_stream_without_an_address_is_malformed() -> None:
    with pytest.raises(SdpError, match="no c= line"):
        negotiate(parse(described("m=audio 4000 RTP/AVP 8", session="")), BOTH)


def test_our_offer_is_understood_by_ourselves_and_the_answerers_first_codec_is_taken() -> None:
    offered = offer(HERE, (Codec.PCMU, Codec.PCMA))
    assert b"m=audio 20000 RTP/AVP 0 8 101\r\n" in offered
    replied = parse(described("m=audio 6000 RTP/AVP 8 0 101", "a=rtpmap:101 telephone-event/8000"))
    assert accept(replied, (Codec.PCMU, Codec.PCMA)).codec is Codec.PCMA
    assert negotiate(parse(offered), BOTH).digit_payload_type == 101


def test_lines_may_end_in_a_bare_newline() -> None:
    body = described("m=audio 4000 RTP/AVP 8").replace(b"\r\n", b"\n")
    assert negotiate(parse(body), BOTH).port == 4000


@given(st.binary(max_size=300), st.integers(0, 200))
def test_damaged_descriptions_raise_nothing_but_the_two_errors(noise: bytes, at: int) -> None:
    whole = described("m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000")
    damaged = whole[:at] + noise + whole[at + len(noise) :]
    with suppress(SdpError, NotAcceptable):
        remote = parse(damaged)
        assert parse(answer(remote, negotiate(remote, BOTH), HERE)).streams


def test_an_offer_in_a_session_keeps_every_stream_in_its_place() -> None:
    """RFC 3264 section 8: streams are never taken out, also those that were refused."""
    media = ["m=video 5000 RTP/AVP 96", "a=rtpmap:96 H264/90000", "m=audio 4000 RTP/AVP 8", "m=image 6000 udptl t38"]
    remote = parse(described(*media))
    again = parse(offer(HERE, BOTH, before=remote, index=1))
    assert [(stream.kind, stream.port) for stream in again.streams] == [("video", 0), ("audio", 20000), ("image", 0)]
    assert again.streams[2].tokens == ("t38",)
    assert negotiate(again, BOTH).index == 1
