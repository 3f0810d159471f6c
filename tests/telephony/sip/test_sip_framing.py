"""Streams: wherever they are cut, the same messages come out."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip.framing import MAX_HEAD, Frame, Framing, Garbage, Ping, Whole
from tests.telephony.sip.network import a_request

OPTIONS = a_request("OPTIONS")
MESSAGE = a_request("MESSAGE", body="hello\r\n\r\nSIP/2.0 200 OK\r\n\r\n")
FOLDED = b"SIP/2.0 200 OK\r\nL:\r\n  3\r\n\r\nabc"
PIECES = st.sampled_from([OPTIONS, MESSAGE, FOLDED, b"\r\n\r\n", b"\r\n"])
RUBBISH = st.sampled_from([
    b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n", b"\r\rINVITE",
    b"OPTIONS sip:a SIP/2.0\r\n\r\n", b"OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n",
    b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 70000\r\n\r\n", b"OPTIONS sip:a SIP/2.0\r\nl: 0\r\nl: 0\r\n\r\n",
    b"OPTIONS sip:a SIP/2.0\r\nSubject: " + b"x" * MAX_HEAD + b"\r\n\r\n", b"x" * (MAX_HEAD + 4),
])


def frames(*pieces: bytes) -> list[Frame]:
    framing = Framing()
    return [frame for piece in pieces for frame in framing.feed(piece)]


@given(st.lists(PIECES, max_size=6), RUBBISH, st.lists(st.integers(0, 40_000), max_size=12))
def test_any_cut_of_a_stream_gives_the_same_frames(pieces: list[bytes], end: bytes, cuts: list[int]) -> None:
    stream = b"".join(pieces) + end
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    assert frames(*(stream[start:stop] for start, stop in pairwise(edges))) == frames(stream)


def test_byte_by_byte_the_messages_are_what_was_sent() -> None:
    stream = OPTIONS + b"\r\n\r\n" + MESSAGE + b"\r\n" + FOLDED
    whole = [Whole(OPTIONS), Ping(), Whole(MESSAGE), Whole(FOLDED)]
    assert frames(*(bytes([byte]) for byte in stream)) == whole


@pytest.mark.parametrize("rubbish", [
    b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\r\n", b"OPTIONS sip:a SIP/2.0\r\nTo: a\r\n\r\n",
    b"OPTIONS sip:a SIP/2.0\r\nContent-Length: one\r\n\r\n", b"\rx", b"A" * 20_000,
])
def test_after_garbage_nothing_more_is_read(rubbish: bytes) -> None:
    found = frames(OPTIONS, rubbish, OPTIONS)
    assert found[0] == Whole(OPTIONS)
    assert [type(frame) for frame in found[1:]] == [Garbage]


def test_half_a_message_is_known_to_be_half() -> None:
    framing = Framing()
    assert list(framing.feed(b"\r\n")) == []
    assert not framing.partial
    assert list(framing.feed(OPTIONS[:30])) == []
    assert framing.partial
    assert list(framing.feed(OPTIONS[30:])) == [Whole(OPTIONS)]
    assert not framing.partial
