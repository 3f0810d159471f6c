"""One call as the endpoint keeps it: a dialog and what is pending in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from telephony.sip.auth import ClientCredentials
from telephony.sip.dialog import Dialog
from telephony.sip.message import Response
from telephony.sip.timers import Timer
from telephony.sip.transaction import Transaction


class Phase(StrEnum):
    """Where a call stands."""

    INCOMING = "incoming"
    """Their INVITE waits for our final response."""
    ANSWERED = "answered"
    """Our 2xx waits for their ACK."""
    CALLING = "calling"
    """Our INVITE waits for their final response."""
    CONFIRMED = "confirmed"
    ENDING = "ending"
    """Our BYE waits for its response; for our user the call is over."""
    OVER = "over"


@dataclass(slots=True)
class Unacknowledged:
    """A 2xx of ours that is repeated until its ACK comes (section 13.3.1.4)."""

    transaction: Transaction
    response: Response
    interval: float
    give_up_at: float
    timer: Timer | None = None


@dataclass(slots=True, eq=False)
class Call:
    """``dialog`` of an outgoing call is provisional until a 2xx names the remote tag."""

    dialog: Dialog
    phase: Phase
    server: Transaction | None = None
    """Their INVITE or UPDATE that waits for our final response."""
    client: Transaction | None = None
    """Our INVITE that waits for their final response."""
    unacknowledged: Unacknowledged | None = None
    reminder: Timer | None = None
    """Fires when 18x must be repeated, a CANCEL has waited long enough, or a glare is over."""
    hang_up_wanted: bool = False
    """CANCEL or BYE must wait for a provisional response or for an ACK."""
    farewell: Sequence[tuple[str, str]] = ()
    """Headers of that CANCEL or BYE."""
    credentials: ClientCredentials | None = None
    challenges: int = 0
    """How often our INVITE was challenged."""
    glares: int = 0
    """How often our re-INVITE met theirs."""
    outgoing: bool = False

    @property
    def key(self) -> str:
        return self.dialog.key
