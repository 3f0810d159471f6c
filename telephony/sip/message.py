"""SIP messages: split into lines at once, understood header by header when somebody asks (RFC 3261 section 7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

from telephony.sip.address import Address
from telephony.sip.body import ACCEPTED, SESSION, Part
from telephony.sip.errors import SipParseError
from telephony.sip.grammar import is_token, number, split_list
from telephony.sip.headers import Contact, CSeq, NameAddr, Via
from telephony.sip.names import CANONICAL, METHODS, canonical
from telephony.sip.uri import Uri

MAX_MESSAGE = 65_535
MAX_FIELDS = 200
Headers = Iterable[tuple[str, str]] | dict[str, list[str]]
"""Lines as (canonical name, text), or the texts by canonical name."""
_T = TypeVar("_T")
_TAG = re.compile(r";[ \t]*tag[ \t]*=[ \t]*([^\s;]+)", re.IGNORECASE)


class Message:
    """What requests and responses share. Treat as frozen: derive a new one instead of changing it.

    Headers are kept by canonical name: the order of different headers says nothing, that of equal ones is kept
    (section 7.3.1).
    """

    __slots__ = ("_headers", "_seen", "body")

    def __init__(self, headers: Headers, body: bytes = b"") -> None:
        self._headers = headers if isinstance(headers, dict) else by_name(headers)
        self._seen: dict[str, Any] = {}
        self.body = body

    # -- text of headers ------------------------------------------------------------------------------------------

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """(canonical name, text) of every header line."""
        return tuple((name, line) for name, lines in self._headers.items() for line in lines)

    def lines(self, name: str) -> list[str]:
        """The text of every line of this header, in order."""
        return self._headers.get(CANONICAL.get(name) or canonical(name)) or []

    def get(self, name: str, default: str = "") -> str:
        """The text of the first line of this header."""
        found = self.lines(name)
        return found[0] if found else default

    def values(self, name: str) -> list[str]:
        """The comma-separated values over all lines of this header, in order."""
        lines = self.lines(name)
        return [value for line in lines for value in split_list(line, name) if value] if lines else []

    def add(self, name: str, value: str) -> None:
        """One more line: for who builds a message that nobody has seen yet."""
        self._headers.setdefault(name, []).append(value)

    # -- headers understood ---------------------------------------------------------------------------------------

    def once(self, name: str, understand: Callable[[str, str], _T], aspect: str = "") -> _T:
        """Understand the only line of a header that must stand exactly once; the result is remembered under ``aspect``,
        or the name."""
        aspect = aspect or name
        value: _T | None = self._seen.get(aspect)
        if value is None:
            found = self._headers.get(name)
            if found is None or len(found) != 1:
                raise SipParseError(name, "the header stands more than once" if found else "the header is missing")
            value = self._seen[aspect] = understand(found[0], name)
        return value

    @property
    def via(self) -> Via:
        """The topmost hop."""
        via: Via | None = self._seen.get("Via")
        if via is None:
            lines = self._headers.get("Via")
            if not lines or not (hops := split_list(lines[0], "Via")):
                raise SipParseError("Via", "the header is missing")
            via = self._seen["Via"] = Via.parse(hops[0])
        return via

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
        found: list[Contact] | None = self._seen.get("Contact")
        if found is None:
            found = [Contact.parse(text, "Contact") for text in self.values("Contact") if text != "*"]
            self._seen["Contact"] = found
        return found

    @property
    def max_forwards(self) -> int:
        """70 where it is not said: RFC 2543 did not know the header."""
        return self.once("Max-Forwards", _hops) if "Max-Forwards" in self._headers else 70

    def unwrap(self) -> None:
        """Keep only the session description of the body, nothing where there is none: of several parts nobody behind
        this needs another. Raises SipParseError, of status 415 where the body had to be understood and is not."""
        if not self.body:
            return
        if self.get("Content-Encoding", "identity").lower() != "identity":
            raise SipParseError("Content-Encoding", "must be identity", 415, (("Accept-Encoding", "identity"),))
        kind = self.get("Content-Type", SESSION)
        found = Part.of(kind, self.get("Content-Disposition"), self.body).session()
        if found is None:
            raise SipParseError("Content-Type", f"{kind[:40]!r} holds no session description", 415, ACCEPTED)
        self.body = found
        self._headers["Content-Type"] = [SESSION]

    # -- the wire -------------------------------------------------------------------------------------------------

    @property
    def start_line(self) -> str:
        raise NotImplementedError

    def __bytes__(self) -> bytes:
        parts = [self.start_line]
        for name, lines in self._headers.items():
            if name != "Content-Length":
                parts += [f"{name}: {line}" for line in lines]
        parts.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        head = "\r\n".join(parts)
        if head.count("\n") != len(parts) + 1 or head.count("\r") != len(parts) + 1:
            raise ValueError("a header value holds a line break")  # ours to prevent: nobody smuggles in headers
        return head.encode("utf-8", "surrogateescape") + self.body

    def __repr__(self) -> str:
        # Numbers stand in the headers, and logs must not hold them: only the shape is shown.
        return f"<{type(self).__name__} {self.start_line.split(' ')[0]}, {len(self._headers)} headers>"


class Request(Message):
    """``method``, Request-URI (``target`` is its text, ``uri`` the value) and ``version`` of the protocol."""

    __slots__ = ("method", "source", "target", "version")

    def __init__(self, method: str, target: str, headers: Headers, body: bytes = b"", version: str = "2.0") -> None:
        super().__init__(headers, body)
        self.method = method
        self.target = target
        self.version = version
        self.source: Address | None = None
        """Where a request of theirs came from."""

    @property
    def uri(self) -> Uri:
        found: Uri | None = self._seen.get("uri")
        if found is None:
            found = self._seen["uri"] = Uri.parse(self.target, "Request-URI")
        return found

    @property
    def start_line(self) -> str:
        return f"{self.method} {self.target} SIP/{self.version}"

    def __repr__(self) -> str:
        return f"<{self.method}, {len(self._headers)} headers>"

    def stamp(self, source: Address) -> None:
        """Note on the topmost hop where the request came from: the one change that its receiver makes (18.2.1)."""
        self.source = source
        via = self.via.seen_from(source)
        if via is self.via:
            return
        lines = self._headers["Via"]
        lines[0] = ", ".join([str(via), *split_list(lines[0], "Via")[1:]])
        self._seen["Via"] = via

    def reply_to(self) -> Address:
        """Where its responses go: back on the connection it came by, or as a datagram to where Via says (18.2.2)."""
        source = self.source
        if source is not None and source.transport.reliable:
            return source
        named = self.via.reply_to()
        if source is None:
            return named
        if (named.host, named.port) == (source.host, source.port):  # nearly always
            return source
        return Address(named.host, named.port, source.transport, source.listener)


class Response(Message):
    """``status`` 100…699 and ``reason``."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, headers: Headers, body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.status = status
        self.reason = reason

    @property
    def start_line(self) -> str:
        return f"SIP/2.0 {self.status} {self.reason}"

    def __repr__(self) -> str:
        return f"<{self.status} {self.reason}, {len(self._headers)} headers>"


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
    # Section 7.5: empty lines before the start line are ignored.
    head, blank, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if not blank:
        if not head.endswith(b"\r\n"):
            raise SipParseError("message", "no empty line ends the headers")
        head = head[:-2]  # the end of the datagram ends them too: RFC 4475 has such a message (3.1.2.15)
    text = head.decode("utf-8", "surrogateescape")
    start, *lines = text.split("\r\n")
    if not text.count("\n") == text.count("\r") == len(lines):
        raise SipParseError("message", "lines must end with CRLF and hold no other CR or LF")
    if len(lines) > max_fields:
        raise SipParseError("message", f"{len(lines)} header lines are more than {max_fields}", 513)
    return _start(start, _headers(lines), body)


def measure(message: Message) -> None:
    """Cut the body where Content-Length says it ends (section 18.3): what follows is dropped, what is missing is an
    error. Raises SipParseError."""
    if not message.lines("Content-Length"):
        return
    length = message.once("Content-Length", number)
    if length > len(message.body):
        raise SipParseError("Content-Length", f"says {length} bytes, only {len(message.body)} follow")
    message.body = message.body[:length]


def _headers(lines: list[str]) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    known = CANONICAL.get
    for line in lines:
        spelling, colon, value = line.partition(":")
        name = known(spelling)
        if name is None or not colon:  # seldom: nearly every name is known, in a usual spelling and unfolded
            return by_name(_field(line) for line in _unfold(lines))
        if name in headers:
            headers[name].append(value.strip(" \t"))
        else:
            headers[name] = [value.strip(" \t")]
    return headers


def by_name(fields: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Lines as (canonical name, text), sorted by name."""
    headers: dict[str, list[str]] = {}
    for name, value in fields:
        headers.setdefault(name, []).append(value)
    return headers


def _unfold(lines: list[str]) -> list[str]:
    # Section 7.3.1: a line that begins with white space continues the one above.
    whole: list[list[str]] = []
    for line in lines:
        if not line.startswith((" ", "\t")):
            whole.append([line])
        elif whole:
            whole[-1].append(line.strip(" \t"))
        else:
            _no_name(line)
    return [" ".join(pieces) if len(pieces) > 1 else pieces[0] for pieces in whole]


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.rstrip(" \t")
    if not colon or not is_token(name):
        _no_name(line)
    return CANONICAL.get(name) or canonical(name), value.strip(" \t")


def _no_name(line: str) -> NoReturn:
    raise SipParseError("header", f"{line[:20]!r} is not Name: value")


def _start(line: str, headers: dict[str, list[str]], body: bytes) -> Request | Response:
    first, _, rest = line.partition(" ")
    target, _, version = rest.partition(" ")
    if first in METHODS and version == "SIP/2.0":  # nearly always
        return Request(first, target, headers, body)
    if first.upper() == "SIP/2.0":
        code, _, reason = rest.partition(" ")
        if len(code) != 3 or not (code.isascii() and code.isdigit()) or not 100 <= int(code) <= 699:
            raise SipParseError("status line", f"{code[:10]!r} is not a status of 100…699")
        return Response(int(code), reason, headers, body)
    # More than one space between the words does no harm (RFC 4475 sections 3.1.2.9 and 3.1.2.10).
    target, _, version = rest.strip(" ").rpartition(" ")
    if not is_token(first) or not target or not version[:4].upper() == "SIP/":
        raise SipParseError("start line", f"{line[:20]!r} is neither METHOD URI SIP/2.0 nor SIP/2.0 status reason")
    return Request(first, target.rstrip(" "), headers, body, version[4:])


def _tag(text: str, where: str) -> str:
    # Every message is matched by its tags, few have their addresses read: look behind the last > only.
    params = text[text.rfind(">") + 1:]
    if not params:
        return ""
    if '"' in params:
        return NameAddr.parse(text, where).tag
    found = _TAG.search(params)
    return found[1] if found else ""


def _call_id(text: str, where: str) -> str:
    if not text or " " in text or "\t" in text:
        raise SipParseError(where, "must be one word")
    return text


def _hops(text: str, where: str) -> int:
    return number(text, where, 255)
