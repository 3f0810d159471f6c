"""What an endpoint tells its user. ``call`` is the key of a dialog, ``transaction`` that of a transaction."""

from __future__ import annotations

from dataclasses import dataclass

from telephony.sip.address import Address
from telephony.sip.message import Request, Response


@dataclass(frozen=True, slots=True)
class Invited:
    """An initial INVITE came in; 100 Trying has been sent. Nobody has to answer at once."""

    call: str
    request: Request
    source: Address


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller sent CANCEL before we answered; 200 and 487 have been sent. The call is over. ``reason`` is its Reason
    headers' text."""

    call: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The ACK of our 2xx arrived, or the PRACK of our offer. ``body`` is None where the offer was theirs; otherwise it
    holds their answer, or is empty where they owe us one."""

    call: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Reinvited:
    """A re-INVITE, UPDATE or PRACK with an offer, or a re-INVITE that wants ours: accept or reject it."""

    call: str
    request: Request


@dataclass(frozen=True, slots=True)
class Ringing:
    """An outgoing call got a provisional response of 101…199; where it asked for PRACK, that has been sent. An SDP is
    early media: each To tag is another phone with an answer of its own."""

    call: str
    status: int
    response: Response


@dataclass(frozen=True, slots=True)
class Answered:
    """An outgoing call got a 2xx; its ACK has been sent."""

    call: str
    response: Response


@dataclass(frozen=True, slots=True)
class Failed:
    """An outgoing call came to nothing. ``response`` is None for 408 (nobody answered), 503 (unreachable) and for
    487 where we had cancelled and the answer came too late."""

    call: str
    status: int
    reason: str
    response: Response | None


@dataclass(frozen=True, slots=True)
class Ended:
    """A dialog is over: the far side sent BYE, the ACK never came, or a transaction in it was not answered."""

    call: str
    reason: str


@dataclass(frozen=True, slots=True)
class Requested:
    """Any other request. ``call`` is set inside a dialog. Answer it with ``respond``."""

    transaction: str
    request: Request
    source: Address
    call: str | None = None


@dataclass(frozen=True, slots=True)
class Responded:
    """The final response to ``send_request``, ``request``, ``reinvite`` or ``update`` (there ``call`` is set); a
    synthetic 408 or 503 when none came."""

    transaction: str
    response: Response
    call: str | None = None


@dataclass(frozen=True, slots=True)
class RefreshDue:
    """The session must be refreshed (RFC 4028) and the far side knows no UPDATE: ``reinvite`` with what stands."""

    call: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A datagram that is no SIP. Nothing else suffers."""

    source: Address
    problem: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection with ``peer`` is closed; what waited for it has been told."""

    peer: Address


SipEvent = (
    Invited | Cancelled | Acknowledged | Reinvited
    | Ringing | Answered | Failed
    | Ended | Requested | Responded | RefreshDue | Malformed | Disconnected
)
