"""From studio sound to telephone sound."""

from __future__ import annotations

import numpy as np
import pytest

from ivr.voice.music import beep, hold_music
from ivr.voice.signal import RATE, Samples, decimate, from_pcm, level, to_pcm, trim


def sine(hertz: float, seconds: float, rate: int = RATE, amplitude: float = 0.5) -> Samples:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def rms_db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(samples**2) + 1e-20))


@pytest.mark.parametrize("hertz", [300, 1_000, 2_500, 3_400])
def test_the_telephone_band_passes(hertz: float) -> None:
    passed = decimate(sine(hertz, 1.0, 24_000), 3)
    assert len(passed) == RATE
    assert rms_db(passed[200:-200]) == pytest.approx(rms_db(sine(hertz, 1.0)), abs=0.2)


@pytest.mark.parametrize("hertz", [4_300, 5_000, 7_900, 11_000])
def test_what_would_fold_into_the_band_is_gone(hertz: float) -> None:
    assert rms_db(decimate(sine(hertz, 1.0, 24_000), 3)[200:-200]) < rms_db(sine(hertz, 1.0)) - 60


def test_silence_at_both_ends_is_cut() -> None:
    quiet = np.zeros(RATE, dtype=np.float32)
    kept = trim(np.concatenate((quiet, sine(500, 0.5), quiet)))
    assert len(kept) / RATE == pytest.approx(0.56, abs=0.03)


def test_nothing_but_silence_becomes_nothing() -> None:
    assert len(trim(np.zeros(RATE, dtype=np.float32))) == 0
    assert to_pcm(level(np.zeros(RATE, dtype=np.float32))) == bytes(2 * RATE)
    assert len(level(np.zeros(0, dtype=np.float32))) == 0


@pytest.mark.parametrize("amplitude", [0.001, 0.1, 0.9])
def test_speech_is_brought_to_one_loudness(amplitude: float) -> None:
    spoken = np.concatenate((sine(500, 0.5, amplitude=amplitude), np.zeros(4_000, dtype=np.float32)))
    assert rms_db(level(spoken)[:4_000]) == pytest.approx(-20, abs=0.5)


def test_peaks_are_bent_and_never_wrap() -> None:
    peaky = sine(300, 1.0, amplitude=0.02)
    peaky[::800] = 1.0
    louder = level(peaky)
    assert np.abs(louder).max() <= 1.0
    assert from_pcm(to_pcm(louder)).max() > 0.7


def test_hold_music_is_the_same_every_time_and_has_no_seam() -> None:
    music = hold_music()
    assert music.pcm == hold_music.__wrapped__().pcm
    assert 20 <= music.seconds <= 30
    samples = from_pcm(music.pcm)
    steps = np.abs(np.diff(samples))
    assert abs(samples[0] - samples[-1]) <= np.percentile(steps, 99.9)
    around = np.concatenate((samples[-400:], samples[:400]))
    assert rms_db(around) > -40
    assert rms_db(samples) == pytest.approx(-23, abs=1.5)
    assert np.abs(samples).max() < 0.9


def test_another_seed_is_another_tune() -> None:
    assert hold_music(2).pcm != hold_music(1).pcm


def test_a_beep_has_its_pitch_and_does_not_click() -> None:
    samples = from_pcm(beep(1_000, 0.2).pcm)
    assert len(samples) == 1_600
    assert np.abs(np.fft.rfft(samples)).argmax() * 5 == 1_000
    assert abs(samples[0]) < 0.01
    assert abs(samples[-1]) < 0.01
