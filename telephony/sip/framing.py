"""Where messages begin and end in a stream (RFC 3261 section 18.3). No I/O: bytes in, frames out.

However a stream is cut into pieces, the same frames come out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from telephony.sip.message import MAX_MESSAGE

MAX_HEAD = 16_384
"""Bytes that the start line and the headers of one message may take."""
PING, PONG = b"\r\n\r\n", b"\r\n"
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:(?:[ \t]|\r\n[ \t])*([^\r]*)", re.IGNORECASE)
_START = re.compile(rb"SIP/[0-9.]+[ ]|[^ \r\n]+ [^\r\n]+ SIP/[0-9.]+\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Whole:
    """One whole message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """Two empty lines between messages: the far side waits for one in return (RFC 5626 section 4.4.1)."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """From here on nobody can tell where a message begins; nothing follows."""

    problem: str


Frame = Whole | Ping | Garbage


class Framing:
    """Cuts one stream. Keeps at most one unfinished message of ``max_message`` bytes."""

    def __init__(self, *, max_message: int = MAX_MESSAGE, max_head: int = MAX_HEAD) -> None:
        self._max_message, self._max_head = max_message, max_head
        self._buffer = bytearray()
        self._looked = 0
        """How far the end of the headers has been looked for."""
        self._needed = 0
        """Bytes of the message that has begun; 0 while its headers are not whole."""
        self._broken = False

    @property
    def partial(self) -> bool:
        """Whether a message has begun and is not whole. A lone CR is none: it is half a keep-alive."""
        return bool(self._buffer) and not PING.startswith(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take what arrived; the frames that are whole now, in order."""
        self._buffer += data
        while not self._broken and self._buffer:
            frame = self._next()
            if frame is None:
                return
            yield frame

    def _next(self) -> Frame | None:
        if not self._needed:
            if self._buffer[:1] == b"\r":
                return self._empty_line()
            frame = self._head()
            if frame is not None or not self._needed:
                return frame
        if len(self._buffer) < self._needed:
            return None
        message = bytes(self._buffer[:self._needed])
        del self._buffer[:self._needed]
        self._needed = self._looked = 0
        return Whole(message)

    def _empty_line(self) -> Frame | None:
        """A keep-alive, or the empty line that some put between messages (section 7.5)."""
        if self._buffer.startswith(PING):
            del self._buffer[:len(PING)]
            return Ping()
        if PING.startswith(self._buffer):
            return None  # the rest of a ping may follow
        if not self._buffer.startswith(PONG):
            return self._fail("a CR without LF")
        del self._buffer[:len(PONG)]
        return self._next() if self._buffer else None

    def _head(self) -> Frame | None:
        """Look for the end of the headers, and in them for the length of the body."""
        within = self._max_head + len(_END)
        line = self._buffer.find(b"\r\n", 0, within)
        if line >= 0 and self._looked < line + 2 and not _START.match(self._buffer, 0, line):
            return self._fail("no SIP start line")
        end = self._buffer.find(_END, max(0, self._looked - len(_END)), within)
        self._looked = len(self._buffer)
        if end < 0:
            return self._fail(f"more than {self._max_head} bytes of headers") if self._looked >= within else None
        lengths = _LENGTH.findall(self._buffer, 0, end)
        text = lengths[0].strip(b" \t") if len(lengths) == 1 else b""
        if not text.isdigit() or len(text) > 9:
            return self._fail("not exactly one Content-Length with a number (section 20.14)")
        self._needed = end + len(_END) + int(text)
        if self._needed > self._max_message:
            return self._fail(f"a message of {self._needed} bytes, more than {self._max_message}")
        return None

    def _fail(self, problem: str) -> Garbage:
        self._broken = True
        self._buffer.clear()
        return Garbage(problem)
