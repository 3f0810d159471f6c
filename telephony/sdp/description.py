"""A session description (RFC 8866), parsed into frozen values. Nothing here knows a socket or a dialog."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from calls.errors import HotlineError
from media.engine import Codec
from telephony.sdp.security import KeyLine

CLOCK_RATE = 8000
STATIC = {0: "PCMU", 8: "PCMA", 9: "G722", 13: "CN"}  # RFC 3551 section 6: these need no rtpmap
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
    channels: int = 1

    @classmethod
    def of(cls, codec: Codec, payload_type: int) -> Format:
        # RFC 7587 section 7: Opus is written with two channels, whatever is sent.
        return cls(payload_type, codec.encoding, codec.clock_rate, 2 if codec is Codec.OPUS else 1)

    def matches(self, codec: Codec) -> bool:
        same = self.name.lower() == codec.encoding.lower() and self.rate == codec.clock_rate
        return same and (self.channels == 1 or codec is Codec.OPUS)

    def means(self, other: Format) -> bool:
        """The same, whatever its number. Opus is one thing with any number of channels, also where none is written."""
        same = self.name.lower() == other.name.lower() and self.rate == other.rate
        return same and (self.channels == other.channels or self.name.lower() == Codec.OPUS.encoding)


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
    packet_ms: int = 20
    """How much sound the far side wants in a packet: a=ptime, within a=maxptime."""
    keys: tuple[KeyLine, ...] = ()
    """Its a=crypto lines (RFC 4568) that we understand."""
    rtcp_mux: bool = False
    """Reports may come on the port of the audio: a=rtcp-mux (RFC 5761)."""
    rtcp: tuple[str, int] | None = None
    """Where reports go, if not to the port above the audio's: a=rtcp (RFC 3605)."""

    @property
    def secured(self) -> bool:
        """SRTP with a key that we understand."""
        return self.protocol == "RTP/SAVP" and bool(self.keys)

    @property
    def usable(self) -> bool:
        return self.kind == "audio" and self.port != 0 and (self.protocol == "RTP/AVP" or self.secured)


@dataclass(frozen=True, slots=True)
class Session:
    """A parsed description: its streams in m-line order."""

    streams: tuple[Stream, ...]


_MEDIA = re.compile(r"(\S+) (\d{1,5})(?:/\d+)? (\S+) (\S.*)")
_TYPE = re.compile(r"\d{1,3}")
_CONNECTION = re.compile(r"IN IP[46] ([^\s/]+)(?:/[\d/]+)?")
_RTPMAP = re.compile(r"rtpmap:(\d{1,3}) ([^\s/]+)/(\d{1,6})(?:/(\d{1,2}))?\s*")
_PTIME = re.compile(r"(max)?ptime:(\d{1,4})(?:\.\d+)?\s*")
_RTCP = re.compile(r"rtcp:(\d{1,5})(?: IN IP[46] (\S+))?\s*")


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


class _Section:
    """The lines below one m= (or above the first), while they are being read."""

    def __init__(self, line: int, media: str) -> None:
        self.line, self.media = line, media
        self.address = ""
        self.direction: Direction | None = None
        self.maps: dict[int, Format] = {}
        self.keys: list[KeyLine] = []
        self.ptime, self.maxptime = 20, 1000
        self.rtcp_mux = False
        self.rtcp: tuple[str, int] | None = None

    def take(self, number: int, kind: str, value: str) -> None:
        if kind == "c":
            self.address = _connection(number, value)
        elif kind == "a" and value in _DIRECTIONS:
            self.direction = _DIRECTIONS[value]
        elif kind == "a" and value.startswith("rtpmap:"):
            form = _rtpmap(number, value)
            self.maps[form.payload_type] = form
        elif kind == "a" and (match := _PTIME.fullmatch(value)):
            setattr(self, "maxptime" if match[1] else "ptime", int(match[2]))
        elif kind == "a" and value.strip() == "rtcp-mux":
            self.rtcp_mux = True
        elif kind == "a" and (match := _RTCP.fullmatch(value)):
            self.rtcp = match[2] or "", int(match[1])
        elif kind == "a" and value.startswith("crypto:"):
            key = KeyLine.parse(value)
            self.keys += [key] if key is not None else []

    def stream(self, defaults: _Section) -> Stream:
        match = _MEDIA.fullmatch(self.media)
        if match is None or int(match[2]) > 65535:
            raise SdpError(self.line, "expected m=<media> <port> <protocol> <formats>")
        tokens = tuple(match[4].split())
        address = self.address or defaults.address
        return Stream(
            kind=match[1],
            port=int(match[2]),
            protocol=match[3],
            tokens=tokens,
            formats=self._formats(tokens) if match[3].startswith("RTP/") else (),
            address=address,
            direction=self.direction or defaults.direction or Direction.SENDRECV,
            line=self.line,
            packet_ms=min(self.ptime, self.maxptime),
            keys=tuple(self.keys),
            rtcp_mux=self.rtcp_mux,
            rtcp=(self.rtcp[0] or address, self.rtcp[1]) if self.rtcp else None,
        )

    def _formats(self, tokens: tuple[str, ...]) -> tuple[Format, ...]:
        found = []
        for token in tokens:
            if not _TYPE.fullmatch(token) or int(token) > 127:
                raise SdpError(self.line, "an RTP payload type is a number from 0 to 127")
            number = int(token)
            if number in self.maps:
                found.append(self.maps[number])
            elif number in STATIC:
                found.append(Format(number, STATIC[number], CLOCK_RATE))
        return tuple(found)


def _connection(number: int, value: str) -> str:
    match = _CONNECTION.fullmatch(value)
    if match is None:
        raise SdpError(number, "expected c=IN IP4 <address> or c=IN IP6 <address>")
    return match[1]


def _rtpmap(number: int, value: str) -> Format:
    match = _RTPMAP.fullmatch(value)
    if match is None:
        raise SdpError(number, "expected a=rtpmap:<payload type> <name>/<rate>")
    return Format(int(match[1]), match[2], int(match[3]), int(match[4] or 1))
