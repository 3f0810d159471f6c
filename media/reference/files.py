"""A recording on disk that can be read at any moment."""

from __future__ import annotations

import os
import struct
from errno import ENOSPC

from media.engine import MediaEvent, Node, RecorderClosed, RecorderResumed, RecorderTrouble

_HEADER = 44
_FRAME = 4
"""Bytes: two channels of 16 bits."""
_KEEP = 200
"""Blocks that wait for a disk which does not answer: four seconds."""


def wav_header(frames: int) -> bytes:
    """The canonical header of a stereo 8 kHz 16-bit WAV file."""
    data = min(frames * _FRAME, 0xFFFFFF00)
    sizes = (b"RIFF", data + 36, b"WAVEfmt ", 16, 1, 2, 8000, 32000, _FRAME, 16, b"data", data)
    return struct.pack("<4sI8sIHHIIHH4sI", *sizes)


class RecordingFile:
    """Blocks go where they belong by number; one that is missing leaves a hole, which reads as silence."""

    def __init__(self, path: str) -> None:
        """Raises OSError when the file cannot be created."""
        self._file = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_CLOEXEC, 0o640)
        self._put(wav_header(0), 0)
        self._waiting: list[tuple[int, bytes]] = []
        self._frames = self._missing = 0
        self._troubled = False

    def _put(self, data: bytes, at: int) -> None:
        """All of it. A disk that takes a part and no more says why only when it is asked again."""
        while data:
            written = os.pwrite(self._file, data, at)
            if not written:
                raise OSError(ENOSPC, os.strerror(ENOSPC))
            data, at = data[written:], at + written

    def add(self, start: int, block: bytes) -> None:
        if len(self._waiting) < _KEEP:
            self._waiting.append((start, block))
        else:
            self._missing += len(block) // _FRAME

    def write(self, node: Node) -> list[MediaEvent]:
        """Append what waits. What cannot be written is kept for the next time; trouble is told once, and its end."""
        try:
            while self._waiting:
                start, block = self._waiting[0]
                self._put(block, _HEADER + start * _FRAME)
                # Samples first, then the sizes: whoever reads in between finds a whole, slightly shorter file.
                self._put(wav_header(start + len(block) // _FRAME), 0)
                self._frames = start + len(block) // _FRAME
                del self._waiting[0]
        except OSError as error:
            told, self._troubled = self._troubled, True
            return [] if told else [RecorderTrouble(node, error.strerror or str(error))]
        resumed, self._troubled = self._troubled, False
        return [RecorderResumed(node, self._missing_ms)] if resumed else []

    def close(self, node: Node) -> list[MediaEvent]:
        """Write the rest. What cannot be written now is lost."""
        events = self.write(node)
        os.close(self._file)
        self._missing += sum(len(block) // _FRAME for _, block in self._waiting)
        return [*events, RecorderClosed(node, self._frames, self._missing_ms)]

    @property
    def _missing_ms(self) -> int:
        return -(-self._missing // 8)
