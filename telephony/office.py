"""What all legs of an exchange share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from media.server import MediaServer
from telephony.config import TelephonyConfig
from telephony.transport.shell import Shell

if TYPE_CHECKING:
    from telephony.leg import Leg


@dataclass(frozen=True, slots=True)
class Office:
    """The way out, the media core, and who else is in a call."""

    config: TelephonyConfig
    sip: Shell
    media: MediaServer
    counters: Counter[str]
    legs: dict[str, Leg]
    """Every leg that is not over, by its dialog's key."""
    note: Callable[[str, str, Mapping[str, object]], None]
    """Told of a leg's line when it ends: the event's kind, the call, and details."""
