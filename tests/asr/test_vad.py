"""A voice starts speech; the line's own sounds do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.endpointing import Boundary, Endpointer
from asr.vad import FRAME_BYTES, FRAME_SECONDS, VoiceDetector
from tests.asr.sounds import frames, hum, noise, silence, tone, voice


def starts(sound: bytes) -> list[float]:
    """Seconds at which speech was taken to start in ``sound``."""
    detector, endpointer = VoiceDetector(), Endpointer()
    found = []
    for index, frame in enumerate(frames(sound)):
        if endpointer.frame(detector.voiced(frame), index * FRAME_SECONDS) is Boundary.STARTED:
            found.append(endpointer.started_at)
    return found


@pytest.mark.parametrize("dbfs", [-15.0, -25.0, -40.0])
def test_voice_is_speech_at_any_telephone_level(dbfs: float) -> None:
    (started,) = starts(silence(0.5) + voice(1.5, dbfs) + silence(1.0))
    assert started == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(
    "sound",
    [silence(3), noise(3, -60), noise(3, -40), noise(3, -25), hum(3, -40), hum(3, -15), tone(3, -20)],
    ids=["silence", "quiet noise", "noise", "loud noise", "hum", "loud hum", "dial tone"],
)
def test_what_the_line_does_by_itself_is_no_speech(sound: bytes) -> None:
    assert starts(sound) == []


def test_voice_is_found_over_the_noise_of_its_line() -> None:
    samples, spoken = np.frombuffer(noise(3.5, -45), "<i2").copy(), np.frombuffer(voice(1.5, -22), "<i2")
    samples[8_000 : 8_000 + len(spoken)] += spoken
    assert starts(samples.tobytes())[0] == pytest.approx(1.0, abs=0.15)


def test_a_click_is_no_speech() -> None:
    assert starts(silence(0.5) + voice(0.06) + silence(1)) == []


@given(st.binary(max_size=2 * FRAME_BYTES))
def test_no_frame_upsets_the_detector(frame: bytes) -> None:
    assert VoiceDetector().voiced(frame) in (True, False)


def test_a_short_last_frame_is_silence() -> None:
    assert not VoiceDetector().voiced(voice(0.02)[:200])
