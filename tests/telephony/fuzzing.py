"""What the fuzzers feed: any bytes, to the whole endpoint and to the SDP reader. Each feeder raises where a promise is
broken.

``make fuzz-sip`` runs them under atheris (``fuzz.py``); ``test_sip_fuzz_corpus.py`` runs what was worth keeping of that
(tests/wire/fuzz).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from media.engine import Codec
from telephony import sdp
from telephony.sip.address import Address
from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.errors import SipParseError
from telephony.sip.message import parse

SOURCE = Address("127.0.0.9", 5060)


def feed_sip(data: bytes) -> None:
    """A datagram, twice, and then the time that everything takes to be forgotten."""
    with suppress(SipParseError):
        message = parse(data)
        again = parse(bytes(message))
        assert again.start_line == message.start_line
        assert again.body == message.body
        assert _without_length(again.fields) == _without_length(message.fields)
    endpoint = Endpoint(EndpointConfig(host="127.0.0.1"))
    for now in (0.0, 0.1):
        endpoint.receive(data, SOURCE, now)
    for answer, _ in endpoint.outgoing():
        parse(answer)
    for now in (1.0, 40.0, 80.0):
        endpoint.tick(now)


def feed_sdp(data: bytes) -> None:
    """An offer, and what we would answer to it."""
    with suppress(sdp.SdpError, sdp.NotAcceptable):
        offered = sdp.parse(data)
        agreed = sdp.negotiate(offered, (Codec.PCMA, Codec.PCMU, Codec.G722))
        answered = sdp.parse(sdp.answer(offered, agreed, sdp.Local("127.0.0.1", 20000, 1)))
        assert len(answered.streams) == len(offered.streams)


TARGETS: dict[str, Callable[[bytes], None]] = {"sip": feed_sip, "sdp": feed_sdp}


def _without_length(fields: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return [field for field in fields if field[0] != "Content-Length"]
