"""From a synthesiser's studio sound to the telephone's: band, rate, silence, loudness."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

RATE = 8_000
_LOUDNESS = -20.0
"""dBFS RMS of speech, pauses left out: what operators' recorded prompts are levelled to."""
_SILENCE = -45.0
"""dB below the loudest 10 ms of a sound; quieter ends are cut off."""
_KEPT = 0.03
"""Seconds of silence kept at either end, so that no consonant is clipped."""
_BLOCK = RATE // 100


@lru_cache(maxsize=4)
def _low_pass(factor: int) -> Samples:
    """Kaiser-windowed sinc: flat to 3.5 kHz, 70 dB down from 4 kHz, at ``factor`` times 8 kHz."""
    half = 40 * factor
    position = np.arange(-half, half + 1) / factor
    taps = 0.94 * np.sinc(0.94 * position) * np.kaiser(2 * half + 1, 7.0) / factor
    return np.asarray(taps, dtype=np.float32)


def decimate(samples: Samples, factor: int) -> Samples:
    """``factor`` × 8 kHz to 8 kHz. Polyphase: each phase of the filter meets each phase of the input at 8 kHz."""
    taps = _low_pass(factor)
    half = len(taps) // 2
    padded = np.concatenate((np.zeros(half, np.float32), samples, np.zeros(half + factor, np.float32)))
    count = len(samples) // factor
    total = np.zeros(count, dtype=np.float32)
    for phase in range(factor):
        branch = np.correlate(padded[phase::factor], taps[phase::factor], mode="valid")
        total += branch[:count]
    return total


def trim(samples: Samples) -> Samples:
    """Cut leading and trailing silence of an 8 kHz sound."""
    loud = np.flatnonzero(_block_levels(samples) > _SILENCE)
    if len(loud) == 0:
        return samples[:0]
    kept = int(_KEPT * RATE)
    return samples[max(0, loud[0] * _BLOCK - kept) : (loud[-1] + 1) * _BLOCK + kept]


def level(samples: Samples) -> Samples:
    """Bring the speech in an 8 kHz sound to the telephone's loudness; peaks that would clip are bent, not cut."""
    blocks = _blocks(samples)
    if not len(blocks):
        return samples
    spoken = blocks[_block_levels(samples) > -30.0]
    rms = float(np.sqrt(np.mean(spoken**2))) if len(spoken) else 0.0
    if rms == 0.0:
        return samples
    louder = samples * np.float32(10 ** (_LOUDNESS / 20) / rms)
    over = np.abs(louder) > 0.7
    louder[over] = np.sign(louder[over]) * (0.7 + 0.3 * np.tanh((np.abs(louder[over]) - 0.7) / 0.3))
    return louder


def to_pcm(samples: Samples) -> bytes:
    """-1…1 to s16le."""
    return np.clip(np.round(samples * 32767.0), -32768, 32767).astype("<i2").tobytes()


def from_pcm(pcm: bytes | memoryview) -> Samples:
    """s16le to -1…1."""
    return np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768.0


def _blocks(samples: Samples) -> Samples:
    return samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)


def _block_levels(samples: Samples) -> Samples:
    """dB of each 10 ms below the loudest; -inf becomes -200."""
    power = np.mean(_blocks(samples) ** 2, axis=1)
    loudest = float(power.max(initial=0.0))
    if loudest == 0.0:
        return np.full(len(power), -200.0, dtype=np.float32)
    return np.asarray(10 * np.log10(np.maximum(power / loudest, 1e-20)), dtype=np.float32)
