"""What a body holds (RFC 3261 section 7.4, RFC 2046 section 5.1, RFC 5621): the session description may be one part of
several."""

from __future__ import annotations

from typing import NamedTuple

from telephony.sip.errors import SipParseError
from telephony.sip.grammar import Params, param, parse_params

SESSION = "application/sdp"
ACCEPTED = (("Accept", f"{SESSION}, multipart/mixed, multipart/alternative, multipart/related"),)
MAX_PARTS, MAX_DEPTH = 20, 3

# Not to understand these never hurts: RFC 3204 section 4 for what telephone networks send along, RFC 6442 for places.
INFORMATIVE = frozenset({"application/isup", "application/qsig", "application/pidf+xml"})


class Part(NamedTuple):
    """One body: of a message, or one of several inside another."""

    kind: str
    """Media type in lower case, such as ``application/sdp``."""
    params: Params
    content: bytes
    disposition: str = ""
    """What it is for; empty where the sender leaves that to the type."""
    optional: bool = False
    """Whether who does not understand it may pass over it."""

    @classmethod
    def of(cls, content_type: str, disposition: str, content: bytes) -> Part:
        """Read what the headers say of a body. Raises SipParseError."""
        kind, params = _worded(content_type, "Content-Type")
        purpose, options = _worded(disposition, "Content-Disposition")
        optional = (param(options, "handling") or "required").lower() == "optional"
        return cls(kind, params, content, purpose, optional or (not purpose and kind in INFORMATIVE))

    def session(self, depth: int = 0) -> bytes | None:
        """The session description in here: empty where there is none and none is missed, None where this body would
        have to be understood and is not. Raises SipParseError where it is broken."""
        if self.kind == SESSION and self.disposition in ("", "session"):
            return self.content
        if self.kind.startswith("multipart/") and depth < MAX_DEPTH:
            found = [part.session(depth + 1) for part in self.parts()]
            if self.kind == "multipart/alternative":  # RFC 2046 section 5.1.4: the last that is understood is the best
                understood = [session for session in found if session]
                return understood[-1] if understood else None
            if None not in found:
                return next((session for session in found if session), b"")
        return b"" if self.optional else None

    def parts(self) -> list[Part]:
        """The bodies inside a multipart one. Raises SipParseError."""
        boundary = param(self.params, "boundary")
        if not boundary:
            raise SipParseError("Content-Type", "a multipart body needs a boundary")
        mark = b"\r\n--" + boundary.encode("utf-8", "surrogateescape")
        _, *pieces = (b"\r\n" + self.content).split(mark, MAX_PARTS + 2)
        ends = [at for at, piece in enumerate(pieces) if piece.startswith(b"--")]
        if not ends or ends[0] > MAX_PARTS:
            raise SipParseError("body", f"no --{boundary[:20]}-- ends its parts, of which there may be {MAX_PARTS}")
        return [_part(piece) for piece in pieces[: ends[0]]]


def _part(piece: bytes) -> Part:
    head, blank, content = piece.lstrip(b" \t").partition(b"\r\n\r\n")
    if not blank:
        raise SipParseError("body", "no empty line ends the headers of a part")
    lines = head.decode("utf-8", "surrogateescape").replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n")
    headers = {name.strip().lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    if headers.get("content-transfer-encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
        return Part("", (), content)  # base64 and the like: a type that nobody knows
    return Part.of(headers.get("content-type", "text/plain"), headers.get("content-disposition", ""), content)


def _worded(text: str, where: str) -> tuple[str, Params]:
    """``word;name=value`` with the word in lower case."""
    word, semicolon, params = text.partition(";")
    return word.strip().lower(), parse_params(semicolon + params, where)
