"""Offer and answer (RFC 3264): from two descriptions to what the media core must be told (``Agreed``)."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from media.engine import Codec, SrtpKeys
from telephony.sdp.description import CLOCK_RATE, Direction, Format, NotAcceptable, SdpError, Session, Stream
from telephony.sdp.payload_types import DIGITS, NOISE, REPORTS, PayloadTypes
from telephony.sdp.security import KeyLine, chosen

NO_TYPES = PayloadTypes()
"""Of a stream that nobody has described yet."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides settled on. ``direction`` is ours: ``sends`` says whether the far side wants to hear us."""

    index: int
    """Which m-line."""
    address: str
    port: int
    codec: Codec
    payload_type: int
    """What we send by: the far side's number."""
    digit_payload_type: int | None
    direction: Direction
    digit_clock: int = CLOCK_RATE
    packet_ms: int = 20
    """How much sound the far side wants in each of our packets."""
    comfort_noise: bool = False
    """Both sides know CN (RFC 3389), so that either may fall silent."""
    keys: SrtpKeys | None = None
    """SRTP, or None for plain RTP."""
    key_line: KeyLine | None = None
    """Ours, for the answer."""
    rtcp_mux: bool = False
    """Reports and audio share a port (RFC 5761)."""
    rtcp: tuple[str, int] | None = None
    """Where the far side takes reports, if not on the port above its audio's (RFC 3605)."""
    receive_payload_type: int | None = None
    """Ours, by which the far side is to send, where it is another than theirs (RFC 3264 section 5.1)."""
    receive_digit_payload_type: int | None = None

    @property
    def formats(self) -> list[Format]:
        """What was agreed on, under the far side's numbers; the codec is the first."""
        formats = [Format.of(self.codec, self.payload_type)]
        if self.digit_payload_type is not None:
            formats.append(Format(self.digit_payload_type, DIGITS, self.digit_clock))
        return [*formats, NOISE] if self.comfort_noise else formats

    @property
    def family(self) -> int | None:
        """The IP version of the far side's audio; None where it names no address (held by ``0.0.0.0``)."""
        there = address_of(self.address)
        return None if there.is_unspecified else version(there)


@dataclass(frozen=True, slots=True)
class Local:
    """Our end of the stream. ``version`` grows with every description that differs (RFC 3264 section 8)."""

    address: str
    port: int
    session_id: int
    version: int = 1

    def head(self) -> list[str]:
        net = f"IN IP{6 if ':' in self.address else 4} {self.address}"
        return ["v=0", f"o=hotline {self.session_id} {self.version} {net}", "s=-", f"c={net}", "t=0 0"]


def negotiate(
    remote: Session,
    codecs: Sequence[Codec],
    *,
    families: Collection[int] = (4, 6),
    comfort_noise: bool = False,
    secured: bool = False,
    current: SrtpKeys | None = None,
    types: PayloadTypes = NO_TYPES,
) -> Agreed:
    """Choose from an offer: the first usable audio stream, and in it the first of *our* ``codecs`` that it has.

    ``families`` are the IP versions that our media speak; ``current`` and ``types`` are the keys in use and the numbers
    that were written before a new offer. A stream with SRTP is taken as it is offered; ``secured`` takes no other.
    Raises ``NotAcceptable`` when nothing fits.
    """
    index, stream, form, codec = _choose(remote, codecs, families, secured=secured)
    agreed = _agreed(index, stream, form, codec, comfort_noise=comfort_noise)
    agreed = _as_written(agreed, types.wrote(agreed.formats))  # which is our answer
    if not stream.secured:
        return agreed
    line, keys = chosen(stream.keys, current)
    return replace(agreed, keys=keys, key_line=line)


def accept(
    answer_: Session,
    codecs: Sequence[Codec],
    *,
    families: Collection[int] = (4, 6),
    comfort_noise: bool = False,
    offered: Sequence[KeyLine] = (),
    types: PayloadTypes = NO_TYPES,
) -> Agreed:
    """Read the answer to our offer: of the codecs that we offered, the one that *they* put first.

    RFC 3264 section 6.1: the answerer sends by its first format, so we send by it too. ``offered`` are the key lines of
    our offer, and ``types`` has its numbers, those of a first offer unless it is told; an answer that leaves protection
    out, or adds it, is ``NotAcceptable`` (RFC 4568 section 5.1.3).
    """
    theirs: list[Codec] = []
    for stream in answer_.streams:
        if stream.usable:
            theirs = [codec for form in stream.formats for codec in codecs if form.matches(codec)]
            break
    index, stream, form, codec = _choose(answer_, theirs or codecs, families, secured=bool(offered))
    agreed = _agreed(index, stream, form, codec, comfort_noise=comfort_noise)
    agreed = _as_written(agreed, types if types.ours else types.wrote(types.offered(codecs)))
    if not offered:
        if stream.secured:
            raise NotAcceptable(304, "An answer with SRTP to an offer without it")
        return agreed
    their = stream.keys[0]
    ours = next((line for line in offered if (line.tag, line.suite) == (their.tag, their.suite)), None)
    if ours is None:
        raise NotAcceptable(304, "The answer takes a key that was not offered")
    return replace(agreed, keys=SrtpKeys(ours.suite, send=ours.key, receive=their.key), key_line=ours)


def answer(remote: Session, agreed: Agreed, local: Local) -> bytes:
    """Our answer: the offer's m-lines in their order, all but the agreed one refused with port 0."""
    lines = local.head()
    for index, stream in enumerate(remote.streams):
        if index != agreed.index:
            lines.append(_refused(stream))
            continue
        keys = [agreed.key_line] if agreed.key_line else []
        lines += _audio(local.port, agreed.formats, agreed.direction, keys, rtcp_mux=agreed.rtcp_mux)
    return _text(lines)


def offer(
    local: Local,
    codecs: Sequence[Codec],
    direction: Direction = Direction.SENDRECV,
    *,
    comfort_noise: bool = False,
    keys: Sequence[KeyLine] = (),
    before: Session | None = None,
    index: int = 0,
    types: PayloadTypes = NO_TYPES,
) -> bytes:
    """Our offer: ``codecs`` in the order of preference, telephone-event for each of their clocks, and SRTP by ``keys``
    where there are any; all under the numbers that they have by ``types``.

    In a session that they described ``before``, with our stream at ``index``, every stream keeps its place, those that
    were refused too (RFC 3264 section 8).
    """
    formats = types.offered(codecs, comfort_noise=comfort_noise)
    lines = [_refused(stream) for stream in before.streams] if before is not None else [""]
    lines[index : index + 1] = _audio(local.port, formats, direction, keys, rtcp_mux=True)
    return _text(local.head() + lines)


def _refused(stream: Stream) -> str:
    return f"m={stream.kind} 0 {stream.protocol} {' '.join(stream.tokens)}"


def _choose(
    remote: Session, codecs: Sequence[Codec], families: Collection[int], *, secured: bool
) -> tuple[int, Stream, Format, Codec]:
    reason = _none_at_all(remote, secured=secured)
    for index, stream in enumerate(remote.streams):
        if not stream.usable or (secured and not stream.secured):
            continue
        if not stream.address:
            raise SdpError(stream.line, "no c= line applies to this stream")
        try:
            address = address_of(stream.address)
        except ValueError:
            reason = NotAcceptable(301, "Only numeric media addresses are understood")
            continue
        if ":" in stream.address and address.is_link_local:
            reason = NotAcceptable(301, "A link-local media address does not say on which link")
            continue
        # Some telephones write 0.0.0.0 for "do not send to me" over IPv6 as well: that leads nowhere in any family.
        if version(address) not in families and not address.is_unspecified:
            wanted = " or ".join(f"IPv{family}" for family in families)
            reason = NotAcceptable(300, f"Media must be on {wanted}")  # "Incompatible network protocol"
            continue
        if address.is_multicast:
            reason = NotAcceptable(330, "Multicast not available")
            continue
        for codec in codecs:
            for form in stream.formats:
                if form.matches(codec):
                    return index, stream, form, codec
        wanted = ", ".join(codec.name for codec in codecs)
        reason = NotAcceptable(305, f"No common codec, expected {wanted}")  # "Incompatible media format"
    raise reason


def _none_at_all(remote: Session, *, secured: bool) -> NotAcceptable:
    """Where no stream is of use: what every one of them lacks."""
    wanted = "RTP/SAVP audio stream with a key" if secured else "RTP/AVP audio stream"
    foreign = [stream.protocol for stream in remote.streams
               if stream.kind == "audio" and stream.port and stream.protocol not in ("RTP/AVP", "RTP/SAVP")]
    if foreign:  # browsers: UDP/TLS/RTP/SAVPF, keys by DTLS
        return NotAcceptable(302, f"No {wanted} offered, only {foreign[0]}")  # "Incompatible transport protocol"
    return NotAcceptable(304, f"No {wanted} offered")  # "Media type not available"


def _agreed(index: int, stream: Stream, form: Format, codec: Codec, *, comfort_noise: bool) -> Agreed:
    # RFC 4733 section 2.1 wants one clock for all of a stream; many phones know events at 8000 alone all the same.
    events = [event for event in stream.formats if event.name.lower() == DIGITS]
    ours = [event for clock in (codec.clock_rate, CLOCK_RATE) for event in events if event.rate == clock]
    # RFC 3264 section 8.4: c=0.0.0.0 is how RFC 2543 telephones say "do not send to me".
    held = address_of(stream.address).is_unspecified
    types = (form.payload_type, ours[0].payload_type if ours else None)
    return Agreed(
        index,
        stream.address,
        stream.port,
        codec,
        form.payload_type,
        ours[0].payload_type if ours else None,
        Direction.of(sends=stream.direction.receives and not held, receives=stream.direction.sends),
        digit_clock=ours[0].rate if ours else CLOCK_RATE,
        packet_ms=next((ms for ms in (60, 40, 30, 20, 10) if ms <= stream.packet_ms and codec.packs(ms)), 20),
        comfort_noise=comfort_noise and NOISE in stream.formats and codec.clock_rate == CLOCK_RATE,
        rtcp_mux=stream.rtcp_mux and not any(number in REPORTS for number in types),
        rtcp=_reachable(stream.rtcp, stream.address),
    )


def _as_written(agreed: Agreed, types: PayloadTypes) -> Agreed:
    """With the numbers that we wrote: by those the far side is to send (RFC 3264 section 5.1)."""
    forms = [form for form in agreed.formats if form != NOISE]
    ours = [types.beside(form) for form in forms]
    heard = {form.payload_type if number is None else number for form, number in zip(forms, ours, strict=True)}
    if len(heard) < len(forms):  # an answer with what was not offered, under a number of something that was
        return agreed
    digits = ours[1] if len(ours) > 1 else None
    return replace(agreed, receive_payload_type=ours[0], receive_digit_payload_type=digits)


@lru_cache(maxsize=4096)
def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address in numbers; carriers and telephones name the same few. Raises ValueError."""
    return ipaddress.ip_address(text)


def version(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    """The IP version that leads there: ``::ffff:192.0.2.1`` is an address of IPv4 (RFC 4291 section 2.5.5.2)."""
    return 4 if getattr(address, "ipv4_mapped", None) else address.version


def _reachable(rtcp: tuple[str, int] | None, beside: str) -> tuple[str, int] | None:
    """Reports are not worth a name server, or another kind of network: then they go to the port above the audio's."""
    if rtcp is None or not 0 < rtcp[1] <= 65535:
        return None
    try:
        there = address_of(rtcp[0])
    except ValueError:
        return None
    here = address_of(beside)
    return None if version(there) != version(here) or there.is_unspecified or there.is_multicast else rtcp


def _audio(
    port: int, formats: Sequence[Format], direction: Direction, keys: Sequence[KeyLine], *, rtcp_mux: bool
) -> list[str]:
    listed = " ".join(str(form.payload_type) for form in formats)
    lines = [f"m=audio {port} {'RTP/SAVP' if keys else 'RTP/AVP'} {listed}"]
    for form in formats:
        channels = f"/{form.channels}" if form.channels > 1 else ""
        lines.append(f"a=rtpmap:{form.payload_type} {form.name}/{form.rate}{channels}")
    for form in formats:
        if form.name == DIGITS:
            lines.append(f"a=fmtp:{form.payload_type} 0-15")  # RFC 4733 section 3.2: the events for 0-9 * # A-D
        elif form.name == Codec.OPUS.encoding:
            lines.append(f"a=fmtp:{form.payload_type} useinbandfec=1")  # RFC 7587 section 7.1
    reports = ["a=rtcp-mux"] if rtcp_mux else []
    return [*lines, *(f"a={line}" for line in keys), *reports, "a=ptime:20", f"a={direction}"]


def _text(lines: list[str]) -> bytes:
    return ("\r\n".join(lines) + "\r\n").encode()
