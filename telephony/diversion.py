"""Whom a caller dialled before the call was passed on to us: History-Info (RFC 7044), else Diversion (RFC 5806)."""

from __future__ import annotations

from telephony.sip.errors import SipParseError
from telephony.sip.headers import NameAddr
from telephony.sip.message import Request

HIDDEN = frozenset({"", "anonymous", "private", "restricted", "unavailable", "unknown"})
"""What networks write in place of a user that they do not tell (RFC 3323 section 4.1.1.3; the rest is custom)."""


def originally_called(request: Request) -> str:
    """The number as it came; empty where the call was not passed on, where it is not told, or cannot be read: what is
    only good to know must not cost a call."""
    return _first_of_history(request) or _last_of_diversions(request)


def _first_of_history(request: Request) -> str:
    """Entry 1 is whom the caller dialled (RFC 7044 section 10.3). Alone it only says whom this very INVITE is for."""
    entries = _addresses(request, "History-Info")
    if len(entries) < 2:
        return ""
    return next((_number(entry) for entry in entries if entry.param("index") == "1"), "")


def _last_of_diversions(request: Request) -> str:
    """The topmost is who passed the call on last, the last is who was called first (RFC 5806 section 4)."""
    entries = _addresses(request, "Diversion")
    return _number(entries[-1]) if entries else ""


def _addresses(request: Request, name: str) -> list[NameAddr]:
    try:
        return [NameAddr.parse(text, name) for text in request.values(name)]
    except SipParseError:
        return []


def _number(entry: NameAddr) -> str:
    """The user of an entry, nothing where somebody asked for privacy (RFC 7044 section 10.1.2, RFC 5806 section 4)."""
    hidden = "privacy=" in entry.uri.headers.lower() or (entry.param("privacy") or "off").lower() != "off"
    user = entry.uri.user.partition(";")[0]
    return "" if hidden or user.lower() in HIDDEN else user
