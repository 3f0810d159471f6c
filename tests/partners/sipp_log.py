"""What SIPp sent and received, read from its message log while it runs."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Wire:
    """One SIP message on the wire. ``at`` is in seconds of ``time.monotonic()``, right to a millisecond or so."""

    at: float
    sent: bool
    text: str

    @property
    def first_line(self) -> str:
        return self.text.partition("\r\n")[0]

    @property
    def body(self) -> str:
        """What follows the header."""
        return self.text.partition("\r\n\r\n")[2]

    @property
    def status(self) -> int | None:
        """The status of a response; None for a request."""
        return int(self.first_line.split()[1]) if self.first_line.startswith("SIP/2.0 ") else None

    @property
    def method(self) -> str:
        """The method of a request, or of the request that a response answers."""
        return self.header("CSeq").split()[-1] if self.status is not None else self.first_line.split()[0]

    def header(self, name: str) -> str:
        """The first header called ``name``; empty when there is none."""
        found = re.search(rf"^{re.escape(name)}[ \t]*:[ \t]*(.*?)[ \t]*\r?$", self.text, re.MULTILINE | re.IGNORECASE)
        return found[1] if found else ""

    def user(self, name: str) -> str:
        """The user of the first URI in the header called ``name``; empty when there is none."""
        found = re.search(r"(?:sips?|tel):([^@;>]*)", self.header(name))
        return found[1] if found else ""

    @property
    def audio(self) -> tuple[str, int] | None:
        """Where the SDP in this message wants its audio; None without an SDP, or with port 0."""
        place = re.search(r"^c=IN IP[46] (\S+)", self.text, re.MULTILINE)
        port = re.search(r"^m=audio (\d+)", self.text, re.MULTILINE)
        return (place[1], int(port[1])) if place and port and int(port[1]) else None

    @property
    def audio_format(self) -> int | None:
        """The first payload type of the SDP's audio line; None without one."""
        found = re.search(r"^m=audio \d+ \S+ (\d+)", self.text, re.MULTILINE)
        return int(found[1]) if found else None


class MessageLog:
    """SIPp's message log (``-trace_msg``), read as it grows."""

    _entry = re.compile(rb"-{40,} (\d{4}-\d\d-\d\d)[ \t]([\d:.]+)[^\n]*\n"
                        rb"(?:UDP|TCP) message (sent|received) [\[(](\d+)(?: bytes\):|\] bytes :)\n\n")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.messages: list[Wire] = []
        self._read = 0

    def refresh(self) -> list[Wire]:
        """All complete messages so far, oldest first."""
        if not self.path.exists():
            return self.messages
        with self.path.open("rb") as log:
            log.seek(self._read)
            data = log.read()
        at = 0
        while entry := self._entry.search(data, at):
            end = entry.end() + int(entry[4])
            if end > len(data):
                break
            text = data[entry.end() : end].decode("utf-8", "replace")
            self.messages.append(Wire(_monotonic(entry[1], entry[2]), entry[3] == b"sent", text))
            at = end
        self._read += at
        return self.messages


def _monotonic(date: bytes, clock: bytes) -> float:
    """SIPp writes local wall time; the tests measure in monotonic time."""
    written = datetime.fromisoformat(f"{date.decode()} {clock.decode()}").timestamp()
    return written - time.time() + time.monotonic()
