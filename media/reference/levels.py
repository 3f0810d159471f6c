"""Samples and gains: fixed point, so that every implementation rounds alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

UNITY = 1 << 12
"""Gains have 12 fractional bits."""
RAMP = 40
"""A level changes over 5 ms, or it would be heard as a click."""


def scaled(samples: Samples, gain: int) -> npt.NDArray[np.int32]:
    """At unity unchanged, otherwise rounded down. Not yet saturated, so that a sum can be."""
    wide = samples.astype(np.int32)
    return wide if gain == UNITY else (wide * gain) >> 12


def ramped(samples: Samples, before: int, gain: int) -> npt.NDArray[np.int32]:
    """Scaled by ``gain``, after a beginning that comes from the gain of ``before``."""
    sound = scaled(samples, gain)
    if before != gain:
        step = np.arange(RAMP)[: len(samples)]
        gains = (before * (RAMP - 1 - step) + gain * (step + 1)) // RAMP
        sound[:RAMP] = samples[:RAMP].astype(np.int32) * gains >> 12
    return sound


def saturate(sums: npt.NDArray[np.int32]) -> Samples:
    return np.clip(sums, -32768, 32767).astype(np.int16)
