"""ITU-T G.711 for numpy: A-law and µ-law bytes to and from 16-bit samples.

Encoding depends only on the upper 14 bits of a sample, as the standard defines it. ``media/core/g711.hpp`` is the
same in C++, and a test compares the two over all values.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]


def _decode_table_alaw() -> Samples:
    """Table 2a: even bits are inverted on the line, the top bit is set for positive samples."""
    bits = np.arange(256) ^ 0x55
    segment, step = (bits >> 4) & 7, bits & 15
    magnitude = np.where(segment == 0, step * 16 + 8, (step * 16 + 264) << np.maximum(segment - 1, 0))
    return np.where(bits & 0x80, magnitude, -magnitude).astype(np.int16)


def _decode_table_ulaw() -> Samples:
    """Table 2b: all bits are inverted on the line; 33 is the bias of the curve."""
    bits = ~np.arange(256) & 0xFF
    segment, step = (bits >> 4) & 7, bits & 15
    magnitude = (((step * 2 + 33) << segment) - 33) * 4
    return np.where(bits & 0x80, -magnitude, magnitude).astype(np.int16)


def _encode_table_alaw() -> npt.NDArray[np.uint8]:
    """Table 1a, for every 16-bit sample taken as an unsigned index."""
    samples = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.where(samples >= 0, samples, ~samples) >> 4
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 3, 0)
    step = np.where(segment == 0, magnitude, (magnitude >> np.maximum(segment - 1, 0)) - 16)
    codes: npt.NDArray[np.uint8] = ((segment << 4 | step | np.where(samples >= 0, 0x80, 0)) ^ 0x55).astype(np.uint8)
    return codes


def _encode_table_ulaw() -> npt.NDArray[np.uint8]:
    """Table 1b, for every 16-bit sample taken as an unsigned index."""
    samples = np.arange(65536).astype(np.uint16).view(np.int16).astype(np.int32)
    magnitude = np.minimum((np.where(samples >= 0, samples, ~samples) >> 2) + 33, 0x1FFF)
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    step = (magnitude >> (segment + 1)) & 15
    codes: npt.NDArray[np.uint8] = (~(segment << 4 | step | np.where(samples >= 0, 0, 0x80)) & 0xFF).astype(np.uint8)
    return codes


_FROM_ALAW, _FROM_ULAW = _decode_table_alaw(), _decode_table_ulaw()
_TO_ALAW, _TO_ULAW = _encode_table_alaw(), _encode_table_ulaw()


def alaw_decode(data: bytes) -> Samples:
    """One sample a byte."""
    return _FROM_ALAW[np.frombuffer(data, np.uint8)]


def ulaw_decode(data: bytes) -> Samples:
    """One sample a byte."""
    return _FROM_ULAW[np.frombuffer(data, np.uint8)]


def alaw_encode(samples: Samples) -> bytes:
    """One byte a sample."""
    return _TO_ALAW[samples.view(np.uint16)].tobytes()


def ulaw_encode(samples: Samples) -> bytes:
    """One byte a sample."""
    return _TO_ULAW[samples.view(np.uint16)].tobytes()
