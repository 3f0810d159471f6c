"""The two headers of reliable provisional responses (RFC 3262 section 7)."""

from __future__ import annotations

from dataclasses import dataclass

from telephony.sip.errors import SipParseError
from telephony.sip.grammar import is_token, number
from telephony.sip.message import Response

OPTION = "100rel"


@dataclass(frozen=True, slots=True)
class RAck:
    """Which provisional response a PRACK confirms: its RSeq, and the CSeq of its request."""

    number: int
    sequence: int
    method: str

    @classmethod
    def parse(cls, text: str, where: str) -> RAck:
        words = text.split()
        if len(words) != 3 or not is_token(words[2]):
            raise SipParseError(where, "expected <RSeq> <CSeq number> <method>")
        return cls(number(words[0], where), number(words[1], where), words[2])

    def __str__(self) -> str:
        return f"{self.number} {self.sequence} {self.method}"


def rseq(response: Response) -> int | None:
    """The number of a provisional response that must be confirmed, or None where it need not be. Raises
    SipParseError."""
    if not 100 < response.status < 200 or OPTION not in map(str.lower, response.values("Require")):
        return None
    return response.once("RSeq", number)
