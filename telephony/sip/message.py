"""SIP messages: split into lines at once, understood header by header when somebody asks (RFC 3261 section 7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar, cast

from telephony.sip.address import Address
from telephony.sip.errors import SipParseError
from telephony.sip.grammar import is_token, number, split_list
from telephony.sip.headers import Contact, CSeq, NameAddr, Via
from telephony.sip.names import CANONICAL, canonical
from telephony.sip.uri import Uri

MAX_MESSAGE = 65_535
MAX_FIELDS = 200
Headers = Iterable[tuple[str, str]]
_T = TypeVar("_T")
_TAG = re.compile(r";[ \t]*tag[ \t]*=[ \t]*([^\s;]+)", re.IGNORECASE)
_FOLD = re.compile(r"[ \t]*\r\n[ \t]+")


class Message:
    """What requests and responses share. Treat as frozen: derive a new one instead of changing it.

    ``fields`` are (canonical name, text) in wire order, one for each header line.
    """

    __slots__ = ("_index", "_seen", "body", "fields")

    def __init__(self, fields: Headers, body: bytes = b"") -> None:
        self.fields = list(fields)
        self.body = body
        self._index: dict[str, list[str]] | None = None
        self._seen: dict[str, object] = {}

    # -- text of headers ------------------------------------------------------------------------------------------

    def lines(self, name: str) -> list[str]:
        """The text of every line of this header, in order."""
        index = self._index
        if index is None:
            index = self._index = {}
            for key, value in self.fields:
                if key in index:
                    index[key].append(value)
                else:
                    index[key] = [value]
        return index.get(name) or index.get(CANONICAL.get(name) or canonical(name)) or []

    def get(self, name: str, default: str = "") -> str:
        """The text of the first line of this header."""
        found = self.lines(name)
        return found[0] if found else default

    def values(self, name: str) -> list[str]:
        """The comma-separated values over all lines of this header, in order."""
        return [value for line in self.lines(name) for value in split_list(line, name) if value]

    # -- headers understood ---------------------------------------------------------------------------------------

    def once(self, name: str, understand: Callable[[str, str], _T], aspect: str = "") -> _T:
        """Understand the only line of a header that must stand exactly once; the result is remembered under ``aspect``,
        or the name."""
        key = aspect or name
        if key in self._seen:
            return cast(_T, self._seen[key])
        found = self.lines(name)
        if len(found) != 1:
            raise SipParseError(name, "the header is missing" if not found else "the header stands more than once")
        value = self._seen[key] = understand(found[0], name)
        return value

    @property
    def via(self) -> Via:
        """The topmost hop."""
        found = self._seen.get("Via")
        if found is None:
            values = self.lines("Via")
            if not values or not (items := split_list(values[0], "Via")):
                raise SipParseError("Via", "the header is missing")
            found = self._seen["Via"] = Via.parse(items[0])
        return cast(Via, found)

    @property
    def from_(self) -> NameAddr:
        return self.once("From", NameAddr.parse)

    @property
    def to(self) -> NameAddr:
        return self.once("To", NameAddr.parse)

    @property
    def from_tag(self) -> str:
        """The tag of From, or empty."""
        return self.once("From", _tag, "From tag")

    @property
    def to_tag(self) -> str:
        """The tag of To, or empty."""
        return self.once("To", _tag, "To tag")

    @property
    def call_id(self) -> str:
        return self.once("Call-ID", _call_id)

    @property
    def cseq(self) -> CSeq:
        return self.once("CSeq", CSeq.parse)

    @property
    def contacts(self) -> list[Contact]:
        """All contacts; a ``*`` is left out (see ``values("Contact")``)."""
        return [Contact.parse(text, "Contact") for text in self.values("Contact") if text != "*"]

    @property
    def max_forwards(self) -> int:
        """70 where it is not said: RFC 2543 did not know the header."""
        return self.once("Max-Forwards", _hops) if self.lines("Max-Forwards") else 70

    # -- the wire -------------------------------------------------------------------------------------------------

    @property
    def start_line(self) -> str:
        raise NotImplementedError

    def __bytes__(self) -> bytes:
        parts = [self.start_line]
        parts += [f"{name}: {value}" for name, value in self.fields if name != "Content-Length"]
        parts.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        head = "\r\n".join(parts)
        if head.count("\n") != len(parts) + 1 or head.count("\r") != len(parts) + 1:
            raise ValueError("a header value holds a line break")  # ours to prevent: nobody smuggles in headers
        return head.encode("utf-8", "surrogateescape") + self.body

    def __repr__(self) -> str:
        # Numbers stand in the headers, and logs must not hold them: only the shape is shown.
        return f"<{type(self).__name__} {self.start_line.split(' ')[0]}, {len(self.fields)} headers>"


class Request(Message):
    """``method`` and Request-URI (``target`` is its text, ``uri`` the value)."""

    __slots__ = ("method", "source", "target")

    def __init__(self, method: str, target: str, fields: Headers, body: bytes = b"") -> None:
        super().__init__(fields, body)
        self.method = method
        self.target = target
        self.source: Address | None = None
        """Where a request of theirs came from."""

    @property
    def uri(self) -> Uri:
        found = self._seen.get("uri")
        if found is None:
            found = self._seen["uri"] = Uri.parse(self.target, "Request-URI")
        return cast(Uri, found)

    @property
    def start_line(self) -> str:
        return f"{self.method} {self.target} SIP/2.0"

    def __repr__(self) -> str:
        return f"<{self.method}, {len(self.fields)} headers>"

    def stamp(self, source: Address) -> None:
        """Note on the topmost hop where the request came from: the one change that its receiver makes (18.2.1)."""
        self.source = source
        via = self.via.seen_from(source)
        if via is self.via:
            return
        position, text = next((at, text) for at, (name, text) in enumerate(self.fields) if name == "Via")
        self.fields[position] = ("Via", ", ".join([str(via), *split_list(text, "Via")[1:]]))
        self._seen["Via"] = via
        self._index = None

    def reply_to(self) -> Address:
        """Where its responses go: back on the connection it came by, or as a datagram to where Via says (18.2.2)."""
        if self.source is None:
            return self.via.reply_to()
        if self.source.transport.reliable:
            return self.source
        return replace(self.via.reply_to(), transport=self.source.transport, listener=self.source.listener)


class Response(Message):
    """``status`` 100…699 and ``reason``."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, fields: Headers, body: bytes = b"") -> None:
        super().__init__(fields, body)
        self.status = status
        self.reason = reason

    @property
    def start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"

    def __repr__(self) -> str:
        return f"<{self.status} {self.reason}, {len(self.fields)} headers>"


def parse(data: bytes, *, max_message: int = MAX_MESSAGE, max_fields: int = MAX_FIELDS) -> Request | Response:
    """Read a datagram. Raises SipParseError where it is no SIP message.

    Header values are not looked at yet, except Content-Length: reading one raises SipParseError where it is wrong.
    """
    message = split(data, max_message=max_message, max_fields=max_fields)
    measure(message)
    return message


def split(data: bytes, *, max_message: int = MAX_MESSAGE, max_fields: int = MAX_FIELDS) -> Request | Response:
    """Split a datagram into start line, header lines and all that follows them. Raises SipParseError."""
    if len(data) > max_message:
        raise SipParseError("message", f"{len(data)} bytes are more than {max_message}", 513)
    data = data.lstrip(b"\r\n")  # section 7.5: empty lines before the start line are ignored
    head, blank, body = data.partition(b"\r\n\r\n")
    if not blank:
        raise SipParseError("message", "no empty line ends the headers")
    text = head.decode("utf-8", "surrogateescape")
    if not text.count("\n") == text.count("\r\n") == text.count("\r"):
        raise SipParseError("message", "lines must end with CRLF and hold no other CR or LF")
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)  # section 7.3.1: a line that begins with white space continues the one above
    start, *rest = text.split("\r\n")
    if len(rest) > max_fields:
        raise SipParseError("message", f"{len(rest)} header lines are more than {max_fields}", 513)
    return _start(start, _fields(rest), body)


def measure(message: Message) -> None:
    """Cut the body where Content-Length says it ends (section 18.3): what follows is dropped, what is missing is an
    error. Raises SipParseError."""
    lengths = message.lines("Content-Length")
    if not lengths:
        return
    length = number(lengths[0], "Content-Length")
    if len(lengths) > 1:
        raise SipParseError("Content-Length", "the header stands more than once")
    if length > len(message.body):
        raise SipParseError("Content-Length", f"says {length} bytes, only {len(message.body)} follow")
    message.body = message.body[:length]


def _fields(lines: list[str]) -> list[tuple[str, str]]:
    fields = []
    for line in lines:
        name, colon, value = line.partition(":")
        known = CANONICAL.get(name)
        if known is None or not colon:
            name = name.rstrip(" \t")
            if not colon or not is_token(name):
                raise SipParseError("header", f"{line[:20]!r} is not Name: value")
            known = CANONICAL.get(name) or canonical(name)
        fields.append((known, value.strip(" \t")))
    return fields


def _start(line: str, fields: list[tuple[str, str]], body: bytes) -> Request | Response:
    first, _, rest = line.partition(" ")
    if first.upper() == "SIP/2.0":
        code, _, reason = rest.partition(" ")
        if len(code) != 3 or not (code.isascii() and code.isdigit()) or not 100 <= int(code) <= 699:
            raise SipParseError("status line", f"{code[:10]!r} is not a status of 100…699")
        return Response(int(code), reason, fields, body)
    target, _, version = rest.partition(" ")
    if not is_token(first) or not target or not version:
        raise SipParseError("start line", f"{line[:20]!r} is neither METHOD URI SIP/2.0 nor SIP/2.0 status reason")
    if version.upper() != "SIP/2.0":
        wrong_version = version.upper().startswith("SIP/") and " " not in version
        raise SipParseError("start line", "does not end in SIP/2.0 after one space", 505 if wrong_version else 400)
    return Request(first, target, fields, body)


def _tag(text: str, where: str) -> str:
    # Every message is matched by its tags, few have their addresses read: look behind the last > only.
    end = text.rfind(">")
    if end < 0 or '"' in text[end:]:
        return NameAddr.parse(text, where).tag
    found = _TAG.search(text, end)
    return found[1] if found else ""


def _call_id(text: str, where: str) -> str:
    if not text or " " in text or "\t" in text:
        raise SipParseError(where, "must be one word")
    return text


def _hops(text: str, where: str) -> int:
    return number(text, where, 255)
