"""Keys for SRTP in a description: a=crypto lines (RFC 4568). They are as secret as the signalling that carries them."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from dataclasses import dataclass, field

from media.engine import SrtpKeys, SrtpSuite

PREFERRED = (
    SrtpSuite.AEAD_AES_256_GCM,
    SrtpSuite.AEAD_AES_128_GCM,
    SrtpSuite.AES_CM_128_HMAC_SHA1_80,
    SrtpSuite.AES_CM_128_HMAC_SHA1_32,
)


_LINE = re.compile(r"crypto:(\d{1,9}) (\S+) inline:([A-Za-z0-9+/=]+)(?:\|(?:2\^)?\d+)?(?: WSH=\d+)?\s*")


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One a=crypto line: the key that its side encrypts with."""

    tag: int
    suite: SrtpSuite
    key: bytes = field(repr=False)
    """Master key and master salt, one after the other."""

    @classmethod
    def parse(cls, value: str) -> KeyLine | None:
        """None for a line that asks for what we do not do: other suites, a master key index, several keys, session
        parameters that change the protection (section 6.3). It is no error: another line may do."""
        match = _LINE.fullmatch(value)
        if match is None or match[2] not in SrtpSuite.__members__:
            return None
        suite = SrtpSuite(match[2])
        try:
            key = base64.b64decode(match[3], validate=True)
        except binascii.Error:
            return None
        return cls(int(match[1]), suite, key) if len(key) == suite.key_size else None

    def __str__(self) -> str:
        return f"crypto:{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"


def fresh(suite: SrtpSuite, tag: int) -> KeyLine:
    """A line with a new random key."""
    return KeyLine(tag, suite, secrets.token_bytes(suite.key_size))


def offered(current: SrtpKeys | None = None) -> tuple[KeyLine, ...]:
    """What we offer: every suite, the best first, each with a key of its own; in a protected call our key again."""
    if current is not None:
        return (KeyLine(1, current.suite, current.send),)
    return tuple(fresh(suite, tag) for tag, suite in enumerate(PREFERRED, start=1))


def chosen(theirs: tuple[KeyLine, ...], current: SrtpKeys | None) -> tuple[KeyLine, SrtpKeys]:
    """Our line in answer to an offer, and both keys. Our key stays as it is while the suite does, so that a hold does
    not begin our stream anew; the far side's first choice wins (section 5.1.2)."""
    their = theirs[0]
    ours = fresh(their.suite, their.tag)
    if current is not None and current.suite is their.suite:
        ours = KeyLine(their.tag, their.suite, current.send)
    return ours, SrtpKeys(their.suite, send=ours.key, receive=their.key)
