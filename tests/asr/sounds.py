"""Sounds that are made of nothing but numbers: a voice-like one, and what must not be taken for a voice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATE = 8_000
FRAME = 320


def pcm(samples: npt.NDArray[np.float64], dbfs: float) -> bytes:
    """``samples`` levelled to ``dbfs`` RMS, as s16le."""
    rms = float(np.sqrt(np.mean(samples**2))) or 1.0
    return bytes(np.clip(samples / rms * 32768 * 10 ** (dbfs / 20), -32768, 32767).astype("<i2").tobytes())


def voice(seconds: float, dbfs: float = -25.0) -> bytes:
    """Glottal pulses at about 130 Hz through three formants, four syllables a second."""
    time = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(130 + 20 * np.sin(2 * np.pi * 1.3 * time)) / RATE
    samples = np.zeros_like(time)
    for harmonic in range(1, 25):
        frequency = 130 * harmonic
        gain = sum(np.exp(-(((frequency - formant) / 180) ** 2)) for formant in (650, 1_150, 2_500)) + 0.05
        samples += gain / harmonic**0.5 * np.sin(harmonic * phase)
    return pcm(samples * (0.55 - 0.45 * np.cos(2 * np.pi * 4 * time)), dbfs)


def silence(seconds: float) -> bytes:
    return bytes(2 * int(seconds * RATE))


def noise(seconds: float, dbfs: float) -> bytes:
    return pcm(np.random.default_rng(7).normal(size=int(seconds * RATE)), dbfs)


def hum(seconds: float, dbfs: float) -> bytes:
    """Mains hum with its harmonics."""
    time = np.arange(int(seconds * RATE)) / RATE
    harmonics = np.array([1, 2, 3, 5, 7])[:, None]
    return pcm(np.sum(np.sin(2 * np.pi * 50 * harmonics * time) / harmonics, axis=0), dbfs)


def tone(seconds: float, dbfs: float, hertz: float = 425.0) -> bytes:
    return pcm(np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE), dbfs)


def frames(sound: bytes) -> list[bytes]:
    return [sound[i : i + FRAME] for i in range(0, len(sound) - FRAME + 1, FRAME)]
