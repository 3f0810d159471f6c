"""Who may offer when: the offer/answer model of RFC 3264 as a state of each dialog (patterns: RFC 6337, table 1).

| pattern | offer in | answer in |
|---|---|---|
| 1 | INVITE | its 2xx |
| 2 | 2xx of an INVITE without one | its ACK |
| 3 | INVITE | its first reliable provisional response |
| 4 | first reliable provisional response | its PRACK |
| 5 | PRACK | its 2xx |
| 6 | UPDATE | its 2xx |

A description in any other place is no offer and no answer: ours are left out, theirs are passed over or refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Offering(StrEnum):
    """Where offer and answer stand in one dialog."""

    NOTHING = "nothing described"
    """The INVITE came without an offer: our first description is the offer."""
    OURS = "our offer waits"
    THEIRS = "their offer waits"
    STABLE = "agreed"


DESCRIBED: Mapping[Offering, Offering] = {
    Offering.NOTHING: Offering.OURS,
    Offering.THEIRS: Offering.STABLE,
}
"""What our description in a response to an initial INVITE does. Without a row it is one too many and not sent."""

COLLISION: Mapping[Offering, int] = {
    Offering.NOTHING: 500,
    Offering.OURS: 491,
    Offering.THEIRS: 500,
}
"""How an offer of theirs is refused that comes at the wrong time (RFC 3261 section 14.2, RFC 3311 section 5.2)."""
