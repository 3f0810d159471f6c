"""The codecs of the reference engine. G.711 and L16 are written out here; G.722, Opus and the resampling for wide L16
are other people's libraries, reached through the native module: there is nothing of ours in them to be compared."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from media import _core, g711
from media.engine import Codec
from media.reference.streams import FRAME

Samples = npt.NDArray[np.int16]
G711 = (Codec.PCMU, Codec.PCMA)


class Coder(Protocol):
    """One leg's two directions, at 8 kHz."""

    def encode(self, samples: Samples) -> bytes: ...

    def decode(self, payload: bytes) -> Samples:
        """Nothing when the payload is damaged."""

    def recover(self, payload: bytes) -> Samples:
        """The lost packet right before this one, as far as this one tells; to be called before ``decode``."""

    def fits(self, samples: int) -> int:
        """How many of so many samples the next payload can hold, at most 20 ms; 0 when they are too few."""

    def takes_late(self) -> bool:
        """False for a decoder that has filled the gap already."""


class _Stateless:
    def recover(self, payload: bytes) -> Samples:
        return np.zeros(0, np.int16)

    def fits(self, samples: int) -> int:
        return min(samples, FRAME)

    def takes_late(self) -> bool:
        return True


class Alaw(_Stateless):
    encode = staticmethod(g711.alaw_encode)
    decode = staticmethod(g711.alaw_decode)


class Ulaw(_Stateless):
    encode = staticmethod(g711.ulaw_encode)
    decode = staticmethod(g711.ulaw_decode)


class Linear(_Stateless):
    """RFC 3551 section 4.5.11: network byte order."""

    def encode(self, samples: Samples) -> bytes:
        return samples.astype(">i2").tobytes()

    def decode(self, payload: bytes) -> Samples:
        return np.frombuffer(payload if len(payload) % 2 == 0 else b"", ">i2").astype(np.int16)


class Library:
    """A coder of the native module."""

    def __init__(self, codec: Codec) -> None:
        self._coder = _core.Coder(codec)
        self.takes_late, self.fits = self._coder.takes_late, self._coder.fits

    def encode(self, samples: Samples) -> bytes:
        return self._coder.encode(samples.tobytes())

    def decode(self, payload: bytes) -> Samples:
        return np.frombuffer(self._coder.decode(payload), np.int16)

    def recover(self, payload: bytes) -> Samples:
        return np.frombuffer(self._coder.recover(payload), np.int16)


class WideEar:
    """A decoder of the native module that gives 16 kHz."""

    def __init__(self, codec: Codec) -> None:
        made = _core.Coder(codec, wide=True)
        self.decode, self.recover = made.decode, made.recover


def wide_ear(codec: Codec) -> WideEar | None:
    """None for a codec with nothing above 4 kHz."""
    return WideEar(codec) if codec in (Codec.G722, Codec.OPUS, Codec.L16_WIDE) else None


def coder(codec: Codec) -> Coder:
    """A new coder, with a state of its own."""
    match codec:
        case Codec.PCMA:
            return Alaw()
        case Codec.PCMU:
            return Ulaw()
        case Codec.L16:
            return Linear()
    return Library(codec)


def ticks(codec: Codec, payload: bytes) -> int:
    """How long a payload sounds, in ticks of its codec's RTP clock; 0 when it is damaged."""
    if codec in (Codec.L16, Codec.L16_WIDE):
        return len(payload) // 2
    return _core.ticks(codec, payload) if codec is Codec.OPUS else len(payload)


def relayable(one: Codec, other: Codec) -> bool:
    """Can payloads of one leg be sent to the other as they come, at most byte by byte through a table?"""
    return one is other or (one in G711 and other in G711)
