"""Header values: each is frozen, parses from its text and prints as it goes on the wire."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple, Self

from telephony.sip.address import Address, Transport
from telephony.sip.errors import SipParseError
from telephony.sip.grammar import (
    HOST,
    LWS,
    PORT,
    QUOTED,
    TOKEN,
    Params,
    format_params,
    is_token,
    number,
    param,
    parse_params,
    quote,
    unquote,
)
from telephony.sip.names import METHODS
from telephony.sip.uri import Uri

MAGIC_COOKIE = "z9hG4bK"
"""How a branch of RFC 3261 begins (section 8.1.1.7)."""

# A display name without quotes should be tokens alone. Letters of every script are let in, and what else cannot be
# mistaken for a separator: 张三 <sip:…> is what some telephones write.
_NAME_ADDR = re.compile(rf'{LWS}(?:({QUOTED}){LWS}|([^"<>,;:@\\]*+))<{LWS}([^<>\s]++){LWS}>(.*+)', re.DOTALL)
_VIA = re.compile(
    rf"[Ss][Ii][Pp]{LWS}/{LWS}({TOKEN}){LWS}/{LWS}({TOKEN})[ \t]++({HOST})(?:{LWS}:{LWS}({PORT}))?+(.*+)", re.DOTALL
)


class NameAddr(NamedTuple):
    """``"Display name" <uri>;params``: From, To, Route, Record-Route, P-Asserted-Identity, Refer-To (section 20.10)."""

    uri: Uri
    display: str = ""
    params: Params = ()

    @classmethod
    def parse(cls, text: str, where: str = "address") -> Self:
        """Parse one address with or without angle brackets. Raises SipParseError."""
        found = _NAME_ADDR.fullmatch(text) if "<" in text else None
        if found is None:
            # Without brackets every parameter belongs to the header, none to the URI (section 20.10).
            bare, semicolon, params = text.partition(";")
            if "?" in bare or "," in bare:
                raise SipParseError(where, "a URI with a question mark or a comma must stand in <>")
            return cls(Uri.parse(bare.strip(), where), "", parse_params(semicolon + params, where))
        quoted, plain, uri, params = found.groups()
        display = unquote(quoted) if quoted else plain.strip() if plain else ""
        return cls(Uri.parse(uri, where), display, parse_params(params, where) if params else ())

    def __str__(self) -> str:
        name = f"{quote(self.display)} " if self.display else ""
        return f"{name}<{self.uri}>{format_params(self.params)}"

    def param(self, name: str) -> str | None:
        """A header parameter: None where missing, "" where it is a flag."""
        return param(self.params, name)

    @property
    def tag(self) -> str:
        """The dialog tag, or empty."""
        return self.param("tag") or ""

    def with_tag(self, tag: str) -> Self:
        """The same address under another tag; none where ``tag`` is empty."""
        others = tuple(item for item in self.params if item[0] != "tag")
        return self._replace(params=(*others, ("tag", tag)) if tag else others)


class Contact(NameAddr):
    """One contact of a Contact header (section 20.10)."""

    __slots__ = ()

    @property
    def expires(self) -> int | None:
        """Seconds this binding is asked to live, or None where the contact does not say."""
        text = self.param("expires")
        return None if text is None else number(text, "Contact expires")

    @property
    def q(self) -> float:
        """Preference of 0…1; 1 where it is not said."""
        text = self.param("q")
        if text is None:
            return 1.0
        if re.fullmatch(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?", text) is None:
            raise SipParseError("Contact q", f"{text[:20]!r} is not a number of 0…1 with up to three places")
        return float(text)


class Via(NamedTuple):
    """One hop of a Via header (section 20.42)."""

    transport: str
    host: str
    port: int | None = None
    params: Params = ()
    version: str = "2.0"

    @classmethod
    def parse(cls, text: str, where: str = "Via") -> Via:
        """Parse one hop. Raises SipParseError."""
        found = _VIA.fullmatch(text)
        if found is None:
            raise SipParseError(where, f"{text[:40]!r} is not SIP/2.0/transport host:port;branch=…")
        version, transport, host, digits, params = found.groups()
        port = int(digits) if digits else None
        if port is not None and port > 65535:
            raise SipParseError(where, f"port {port} is above 65535")
        return cls(transport.upper(), host, port, parse_params(params, where), version)

    def __str__(self) -> str:
        return f"SIP/{self.version}/{self.transport} {self.sent_by}{format_params(self.params)}"

    def param(self, name: str) -> str | None:
        """A parameter: None where missing, "" where it is a flag."""
        return param(self.params, name)

    @property
    def sent_by(self) -> str:
        """``host`` or ``host:port``, as the sender names itself."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def branch(self) -> str:
        """The transaction's branch, or empty."""
        return self.param("branch") or ""

    def with_branch(self, branch: str) -> Via:
        """The same hop of another transaction."""
        return self._replace(params=tuple((name, branch if name == "branch" else text) for name, text in self.params))

    def seen_from(self, source: Address) -> Via:
        """The hop as the receiver writes it down: ``received`` and ``rport`` (section 18.2.1, RFC 3581 section 4)."""
        asks_port = self.param("rport") is not None
        forged = self.param("received") is not None  # a sender that writes it itself wants others to be answered
        if not asks_port and not forged and self.host.strip("[]").lower() == source.host:
            return self
        kept = [item for item in self.params if item[0] not in ("received", "rport")]
        kept.append(("received", source.host))
        if asks_port:
            kept.append(("rport", str(source.port)))
        return self._replace(params=tuple(kept))

    def reply_to(self) -> Address:
        """Where a response goes that is sent as a datagram, or whose connection is closed (section 18.2.2, RFC 3581
        section 4)."""
        transport = Transport(self.transport) if self.transport in Transport.__members__ else Transport.UDP
        host = (self.param("received") or self.host).strip("[]")  # brackets in received: RFC 5118 section 4.5
        rport = self.param("rport")
        if rport and not transport.reliable:
            return Address(host, number(rport, "Via rport", 65535))
        return Address(host, self.port or transport.port, transport)


class CSeq(NamedTuple):
    """Sequence number and method (section 20.16)."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str, where: str = "CSeq") -> CSeq:
        """Parse ``314159 INVITE``. Raises SipParseError."""
        words = text.split()
        if len(words) != 2 or not (words[1] in METHODS or is_token(words[1])):
            raise SipParseError(where, f"{text[:40]!r} is not a number and a method")
        return cls(number(words[0], where, 2**31 - 1), words[1])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@dataclass(frozen=True, slots=True)
class Challenge:
    """WWW-Authenticate or Proxy-Authenticate; ``params`` as on the wire (section 20.44)."""

    scheme: str
    params: Params

    @classmethod
    def parse(cls, text: str, where: str = "WWW-Authenticate") -> Self:
        """Parse ``Digest realm="…", nonce="…"``. Raises SipParseError."""
        scheme, _, rest = text.strip().partition(" ")
        if not is_token(scheme):
            raise SipParseError(where, f"{text[:40]!r} does not begin with a scheme such as Digest")
        return cls(scheme, _auth_params(rest, where))

    def __str__(self) -> str:
        return f"{self.scheme} " + ", ".join(f"{name}={value}" for name, value in self.params)

    def param(self, name: str) -> str:
        """A parameter without its quotes, or empty."""
        return param(self.params, name) or ""


class Credentials(Challenge):
    """Authorization or Proxy-Authorization: the same form, answered (section 20.7)."""

    __slots__ = ()


_AUTH_PARAM = re.compile(rf'[\s,]*+({TOKEN})\s*+=\s*+({QUOTED}|[^\s,"]++)\s*+(?=,|$)')


def _auth_params(text: str, where: str) -> Params:
    params = []
    position = 0
    while position < len(text):
        found = _AUTH_PARAM.match(text, position)
        if found is None:
            raise SipParseError(where, f"expected name=value at {text[position:position + 20]!r}")
        params.append((found[1].lower(), found[2]))
        position = found.end()
    return tuple(params)
