"""What the worker asks of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Transcript:
    """``syllables`` are toneless pinyin as ``pypinyin.lazy_pinyin`` writes them (女 is ``nv``); ``text`` is for people;
    ``confidence`` is 0…1."""

    syllables: tuple[str, ...] = ()
    text: str = ""
    confidence: float = 1.0


class Session(Protocol):
    """One utterance."""

    def feed(self, pcm: bytes) -> None:
        """Take 8 kHz s16le. Streaming engines decode here; whole-utterance engines only collect."""

    def partial(self) -> Transcript | None:
        """What is understood by now; None when the engine cannot know before the end."""

    def finish(self) -> Transcript:
        """The result; empty when no syllable was recognised. May take long, so it runs beside the loop."""


class Engine(Protocol):
    """A loaded model."""

    def session(self, phrases: Sequence[str]) -> Session:
        """Begin an utterance in which ``phrases`` may be expected."""

    def warm_up(self) -> None:
        """Load what is only needed at the end of an utterance. Runs beside the loop, before any ``finish``."""
