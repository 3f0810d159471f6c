"""What a conversation needs of a recogniser, whichever engine stands behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from calls.errors import HotlineError
from calls.speech import Heard


class RecogniserDown(HotlineError):
    """No worker can listen now, or the one that listened died. The flow goes on with the keypad."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak; ``at`` is the monotonic time (seconds) of the first voiced frame.

    It may still turn out to be a cough: only ``Partial`` and ``Heard`` say that syllables were recognised.
    """

    at: float


@dataclass(frozen=True, slots=True)
class Partial:
    """What has been understood so far; later partials replace earlier ones. ``syllables`` are toneless pinyin."""

    syllables: tuple[str, ...]
    text: str = ""


SpeechEvent = SpeechStarted | Partial | Heard


class Listening(Protocol):
    """One stretch of listening to one party, until one utterance was heard."""

    @property
    def fd(self) -> int:
        """Datagram socket for ``Phone.tapped``: 8 kHz s16le, one or a few times 20 ms (320 bytes) in each piece. Not
        the phone's to close."""

    def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        """``SpeechStarted``, ``Partial`` …, and one ``Heard``, which is the last. Silence yields nothing: how long to
        wait is the conversation's decision. Raises ``RecogniserDown`` when the worker dies with nothing understood."""


class Recogniser(Protocol):
    """Gives out stretches of listening."""

    def listening(self, *, phrases: Sequence[str] = ()) -> AbstractAsyncContextManager[Listening]:
        """Listen while inside. ``phrases`` are sentences that may be expected: they make the end of speech known
        sooner and the written text better, and forbid nothing. Raises ``RecogniserDown``."""
