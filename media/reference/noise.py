"""Comfort noise (RFC 3389): what is heard from a far end that sends none of its silence."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from media.reference.streams import FRAME


class ComfortNoise:
    """White noise at the level that the far end tells; the spectrum that it may tell as well (section 3.2) is left
    aside."""

    def __init__(self) -> None:
        self.on = False
        self._peak, self._seed = 0, 1

    def begin(self, payload: bytes) -> None:
        level = -(payload[0] & 0x7F)  # in dBov, section 3.1
        peak = 32768 * math.sqrt(3) * 10 ** (level / 20)  # of evenly spread samples
        self._peak, self.on = min(math.floor(peak + 0.5), 32767), True

    def follow(self, other: ComfortNoise) -> None:
        """As loud as another, but not the same."""
        self.on, self._peak = other.on, other._peak

    def samples(self, count: int = FRAME) -> npt.NDArray[np.int16]:
        """The next of it."""
        samples = np.empty(count, np.int16)
        for at in range(count):
            self._seed = (self._seed * 1664525 + 1013904223) & 0xFFFFFFFF
            upper = (self._seed >> 16) - (0x10000 if self._seed >> 31 else 0)
            samples[at] = (upper * self._peak) >> 15
        return samples
