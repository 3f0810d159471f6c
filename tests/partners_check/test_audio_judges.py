"""The judges must be right before anything is judged with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.partners.audio import (
    RATE,
    contains,
    correlation,
    joined,
    read_channels,
    read_wav,
    segmental_snr,
    silence_ratio,
    spectrum_peaks,
    tone,
    write_wav,
)
from tests.partners.g711 import alaw, from_alaw, from_ulaw, ulaw
from tests.partners.speech import speech, speechlike

SENTENCE = speech().pcm
OTHER = speech("misc/IT0011W0001").pcm


def padded(pcm: np.ndarray, before: float = 0.5, after: float = 0.3) -> np.ndarray:
    noise = np.random.default_rng(7).normal(0, 3, round((before + after) * RATE) + len(pcm))
    noise[round(before * RATE) : round(before * RATE) + len(pcm)] += pcm
    return noise.astype(np.int16)


def test_g711_agrees_with_the_standard_library() -> None:
    audioop = pytest.importorskip("audioop")
    samples = np.arange(-32768, 32768).astype(np.int16)
    codes = bytes(range(256))
    assert from_alaw(codes).tobytes() == audioop.alaw2lin(codes, 2)
    assert from_ulaw(codes).tobytes() == audioop.ulaw2lin(codes, 2)
    # Encoders may differ at the border between two codes, never by more than one step.
    for ours, theirs, decode in ((alaw, audioop.lin2alaw, from_alaw), (ulaw, audioop.lin2ulaw, from_ulaw)):
        error = np.abs(decode(ours(samples)).astype(int) - samples)
        assert np.all(error <= np.abs(decode(theirs(samples.tobytes(), 2)).astype(int) - samples))


def test_a_sentence_is_found_with_its_delay_and_gain_through_two_codecs() -> None:
    quieter = (SENTENCE * 0.5).astype(np.int16)
    heard = padded(from_ulaw(ulaw(from_alaw(alaw(quieter)))))
    match = correlation(SENTENCE, heard)
    assert match.peak > 0.98
    assert match.delay_seconds == pytest.approx(0.5, abs=0.001)
    assert match.gain_db == pytest.approx(-6.0, abs=0.3)
    assert segmental_snr(SENTENCE, heard) > 15


def test_a_lost_and_a_repeated_packet_are_slips_not_another_sentence() -> None:
    cut = 16000
    lost = np.concatenate([SENTENCE[:cut], SENTENCE[cut + 160 :]])
    match = correlation(SENTENCE, padded(lost))
    assert match.peak > 0.95
    assert match.slip_seconds == pytest.approx(0.02, abs=0.002)


def test_another_sentence_half_a_sentence_and_silence_are_not_the_sentence() -> None:
    assert not contains(SENTENCE, padded(OTHER), at_least=0.5)
    assert not contains(SENTENCE, padded(SENTENCE[: len(SENTENCE) // 2]))
    assert not contains(SENTENCE, np.zeros(RATE * 6, dtype=np.int16), at_least=0.1)
    assert not contains(SENTENCE, np.zeros(0, dtype=np.int16))
    with pytest.raises(ValueError, match="no energy"):
        correlation(np.zeros(800, dtype=np.int16), SENTENCE)


def test_an_inverted_sentence_is_no_match() -> None:
    # Voiced speech looks like its own mirror image half a pitch period later, so the margin is small.
    assert not contains(SENTENCE, padded(-SENTENCE), at_least=0.85)


def test_tones_and_silence() -> None:
    peaks = spectrum_peaks(tone(697, 1209, seconds=0.5), count=2)
    assert sorted(round(hertz / 5) * 5 for hertz, _ in peaks) == [695, 1210]
    assert silence_ratio(joined([tone(440), tone(440)], gap_seconds=1.0)) == pytest.approx(1 / 3, abs=0.02)
    assert silence_ratio(np.zeros(0, dtype=np.int16)) == 1.0


def test_wav_files_also_while_they_are_written(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", SENTENCE)
    assert np.array_equal(read_wav(path), SENTENCE)
    raw = bytearray(path.read_bytes())
    raw[40:44] = b"\0\0\0\0"  # what the header says before the file is closed
    path.write_bytes(raw)
    assert np.array_equal(read_wav(path), SENTENCE)
    path.write_bytes(b"junk")
    with pytest.raises(ValueError, match="no RIFF"):
        read_channels(path)


def test_the_stand_in_for_speech_can_be_judged_too() -> None:
    voice = speechlike()
    assert contains(voice, padded(from_alaw(alaw(voice))), at_least=0.97)
    assert not contains(voice, padded(speechlike(seed=2)), at_least=0.6)
