"""Tones and music on hold, made from nothing but numbers: no licence, no file, the same samples every time."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from calls.phone import Sound
from ivr.voice.signal import RATE, to_pcm

Samples = npt.NDArray[np.float32]

_BEATS_PER_MINUTE = 80
_BARS = 8
_BEATS = 4
_CHORDS = ((0, 4, 7), (-3, 0, 4), (5, 9, 12), (7, 11, 14), (0, 4, 7), (4, 7, 11), (5, 9, 12), (7, 11, 14))
"""Semitones above middle C: C, Am, F, G, C, Em, F, G."""
_PENTATONIC = (12, 14, 16, 19, 21, 24)
_C4 = 261.63
_LOUDNESS = 10 ** (-23 / 20)
"""RMS: a little softer than speech, so that the announcement of a position is heard over it."""


def beep(frequency: float = 1_000.0, seconds: float = 0.2, loudness: float = -18.0) -> Sound:
    """A sine of ``loudness`` dBFS RMS, with 5 ms ramps so that it does not click."""
    time = np.arange(int(seconds * RATE)) / RATE
    ramp = np.clip(np.minimum(time, time[::-1]) / 0.005, 0.0, 1.0)
    tone = np.sqrt(2.0) * 10 ** (loudness / 20) * np.sin(2 * np.pi * frequency * time) * ramp
    return Sound(to_pcm(tone.astype(np.float32)))


@lru_cache(maxsize=1)
def ringback() -> Sound:
    """The ringing tone of the Chinese network, to be looped: 450 Hz for 1 s, 4 s of silence (ITU-T E.180)."""
    return Sound(b"".join((beep(450.0, 1.0, -20.0).pcm, bytes(4 * RATE * 2))))


@lru_cache(maxsize=4)
def hold_music(seed: int = 1) -> Sound:
    """24 seconds to be looped. Notes that ring beyond the end ring on at the beginning, so there is no seam.

    A slow broken chord and a sparse pentatonic melody, which ``seed`` chooses; all above 200 Hz, where telephones hear.
    """
    beat = 60 * RATE // _BEATS_PER_MINUTE
    loop = np.zeros(_BARS * _BEATS * beat, dtype=np.float32)
    for bar, chord in enumerate(_CHORDS):
        for step in range(2 * _BEATS):
            note = (*chord, chord[1])[step % 4]
            _strike(loop, (2 * bar * _BEATS + step) * beat // 2, note, 0.5 if step % 4 else 0.8)
    for at, note in _melody(np.random.default_rng(seed)):
        _strike(loop, int(at * beat), note, 1.0)
    loop *= _LOUDNESS / np.sqrt(np.mean(loop**2))
    return Sound(to_pcm(0.8 * np.tanh(loop / 0.8)))


def _melody(random: np.random.Generator) -> list[tuple[float, int]]:
    """(beat, semitone) pairs: a walk on the pentatonic scale that rests now and then and comes home at the end."""
    place, notes = 2, []
    for beat in np.arange(0, _BARS * _BEATS, 1.0):
        if beat % _BEATS == 0 or random.random() < 0.45:
            place = int(np.clip(place + random.integers(-2, 3), 0, len(_PENTATONIC) - 1))
            notes.append((float(beat), _PENTATONIC[place]))
    notes[-1] = (notes[-1][0], _PENTATONIC[0])
    return notes


def _strike(loop: Samples, start: int, semitone: int, strength: float) -> None:
    """Add one struck bar, like a celesta's, to ``loop``, wrapping around at its end."""
    time = np.arange(int(2.5 * RATE)) / RATE
    frequency = _C4 * 2 ** (semitone / 12)
    tone = sum(
        gain * np.sin(2 * np.pi * frequency * partial * time) * np.exp(-time * decay)
        for partial, gain, decay in ((1, 1.0, 2.2), (2, 0.35, 3.5), (4, 0.1, 7.0))
        if frequency * partial < 3_400
    )
    attack = np.clip(time / 0.006, 0.0, 1.0)
    release = np.clip((time[-1] - time) / 0.05, 0.0, 1.0)
    positions = (start + np.arange(len(time))) % len(loop)
    np.add.at(loop, positions, (strength * tone * attack * release).astype(np.float32))
