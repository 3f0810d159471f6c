"""Refusing what has not been read: beyond our capacity a refusal must cost next to nothing, or it costs the calls that
run. Of an INVITE only those lines are looked for that its response copies (RFC 3261 section 8.2.6.2), and the ACK of
such a response is known by its tag.

Whatever is not written in the plainest way is left to be read as any other message; the responses are the same, but for
what is wrong elsewhere in the message: that is told when there is time again.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from telephony.sip.address import Address, Transport
from telephony.sip.headers import MAGIC_COOKIE
from telephony.sip.names import reason_for

_LINE = re.compile(rb"\r\n(via|v|from|f|to|t|call-id|i|cseq)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_ONCE = (b"from", b"to", b"call-id", b"cseq")
_NAMES = {name: name for name in (b"via", *_ONCE)} | {b"v": b"via", b"f": b"from", b"t": b"to", b"i": b"call-id"}
_HOP = re.compile(
    rb"SIP/2\.0/UDP ([a-zA-Z0-9.-]+)(?::(\d{1,5}))?"
    rb"((?:;[a-z0-9-]+(?:=[a-zA-Z0-9.!%*_+`'~-]+)?)*)"
)
_BRANCH = re.compile(rb";branch=(" + MAGIC_COOKIE.encode() + rb"[^;]+)")
_ASKS_PORT = re.compile(rb";rport(?=;|$)")
_FOLDED = re.compile(rb"\r\n[ \t]")


class Glance(NamedTuple):
    """As much of an INVITE as its refusal needs."""

    key: str
    """Of its server transaction."""
    branch: str
    vias: list[bytes]
    """The topmost one says where it came from, as ``Via.seen_from``."""
    from_: bytes
    to: bytes
    call_id: bytes
    cseq: bytes
    reply_to: Address

    def refused(self, status: int, tag: str, retry_after: int) -> bytes:
        """The response."""
        return b"".join((
            f"SIP/2.0 {status} {reason_for(status)}\r\n".encode(),
            *[b"Via: %b\r\n" % via for via in self.vias],
            b"From: %b\r\nTo: %b;tag=%b\r\nCall-ID: %b\r\nCSeq: %b\r\nRetry-After: %d\r\nContent-Length: 0\r\n\r\n"
            % (self.from_, self.to, tag.encode(), self.call_id, self.cseq, retry_after),
        ))


def glance(data: bytes, source: Address) -> Glance | None:
    """What a refusal needs of an INVITE that begins a call; None where the message has to be read."""
    if source.transport is not Transport.UDP or not data.startswith(b"INVITE "):
        return None
    head, blank, _ = data.partition(b"\r\n\r\n")
    if not blank or _FOLDED.search(head) or not head.count(b"\r") == head.count(b"\n") == head.count(b"\r\n"):
        return None
    found: dict[bytes, list[bytes]] = {}
    for name, value in _LINE.findall(head):
        found.setdefault(_NAMES[name.lower()], []).append(value.rstrip(b" \t"))
    vias, once = found.pop(b"via", []), [found.get(name, []) for name in _ONCE]
    if not vias or any(len(lines) != 1 for lines in once):
        return None
    [from_], [to], [call_id], [cseq] = once
    hop = _hop(vias[0], source)
    if hop is None or b"tag" in to.lower() or not call_id or b" " in call_id or b"\t" in call_id:
        return None
    stamped, sent_by, branch, reply_to = hop
    vias[0] = stamped
    return Glance(f"{branch} {sent_by} INVITE", branch, vias, from_, to, call_id, cseq, reply_to)


def _hop(text: bytes, source: Address) -> tuple[bytes, str, str, Address] | None:
    """The topmost hop: as its receiver writes it down (section 18.2.1), who sent it, its branch, and where its response
    goes (section 18.2.2)."""
    found = _HOP.fullmatch(text)
    branch = _BRANCH.search(text)
    if found is None or branch is None or text.count(b";branch") != 1 or b";received" in text or b";rport=" in text:
        return None
    host, digits, params = found.groups()
    port, came_from = int(digits or 0) or source.transport.port, source.host.encode()
    if port > 65535:
        return None
    params, asks_port = _ASKS_PORT.subn(b"", params)
    if asks_port:
        params += b";received=%b;rport=%d" % (came_from, source.port)
        port = source.port
    elif host.lower() != came_from:
        params += b";received=" + came_from
    reply_to = source if port == source.port else Address(source.host, port, source.transport, source.listener)
    sent_by = host + (b":" + digits if digits else b"")
    return b"SIP/2.0/UDP %b%b" % (sent_by, params), sent_by.decode(), branch[1].decode(), reply_to
