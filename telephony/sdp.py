"""Session descriptions (RFC 8866) and the offer/answer model (RFC 3264), as far as a G.711 telephone needs them.

A description is parsed into frozen values, an offer is *negotiated* into what the media core must be told
(``Agreed``), and ``answer`` writes the description that says so. Nothing here knows a socket or a dialog.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from calls.errors import HotlineError
from media.engine import Codec

CLOCK_RATE = 8000
STATIC = {0: "PCMU", 8: "PCMA"}  # RFC 3551 section 6: these two need no rtpmap
DIGITS = "telephone-event"  # RFC 4733 section 7.1.1
DIGITS_OFFERED_AS = 101
MAX_LINES = 500


class SdpError(HotlineError):
    """The text is no session description. ``line`` counts from 1; 0 means the whole."""

    def __init__(self, line: int, problem: str) -> None:
        self.line, self.problem = line, problem
        super().__init__(f"SDP line {line}: {problem}" if line else f"SDP: {problem}")


class NotAcceptable(HotlineError):
    """The description is well formed but we cannot talk that way: 488 with this Warning (RFC 3261 section 20.43)."""

    def __init__(self, code: int, text: str) -> None:
        self.code, self.text = code, text
        super().__init__(f"{code} {text}")

    def warning(self, agent: str) -> str:
        """The Warning header's value; ``agent`` is our host name."""
        return f'{self.code} {agent} "{self.text}"'


class Direction(StrEnum):
    """Who sends, seen from the side whose description it stands in (RFC 3264 section 5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> Direction:
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE


_DIRECTIONS = {direction.value: direction for direction in Direction}


@dataclass(frozen=True, slots=True)
class Format:
    """One payload type of an m= line and what it stands for."""

    payload_type: int
    name: str
    rate: int

    def matches(self, codec: Codec) -> bool:
        return self.rate == CLOCK_RATE and self.name.upper() == codec.name


@dataclass(frozen=True, slots=True)
class Stream:
    """One m= section with its session-level defaults filled in."""

    kind: str
    port: int
    protocol: str
    tokens: tuple[str, ...]
    """The format list as it stood, to be repeated when the stream is refused."""
    formats: tuple[Format, ...]
    address: str
    """Numeric host from c=, or "" where none applies."""
    direction: Direction
    line: int = 0

    @property
    def usable(self) -> bool:
        return self.kind == "audio" and self.port != 0 and self.protocol == "RTP/AVP"


@dataclass(frozen=True, slots=True)
class Session:
    """A parsed description: its streams in m-line order."""

    streams: tuple[Stream, ...]


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both sides settled on. ``direction`` is ours: ``sends`` says whether the far side wants to hear us."""

    index: int
    """Which m-line."""
    address: str
    port: int
    codec: Codec
    payload_type: int
    digit_payload_type: int | None
    direction: Direction


@dataclass(frozen=True, slots=True)
class Local:
    """Our end of the stream. ``version`` grows with every description that differs (RFC 3264 section 8)."""

    address: str
    port: int
    session_id: int
    version: int = 1

    def head(self) -> list[str]:
        net = _net(self.address)
        return [
            "v=0",
            f"o=hotline {self.session_id} {self.version} {net}",
            "s=-",
            f"c={net}",
            "t=0 0",
        ]


def parse(body: bytes) -> Session:
    """Read a description. Raises ``SdpError`` with the line where it stops being one."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise SdpError(0, f"not UTF-8 at byte {error.start}") from None
    lines = [line.rstrip("\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) > MAX_LINES:
        raise SdpError(MAX_LINES, f"more than {MAX_LINES} lines")
    if not lines or lines[0] != "v=0":
        raise SdpError(1, "must be v=0")
    sections: list[_Section] = [_Section(0, "")]
    for number, line in enumerate(lines[1:], start=2):
        if len(line) < 2 or line[1] != "=" or not line[0].islower():
            raise SdpError(number, "expected a line of the form x=value")
        if line[0] == "m":
            sections.append(_Section(number, line[2:]))
        else:
            sections[-1].take(number, line[0], line[2:])
    return Session(tuple(section.stream(defaults=sections[0]) for section in sections[1:]))


def negotiate(remote: Session, codecs: Sequence[Codec], *, ip_version: int | None = None) -> Agreed:
    """Choose from an offer: the first usable audio stream, and in it the first of *our* ``codecs`` that it has.

    ``ip_version`` is that of our own media address, 4 or 6. Raises ``NotAcceptable`` when nothing fits.
    """
    reason = NotAcceptable(304, "No RTP/AVP audio stream offered")  # "Media type not available"
    for index, stream in enumerate(remote.streams):
        if not stream.usable:
            continue
        if not stream.address:
            raise SdpError(stream.line, "no c= line applies to this stream")
        try:
            address = ipaddress.ip_address(stream.address)
        except ValueError:
            reason = NotAcceptable(301, "Only numeric media addresses are understood")
            continue
        if ip_version not in (None, address.version):
            reason = NotAcceptable(300, f"Media must be on IPv{ip_version}")  # "Incompatible network protocol"
            continue
        if address.is_multicast:
            reason = NotAcceptable(330, "Multicast not available")
            continue
        for codec in codecs:
            for form in stream.formats:
                if form.matches(codec):
                    return _agreed(index, stream, codec, form.payload_type, held=address.is_unspecified)
        wanted = ", ".join(codec.name for codec in codecs)
        reason = NotAcceptable(305, f"No common codec, expected {wanted}")  # "Incompatible media format"
    raise reason


def accept(answer_: Session, codecs: Sequence[Codec], *, ip_version: int | None = None) -> Agreed:
    """Read the answer to our offer: of the codecs that we offered, the one that *they* put first.

    RFC 3264 section 6.1: the answerer sends by its first format, so we send by it too.
    """
    for stream in answer_.streams:
        if stream.usable:
            theirs = [codec for form in stream.formats for codec in codecs if form.matches(codec)]
            return negotiate(answer_, theirs or codecs, ip_version=ip_version)
    return negotiate(answer_, codecs, ip_version=ip_version)


def answer(remote: Session, agreed: Agreed, local: Local) -> bytes:
    """Our answer: the offer's m-lines in their order, all but the agreed one refused with port 0."""
    lines = local.head()
    for index, stream in enumerate(remote.streams):
        if index != agreed.index:
            lines.append(f"m={stream.kind} 0 {stream.protocol} {' '.join(stream.tokens)}")
            continue
        formats = [Format(agreed.payload_type, agreed.codec.name, CLOCK_RATE)]
        lines += _audio(local.port, formats, agreed.digit_payload_type, agreed.direction)
    return _text(lines)


def offer(local: Local, codecs: Sequence[Codec], direction: Direction = Direction.SENDRECV) -> bytes:
    """Our offer: ``codecs`` in the order of preference, and telephone-event."""
    formats = [Format(int(codec), codec.name, CLOCK_RATE) for codec in codecs]
    return _text(local.head() + _audio(local.port, formats, DIGITS_OFFERED_AS, direction))


def _agreed(index: int, stream: Stream, codec: Codec, payload_type: int, *, held: bool) -> Agreed:
    digits = next(
        (f.payload_type for f in stream.formats if f.name.lower() == DIGITS and f.rate == CLOCK_RATE), None
    )
    # RFC 3264 section 8.4: c=0.0.0.0 is how RFC 2543 telephones say "do not send to me".
    direction = Direction.of(sends=stream.direction.receives and not held, receives=stream.direction.sends)
    return Agreed(index, stream.address, stream.port, codec, payload_type, digits, direction)


def _audio(port: int, formats: Sequence[Format], digits: int | None, direction: Direction) -> list[str]:
    listed = [*formats] + ([Format(digits, DIGITS, CLOCK_RATE)] if digits is not None else [])
    lines = [f"m=audio {port} RTP/AVP {' '.join(str(form.payload_type) for form in listed)}"]
    lines += [f"a=rtpmap:{form.payload_type} {form.name}/{form.rate}" for form in listed]
    if digits is not None:
        lines.append(f"a=fmtp:{digits} 0-15")  # RFC 4733 section 3.2: the events for 0-9 * # A-D
    return [*lines, "a=ptime:20", f"a={direction}"]


def _text(lines: list[str]) -> bytes:
    return ("\r\n".join(lines) + "\r\n").encode()


def _net(address: str) -> str:
    return f"IN IP{6 if ':' in address else 4} {address}"


class _Section:
    """The lines below one m= (or above the first), while they are being read."""

    def __init__(self, line: int, media: str) -> None:
        self.line, self.media = line, media
        self.address = ""
        self.direction: Direction | None = None
        self.maps: dict[int, Format] = {}

    def take(self, number: int, kind: str, value: str) -> None:
        if kind == "c":
            self.address = _connection(number, value)
        elif kind == "a" and value in _DIRECTIONS:
            self.direction = _DIRECTIONS[value]
        elif kind == "a" and value.startswith("rtpmap:"):
            form = _rtpmap(number, value)
            self.maps[form.payload_type] = form

    def stream(self, defaults: _Section) -> Stream:
        match = re.fullmatch(r"(\S+) (\d{1,5})(?:/\d+)? (\S+) (\S.*)", self.media)
        if match is None or int(match[2]) > 65535:
            raise SdpError(self.line, "expected m=<media> <port> <protocol> <formats>")
        tokens = tuple(match[4].split())
        return Stream(
            kind=match[1],
            port=int(match[2]),
            protocol=match[3],
            tokens=tokens,
            formats=self._formats(tokens) if match[3].startswith("RTP/") else (),
            address=self.address or defaults.address,
            direction=self.direction or defaults.direction or Direction.SENDRECV,
            line=self.line,
        )

    def _formats(self, tokens: tuple[str, ...]) -> tuple[Format, ...]:
        found = []
        for token in tokens:
            if not re.fullmatch(r"\d{1,3}", token) or int(token) > 127:
                raise SdpError(self.line, "an RTP payload type is a number from 0 to 127")
            number = int(token)
            if number in self.maps:
                found.append(self.maps[number])
            elif number in STATIC:
                found.append(Format(number, STATIC[number], CLOCK_RATE))
        return tuple(found)


def _connection(number: int, value: str) -> str:
    match = re.fullmatch(r"IN IP[46] ([^\s/]+)(?:/[\d/]+)?", value)
    if match is None:
        raise SdpError(number, "expected c=IN IP4 <address> or c=IN IP6 <address>")
    return match[1]


def _rtpmap(number: int, value: str) -> Format:
    match = re.fullmatch(r"rtpmap:(\d{1,3}) ([^\s/]+)/(\d{1,6})(?:/\d+)?\s*", value)
    if match is None:
        raise SdpError(number, "expected a=rtpmap:<payload type> <name>/<rate>")
    return Format(int(match[1]), match[2], int(match[3]))
