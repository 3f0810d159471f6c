"""G.711 for the test side: tables built from the standard's own segment formulas (ITU-T G.711, tables 1 and 2).

Written apart from the product's codec on purpose: two codecs that agree are evidence, one codec used twice is not.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.partners.audio import Pcm

_codes = np.arange(256)


def _alaw_levels() -> Pcm:
    bits = _codes ^ 0x55  # even bits are inverted on the line
    segment, step = (bits >> 4) & 7, bits & 15
    magnitude = np.where(segment == 0, (step << 4) + 8, ((step << 4) + 0x108) << np.maximum(segment - 1, 0))
    return np.where(bits & 0x80, magnitude, -magnitude).astype(np.int16)


def _ulaw_levels() -> Pcm:
    bits = ~_codes & 0xFF  # all bits are inverted on the line
    segment, step = (bits >> 4) & 7, bits & 15
    magnitude = (((step << 3) + 0x84) << segment) - 0x84
    return np.where(bits & 0x80, -magnitude, magnitude).astype(np.int16)


ALAW_TO_PCM = _alaw_levels()
ULAW_TO_PCM = _ulaw_levels()


def _nearest(levels: Pcm) -> npt.NDArray[np.uint8]:
    """For every 16-bit sample the code whose level is nearest."""
    order = np.argsort(levels, kind="stable")
    ladder = levels[order].astype(np.int32)
    samples = np.arange(-32768, 32768)
    above = np.searchsorted((ladder[1:] + ladder[:-1]) / 2, samples, side="right")
    return order[above].astype(np.uint8)


_PCM_TO_ALAW = _nearest(ALAW_TO_PCM)
_PCM_TO_ULAW = _nearest(ULAW_TO_PCM)


def alaw(pcm: Pcm) -> bytes:
    """Encode to A-law, one byte a sample."""
    return _PCM_TO_ALAW[pcm.astype(np.int32) + 32768].tobytes()


def ulaw(pcm: Pcm) -> bytes:
    """Encode to µ-law, one byte a sample."""
    return _PCM_TO_ULAW[pcm.astype(np.int32) + 32768].tobytes()


def from_alaw(data: bytes) -> Pcm:
    """Decode A-law."""
    return ALAW_TO_PCM[np.frombuffer(data, dtype=np.uint8)]


def from_ulaw(data: bytes) -> Pcm:
    """Decode µ-law."""
    return ULAW_TO_PCM[np.frombuffer(data, dtype=np.uint8)]
