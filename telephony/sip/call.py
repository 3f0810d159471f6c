"""One call as the endpoint keeps it: a dialog and what is pending in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from telephony.sip.auth import ClientCredentials
from telephony.sip.dialog import Dialog
from telephony.sip.message import Message, Response
from telephony.sip.session import Session
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


@dataclass(slots=True)
class Unconfirmed:
    """A provisional response of ours that is repeated until its PRACK comes (RFC 3262 section 3)."""

    response: Response
    number: int
    """Its RSeq."""
    interval: float
    give_up_at: float
    timer: Timer | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A re-INVITE, UPDATE or PRACK of theirs whose offer waits for our word."""

    transaction: Transaction
    dialog: Dialog


@dataclass(slots=True, eq=False)
class Call:
    """``dialog`` of an outgoing call is provisional until a 2xx names the remote tag."""

    dialog: Dialog
    phase: Phase
    server: Transaction | None = None
    """Their initial INVITE that waits for our final response."""
    asked: Asked | None = None
    client: Transaction | None = None
    """Our initial INVITE that waits for their final response."""
    change: Transaction | None = None
    """Our re-INVITE or UPDATE that waits for their final response."""
    early: dict[str, Dialog] = field(default_factory=dict)
    """Remote tag → dialog, for each phone that rings where our INVITE was forked (section 12.1.2)."""
    unconfirmed: Unconfirmed | None = None
    held_back: list[tuple[int, bytes]] = field(default_factory=list)
    """(status, SDP) of responses that wait for a PRACK."""
    unacknowledged: Unacknowledged | None = None
    reminder: Timer | None = None
    """Fires when 18x must be repeated, or a CANCEL has waited long enough."""
    glare: Timer | None = None
    """Fires when an offer of ours that met theirs is made again."""
    hang_up_wanted: bool = False
    """CANCEL or BYE must wait for a provisional response or for an ACK."""
    farewell: Sequence[tuple[str, str]] = ()
    """Headers of that CANCEL or BYE."""
    credentials: ClientCredentials | None = None
    challenges: int = 0
    """How often our INVITE was challenged."""
    glares: int = 0
    """How often our offer met theirs."""
    outgoing: bool = False
    session: Session | None = None
    """Set while the session is timed (RFC 4028)."""
    min_se: int = 0
    """The least interval that a 422 of theirs asked for."""
    allows: frozenset[str] = frozenset()
    """The methods that the far side says it understands."""

    @property
    def key(self) -> str:
        return self.dialog.key

    def dialog_with(self, remote_tag: str) -> Dialog | None:
        """The dialog, early or confirmed, with the far side of this tag."""
        return self.dialog if self.dialog.remote_tag == remote_tag else self.early.get(remote_tag)

    def note_abilities(self, message: Message) -> None:
        """Remember Allow, where the message has one."""
        if message.lines("Allow"):
            self.allows = frozenset(message.values("Allow"))
