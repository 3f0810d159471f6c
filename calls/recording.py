"""What is kept of a call when it is over."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Recording:
    """A stereo WAV file, caller left, what the caller heard right; 8 kHz, 16 bit. ``path`` is below the data folder."""

    call_id: str
    path: str
    seconds: float
    sha256: str


@dataclass(frozen=True, slots=True)
class Insight:
    """The short account of a finished call that reports are made of."""

    call_id: str
    seconds: float
    intents: tuple[str, ...] = ()
    queue: str = ""
    agent: str = ""
    waited: float = 0.0
    talked: float = 0.0
    solved: bool = False
    ended_by: str = ""
    turns: tuple[tuple[str, str], ...] = field(default=())
    """(speaker, text) pairs in the order in which they were spoken."""
