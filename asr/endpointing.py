"""When does an utterance begin, and when is it over? A state machine without a clock: frames and ``now`` come in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto


class Boundary(Enum):
    """What a frame changed."""

    STARTED = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Times in seconds."""

    start_voiced: float = 0.1
    """So much voice …"""
    start_window: float = 0.2
    """… within so long is the beginning of speech; a click or a knock is shorter."""
    after_phrase: float = 0.4
    """Silence that ends an utterance which already is one of the expected phrases."""
    after_sentence: float = 0.45
    """Silence that ends an utterance of ``sentence`` or more syllables that have stopped growing."""
    after_word: float = 0.55
    """Silence that ends a short one ("是的", "退款"): the caller may be about to go on."""
    after_hesitation: float = 0.9
    """Silence that ends voice in which no syllable has been recognised yet ("嗯……")."""
    after_digits: float = 0.8
    """Silence that ends a number which is being read: people pause between its groups."""
    sentence: int = 4
    longest: float = 15.0
    """An utterance is cut here, so that a radio in the background cannot hold a call."""
    lost_audio: float = 0.2
    """When no frame at all came for so long, the time counts as silence."""


class Endpointer:
    """One utterance after another. ``started_at`` and ``last_voice`` are those of the present or last utterance."""

    def __init__(self, config: EndpointConfig | None = None, frame_seconds: float = 0.02) -> None:
        self.config = config or EndpointConfig()
        self.started_at = 0.0
        self.last_voice = 0.0
        self.speaking = False
        self._frame = frame_seconds
        self._recent: deque[tuple[float, bool]] = deque(maxlen=round(self.config.start_window / frame_seconds))
        self._syllables: int | None = None
        self._grown_at = 0.0
        self._phrase = False
        self._digits = False

    def frame(self, voiced: bool, now: float) -> Boundary | None:
        """One frame, whose last sample arrived at ``now``."""
        if voiced:
            self.last_voice = now
        if self.speaking:
            return self._end(now)
        self._recent.append((now, voiced))
        if sum(v for _, v in self._recent) * self._frame < self.config.start_voiced:
            return None
        self.started_at = next(at for at, v in self._recent if v) - self._frame
        self._recent.clear()
        self.speaking = True
        self._syllables, self._phrase, self._digits = None, False, False
        return Boundary.STARTED

    def understood(self, syllables: int, now: float, *, phrase: bool = False, digits: bool = False) -> None:
        """The recogniser's present count of syllables; ``phrase``: they are a whole expected phrase; ``digits``: they
        end in a row of digits."""
        if syllables != self._syllables:
            self._syllables, self._grown_at = syllables, now
        self._phrase, self._digits = phrase, digits

    def tick(self, now: float) -> Boundary | None:
        """Let time pass when no frames come, so that a line gone dead mid-word still ends its utterance."""
        return self._end(now) if self.speaking and now - self.last_voice > self.config.lost_audio else None

    def patience(self) -> float:
        """Seconds of silence that would end the present utterance."""
        if self._phrase:
            return self.config.after_phrase
        if self._digits:
            return self.config.after_digits
        if self._syllables is None or self._syllables >= self.config.sentence:
            return self.config.after_sentence if self._syllables or self._long() else self.config.after_word
        return self.config.after_word if self._syllables else self.config.after_hesitation

    def _long(self) -> bool:
        """For engines without partial results the length of the voice stands in for the count of syllables."""
        return self.last_voice - self.started_at > 0.25 * self.config.sentence

    def _end(self, now: float) -> Boundary | None:
        silent = now - self.last_voice
        # A partial that has just grown lags behind the voice: give the rest of it the time of one word.
        growing = silent < self.config.after_word and now - self._grown_at < 0.1 and self._syllables is not None
        if now - self.started_at < self.config.longest and (growing or silent < self.patience() - 1e-9):
            return None
        self.speaking = False
        return Boundary.ENDED
