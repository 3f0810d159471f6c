"""SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966)."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from telephony.sip.address import Address, Transport
from telephony.sip.errors import SipParseError
from telephony.sip.grammar import HOST, PORT, Params, format_params, parse_params

_USER = r"[A-Za-z0-9\-_.!~*'()&=+$,;?/%#]++"
_NO = r"\s<>\"\x00-\x1f\x7f"  # nowhere in a URI: white space, its own delimiters, control characters
_SIP = re.compile(
    r"([Ss][Ii][Pp][Ss]?):"
    rf"(?:({_USER})(?::([^@{_NO}]*+))?+@)?"
    rf"({HOST})(?::({PORT}))?+"
    rf"((?:;[^;?{_NO}]++)*+)(?:\?([^{_NO}]*+))?+"
)
_SCHEME = re.compile(rf"([A-Za-z][A-Za-z0-9+.\-]*+):([^{_NO}]++)")
_SAFE_IN_USER = "-_.!~*'()&=+$,;?/"
_SAFE_IN_PARAM = "-_.!~*'()[]/:&+$"
# Parameters that make two URIs differ even where only one of them has it (section 19.1.4).
_DECISIVE = frozenset({"transport", "user", "ttl", "method", "maddr"})


class Uri(NamedTuple):
    """``scheme:user:password@host:port;params?headers``.

    ``user`` and ``params`` are unescaped, ``password`` and ``headers`` as on the wire. For ``tel`` the user is the
    number as written; for a scheme that is none of ours it is everything after the colon, and ``host`` is empty.
    """

    host: str = ""
    user: str = ""
    port: int | None = None
    scheme: str = "sip"
    params: Params = ()
    headers: str = ""
    password: str = ""

    @classmethod
    def parse(cls, text: str, where: str = "URI") -> Uri:
        """Parse a whole URI. Raises SipParseError."""
        found = _SIP.fullmatch(text)
        if found is None:
            return cls._parse_other(text, where)
        scheme, user, password, host, digits, params, headers = found.groups("")
        if "%" in user:
            user = unquote(user, errors="surrogateescape")
        port = int(digits) if digits else None
        if port is not None and port > 65535:
            raise SipParseError(where, f"port {port} is above 65535")
        return cls(
            host.lower(),
            user,
            port,
            scheme.lower(),
            _parse_params(params) if params else (),
            headers,
            password,
        )

    @classmethod
    def _parse_other(cls, text: str, where: str) -> Uri:
        found = _SCHEME.fullmatch(text)
        if found is None:
            raise SipParseError(where, f"{text[:40]!r} is no URI, expected scheme:user@host")
        scheme, rest = found[1].lower(), found[2]
        if scheme in ("sip", "sips"):
            raise SipParseError(where, f"{rest[:40]!r} is not user@host:port;params")
        if scheme == "tel":
            number, semicolon, params = rest.partition(";")
            return cls(scheme="tel", user=number, params=parse_params(semicolon + params, where))
        return cls(scheme=scheme, user=rest)

    @classmethod
    def at(cls, address: Address, user: str = "") -> Uri:
        """The URI of who is reached at ``address``."""
        way = address.transport.parameter
        return cls(host=bracketed(address.host), user=user, port=address.port, params=_parse_params(way) if way else ())

    def __str__(self) -> str:
        if self.scheme not in ("sip", "sips"):
            return f"{self.scheme}:{self.user}{format_params(self.params)}"
        text = self.scheme + ":"
        if self.user:
            text += quote(self.user, safe=_SAFE_IN_USER, errors="surrogateescape")
            text += f":{self.password}@" if self.password else "@"
        text += self.host
        if self.port is not None:
            text += f":{self.port}"
        if self.params:
            text += _format_params(self.params)
        return f"{text}?{self.headers}" if self.headers else text

    def param(self, name: str) -> str | None:
        """A URI parameter: None where missing, "" where it is a flag."""
        return next((value or "" for key, value in self.params if key == name), None)

    @property
    def literal(self) -> str:
        """The host without the brackets of IPv6, and without the third colon that RFC 3261's grammar wrongly lets stand
        before an embedded IPv4 address (RFC 5118 section 4.10)."""
        return self.host[1:-1].replace(":::", "::") if self.host.startswith("[") else self.host

    @property
    def transport(self) -> Transport:
        """How it is reached (RFC 3263 section 4.1, without looking up NAPTR); an unknown way is taken for UDP, which
        everybody must understand."""
        named = (self.param("transport") or "").upper()
        if self.scheme == "sips":
            return Transport.WSS if named in ("WS", "WSS") else Transport.TLS
        return Transport(named) if named in Transport.__members__ else Transport.UDP

    @property
    def address(self) -> Address | None:
        """Where a request for it goes, or None where ``host`` is a name that somebody must look up."""
        try:
            ipaddress.ip_address(self.literal)
        except ValueError:
            return None
        return Address(self.literal, self.port or self.transport.port, self.transport)

    def matches(self, other: Uri) -> bool:
        """Whether both name the same resource by the comparison rules of section 19.1.4."""
        mine, theirs = (self.scheme, self.user, self.password, self.host, self.port), (
            other.scheme, other.user, other.password, other.host, other.port)
        if mine != theirs or self.headers != other.headers:
            return False
        ours, others = dict(self.params), dict(other.params)
        return all(
            (ours[name] or "").lower() == (others[name] or "").lower() if name in ours and name in others
            else name not in _DECISIVE
            for name in ours.keys() | others.keys()
        )


def bracketed(host: str) -> str:
    """A numeric address as it stands in URIs and headers: IPv6 in brackets (RFC 3261 section 25.1)."""
    return f"[{host}]" if ":" in host else host


def _parse_params(text: str) -> Params:
    # URI parameters know no white space and no quotes, so a plain split is the whole grammar.
    params = []
    for item in text[1:].split(";"):
        name, equals, value = item.partition("=")
        if "%" in item:
            name, value = unquote(name, errors="surrogateescape"), unquote(value, errors="surrogateescape")
        params.append((name.lower(), value if equals else None))
    return tuple(params)


def _format_params(params: Params) -> str:
    return "".join(
        f";{_escape(name)}" if value is None else f";{_escape(name)}={_escape(value)}" for name, value in params
    )


def _escape(text: str) -> str:
    return quote(text, safe=_SAFE_IN_PARAM, errors="surrogateescape")
