"""What a tap writes to its reader: datagrams, each a piece of audio and where it belongs."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_POSITION = struct.Struct("<q")
_LONGEST = _POSITION.size + 2 * 1600
"""Bytes: 100 ms at 16 kHz."""


@dataclass(frozen=True, slots=True)
class Piece:
    """``pcm`` is mono, 16-bit signed little-endian, at the tap's rate."""

    position: int
    """Of its first sample, counted from the tap's beginning. Behind where the last piece ended: what is in between the
    reader was too slow for."""
    pcm: bytes

    @classmethod
    def parse(cls, datagram: bytes) -> Piece:
        """Raises ValueError for what no tap has written."""
        if len(datagram) <= _POSITION.size or len(datagram) % 2:
            raise ValueError(f"{len(datagram)} bytes are no piece; 8 bytes of position and 16-bit samples are")
        (position,) = _POSITION.unpack_from(datagram)
        return cls(position, datagram[_POSITION.size :])

    def __bytes__(self) -> bytes:
        return _POSITION.pack(self.position) + self.pcm


class PieceReader:
    """The reading end of a tap's socket, which must not block; it stays its owner's to close."""

    def __init__(self, audio: socket.socket) -> None:
        self._audio = audio
        self._next = 0

    def waiting(self) -> Iterator[tuple[int, bytes]]:
        """(samples that are missing before it, PCM) of each piece that waits, oldest first."""
        while datagram := self._receive():
            piece = Piece.parse(datagram)
            # The next tap on the same socket begins anew.
            missing = max(piece.position - self._next, 0)
            self._next = piece.position + len(piece.pcm) // 2
            yield missing, piece.pcm

    def _receive(self) -> bytes:
        """Nothing when nothing waits, or the tap is closed."""
        try:
            return self._audio.recv(_LONGEST)
        except BlockingIOError:
            return b""
