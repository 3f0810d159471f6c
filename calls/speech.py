"""What the caller said or pressed, and what it was taken to mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class HeardBy(StrEnum):
    """How an answer came in."""

    VOICE = "voice"
    KEYPAD = "keypad"
    NOTHING = "nothing"
    """The time ran out in silence."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer of the caller.

    ``syllables`` are toneless pinyin (``("wo", "yao", "tui", "kuan")``): what an intent is matched on, because
    homophones vanish there. ``text`` is for people to read. ``digits`` is set for the keypad.
    ``speech_ended`` is the loop time (seconds) at which the last speech sample reached the recogniser.
    """

    by: HeardBy
    syllables: tuple[str, ...] = ()
    text: str = ""
    digits: str = ""
    confidence: float = 1.0
    speech_ended: float | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """What an answer means. ``confidence`` is 0…1; ``phrase`` is the example that came nearest."""

    name: str
    confidence: float
    phrase: str = ""
    slots: dict[str, str] = field(default_factory=dict)
