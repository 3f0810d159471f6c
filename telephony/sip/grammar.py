"""The grammar of RFC 3261 section 25.1 as named fragments, and the three splits that every header needs.

Quantifiers are possessive (``++``), so no input makes a pattern backtrack: time is linear in the length of a line.
"""

from __future__ import annotations

import re

from telephony.sip.errors import SipParseError

Params = tuple[tuple[str, str | None], ...]
"""Header or URI parameters in their order: (lower-case name, value as on the wire or None)."""

TOKEN = r"[A-Za-z0-9\-.!%*_+`'~]++"
QUOTED = r'"(?:[^"\\]|\\.)*+"'
LWS = r"[ \t]*+"
HOST = r"(?:\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9._\-]++)"
PORT = r"[0-9]{1,5}+"
PARAM_VALUE = rf'(?:{QUOTED}|[^\s;,"<>]++)'

MAX_DIGITS = 20
"""Of any number in a header, leading zeros included: reading a longer one would cost more than linear time."""

_TOKEN = re.compile(TOKEN)
_ITEM = re.compile(rf'(?:[^,"<]|{QUOTED}|<[^>]*+>)*+')
_PARAM = re.compile(rf"{LWS};{LWS}({TOKEN})(?:{LWS}={LWS}({PARAM_VALUE}))?+{LWS}|(.++)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def is_token(text: str) -> bool:
    """Whether the whole of ``text`` is one token."""
    return _TOKEN.fullmatch(text) is not None


def split_list(text: str, where: str) -> list[str]:
    """Split at the commas that stand outside quotes and angle brackets (RFC 3261 section 7.3.1)."""
    if "," not in text:
        return [text]
    items = []
    position = 0
    while True:
        found = _ITEM.match(text, position)
        assert found is not None  # the pattern matches the empty string
        item = found[0].strip()
        position = found.end()
        if position < len(text) and text[position] != ",":
            raise SipParseError(where, f"a {text[position]} is opened and never closed")
        if item:  # empty items are tolerated: ", ," says nothing
            items.append(item)
        if position == len(text):
            return items
        position += 1


def parse_params(text: str, where: str) -> Params:
    """Parse ``;name=value;flag``; the whole of ``text`` must be parameters."""
    params = []
    for name, value, rest in _PARAM.findall(text):
        if rest:
            raise SipParseError(where, f"expected ;name=value at {rest[:20]!r}")
        params.append((name.lower(), value or None))
    return tuple(params)


def format_params(params: Params) -> str:
    """The inverse of ``parse_params``."""
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params)


def param(params: Params, name: str) -> str | None:
    """The value of a parameter: None where it is missing, "" where it is a flag; quotes are taken off."""
    for key, value in params:
        if key == name:
            return "" if value is None else unquote(value)
    return None


def unquote(text: str) -> str:
    """Take off double quotes and backslashes; text without quotes stays as it is."""
    if len(text) < 2 or text[0] != '"':
        return text
    return _ESCAPED.sub(r"\1", text[1:-1]) if "\\" in text else text[1:-1]


def quote(text: str) -> str:
    """A quoted-string that holds ``text``."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def number(text: str, where: str, limit: int = 2**32 - 1) -> int:
    """A decimal number of 0…``limit``. ASCII digits only: ``int`` would take other scripts, signs and underscores."""
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and (value := int(text)) <= limit:
        return value
    raise SipParseError(where, f"{text[:20]!r} is not a number of 0…{limit}")
