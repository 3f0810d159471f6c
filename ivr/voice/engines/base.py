"""What the voice worker asks of a synthesiser."""

from __future__ import annotations

from typing import Protocol


class Synthesiser(Protocol):
    """A loaded text-to-speech engine."""

    def speak(self, text: str) -> bytes:
        """One clause as 8 kHz mono s16le, trimmed and levelled. ``text`` is already spelled out for speech."""
