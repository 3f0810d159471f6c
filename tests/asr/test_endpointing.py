"""Utterances begin and end; time is passed in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.endpointing import Boundary, EndpointConfig, Endpointer

FRAME = 0.02


class Line:
    """Frames on one line, and what the recogniser makes of them."""

    def __init__(self) -> None:
        self.endpointer = Endpointer()
        self.now = 100.0
        self.boundaries: list[tuple[Boundary, float]] = []

    def _frame(self, voiced: bool) -> None:
        self.now += FRAME
        if boundary := self.endpointer.frame(voiced, self.now):
            self.boundaries.append((boundary, self.now))

    def speaks(
        self, seconds: float, *, syllables: int | None = None, phrase: bool = False, digits: bool = False
    ) -> None:
        for _ in range(round(seconds / FRAME)):
            self._frame(True)
        if syllables is not None:
            self.endpointer.understood(syllables, self.now, phrase=phrase, digits=digits)

    def is_silent(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME)):
            self._frame(False)

    def silence_until_end(self) -> float:
        """Seconds of silence that the utterance took to end."""
        began = self.now
        while not self.ended:
            assert self.now < began + 5, "the utterance never ended"
            self._frame(False)
        return self.now - began

    @property
    def started(self) -> bool:
        return any(boundary is Boundary.STARTED for boundary, _ in self.boundaries)

    @property
    def ended(self) -> bool:
        return any(boundary is Boundary.ENDED for boundary, _ in self.boundaries)


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_tenth_of_a_second_of_voice_is_a_beginning(line: Line) -> None:
    line.speaks(0.08)
    assert not line.started
    line.speaks(0.02)
    assert line.started
    assert line.endpointer.started_at == pytest.approx(100.0)


def test_scattered_frames_are_no_beginning(line: Line) -> None:
    for _ in range(20):
        line.speaks(0.02)
        line.is_silent(0.06)
    assert not line.started


@pytest.mark.parametrize(
    ("said", "silence"),
    [
        ({"syllables": 4, "phrase": True}, 0.40),
        ({"syllables": 2, "phrase": True}, 0.40),
        ({"syllables": 6}, 0.45),
        ({"syllables": 2}, 0.55),
        ({"syllables": 5, "digits": True}, 0.80),
        ({"syllables": 0}, 0.90),
    ],
    ids=["whole phrase", "short phrase", "sentence", "one word", "number being read", "hesitation"],
)
def test_patience_depends_on_what_was_said(line: Line, said: dict[str, int], silence: float) -> None:
    line.speaks(0.8, **said)  # type: ignore[arg-type]
    assert line.silence_until_end() == pytest.approx(silence, abs=FRAME)


def test_without_partial_results_the_length_of_the_voice_decides(line: Line) -> None:
    line.speaks(0.5)
    assert line.silence_until_end() == pytest.approx(0.55, abs=FRAME)
    longer = Line()
    longer.speaks(2.0)
    assert longer.silence_until_end() == pytest.approx(0.45, abs=FRAME)


def test_a_pause_within_a_sentence_does_not_end_it(line: Line) -> None:
    line.speaks(0.6, syllables=3)
    line.is_silent(0.4)
    line.speaks(0.6, syllables=6)
    assert not line.ended
    line.silence_until_end()
    assert line.endpointer.last_voice == pytest.approx(100.0 + 1.6, abs=FRAME)


def test_syllables_that_still_arrive_prolong_the_utterance(line: Line) -> None:
    line.speaks(0.6, syllables=4)
    line.is_silent(0.44)
    line.endpointer.understood(5, line.now)
    assert line.silence_until_end() > 0.05


def test_an_endless_voice_is_cut(line: Line) -> None:
    line.speaks(EndpointConfig().longest + 0.2)
    assert line.boundaries[1][0] is Boundary.ENDED
    assert line.boundaries[1][1] == pytest.approx(100.0 + EndpointConfig().longest, abs=0.1)


def test_a_line_that_goes_dead_mid_word_still_ends_its_utterance(line: Line) -> None:
    line.speaks(0.8, syllables=4)
    assert line.endpointer.tick(line.now + 0.15) is None
    assert line.endpointer.tick(line.now + 0.5) is Boundary.ENDED


def test_time_alone_starts_nothing(line: Line) -> None:
    assert line.endpointer.tick(1_000.0) is None


def test_the_next_utterance_begins_afresh(line: Line) -> None:
    line.speaks(0.8, syllables=4, phrase=True)
    line.silence_until_end()
    line.boundaries.clear()
    line.speaks(0.4)
    assert line.started
    assert line.silence_until_end() == pytest.approx(0.55, abs=FRAME)


@given(st.lists(st.booleans(), max_size=600))
def test_every_end_follows_a_start(frames: list[bool]) -> None:
    endpointer = Endpointer()
    boundaries = [endpointer.frame(voiced, index * FRAME) for index, voiced in enumerate(frames)]
    changes = [boundary for boundary in boundaries if boundary]
    assert changes[::2] == [Boundary.STARTED] * len(changes[::2])
    assert changes[1::2] == [Boundary.ENDED] * len(changes[1::2])
