"""A recording on disk that can be read at any moment."""

from __future__ import annotations

import os
import struct

from media.engine import MediaEvent, Node, RecorderClosed, RecorderTrouble

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
        os.pwrite(self._file, wav_header(0), 0)
        self._waiting: list[tuple[int, bytes]] = []
        self._frames = 0
        self._troubled = False

    def add(self, start: int, block: bytes) -> None:
        if len(self._waiting) < _KEEP:
            self._waiting.append((start, block))

    def write(self, node: Node) -> RecorderTrouble | None:
        """Append what waits. What cannot be written is kept for the next time; trouble is told once."""
        try:
            while self._waiting:
                start, block = self._waiting[0]
                os.pwrite(self._file, block, _HEADER + start * _FRAME)
                # Samples first, then the sizes: whoever reads in between finds a whole, slightly shorter file.
                self._frames = start + len(block) // _FRAME
                os.pwrite(self._file, wav_header(self._frames), 0)
                del self._waiting[0]
                self._troubled = False
        except OSError as error:
            told, self._troubled = self._troubled, True
            return None if told else RecorderTrouble(node, error.strerror or str(error))
        return None

    def close(self, node: Node) -> list[MediaEvent]:
        """Write the rest. What cannot be written now is lost."""
        trouble = self.write(node)
        os.close(self._file)
        return [*([trouble] if trouble else []), RecorderClosed(node, self._frames)]
