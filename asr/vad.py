"""Is somebody speaking in these 20 ms? webrtcvad behind an energy gate that learns the line's noise."""

from __future__ import annotations

from collections import deque

import numpy as np
import webrtcvad

RATE = 8_000
FRAME_SAMPLES = 160
FRAME_BYTES = 320
FRAME_SECONDS = 0.02

_WINDOW = np.hanning(FRAME_SAMPLES)
_WINDOW_ENERGY = float(_WINDOW @ _WINDOW)
_BAND = slice(200 // 50, 3_400 // 50 + 1)
"""Bins of a 20 ms spectrum are 50 Hz apart."""

_QUIETEST_SPEECH = -58.0
"""dBFS of the telephone band; below this nobody speaks into the handset."""
_ABOVE_NOISE = 8.0
"""dB that a voice stands above the noise of its line."""
_STEADY_FRAMES = 20
_STEADY_SPREAD = 3.5
"""A sound whose frames stay within so many dB for 400 ms is the line, not a person: syllables rise and fall."""
_FIRST_FRAMES = 4
"""Fewer frames than these say nothing about steadiness."""


class VoiceDetector:
    """Feed it every frame of one line in order. It costs about 20 µs a frame and keeps no audio."""

    def __init__(self) -> None:
        self._vad = webrtcvad.Vad(2)
        self._noise = -70.0
        self._recent: deque[float] = deque(maxlen=_STEADY_FRAMES)

    def voiced(self, frame: bytes) -> bool:
        """Judge ``frame`` (320 bytes of 8 kHz s16le; a shorter one, the end of a stream, is silence)."""
        if len(frame) != FRAME_BYTES:
            return False
        level = self._level(frame)
        steady = self._learn(level)
        if steady or level < max(_QUIETEST_SPEECH, self._noise + _ABOVE_NOISE):
            return False
        return bool(self._vad.is_speech(frame, RATE))

    def _level(self, frame: bytes) -> float:
        """dBFS between 200 and 3,400 Hz, which leaves mains hum and its first harmonics out."""
        spectrum = np.fft.rfft(np.frombuffer(frame, dtype="<i2") * _WINDOW)[_BAND]
        energy = float(np.vdot(spectrum, spectrum).real) * 2.0 / _WINDOW_ENERGY / FRAME_SAMPLES
        return 10.0 * float(np.log10(energy / 2.0**30 + 1e-10))

    def _learn(self, level: float) -> bool:
        """Follow the noise down at once, up only on a steady sound; return whether the sound is steady."""
        self._recent.append(level)
        steady = len(self._recent) >= _FIRST_FRAMES and max(self._recent) - min(self._recent) < _STEADY_SPREAD
        if level < self._noise:
            self._noise = level
        elif steady and len(self._recent) == _STEADY_FRAMES:
            self._noise = sum(self._recent) / _STEADY_FRAMES
        return steady
