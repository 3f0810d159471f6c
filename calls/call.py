"""A call as it stands when its INVITE has been accepted, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from calls.numbers import PhoneNumber


class Side(StrEnum):
    """Who did something to a call."""

    CALLER = "caller"
    AGENT = "agent"
    HOTLINE = "hotline"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Call:
    """One call from a trunk. ``id`` is a UUID in its canonical text form and names the call everywhere."""

    id: str
    trunk: str
    called: str
    """The number that was dialled, as the trunk sent it."""
    number: PhoneNumber | None
    """Who is calling; None when withheld."""
    flow: str
    """The dialplan that answers the called number."""
    began: datetime
    """When the INVITE arrived (aware, UTC)."""


@dataclass(frozen=True, slots=True)
class Hangup:
    """Why a leg ended. ``status`` is the SIP status that said so, or 200 for a BYE."""

    by: Side
    status: int = 200
    reason: str = ""
    cause: int = 0
    """The cause of ITU-T Q.850 that the far side named, or its status stands for; 0 where neither did."""
