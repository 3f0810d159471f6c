"""The header of a recording: what it says, and what it must say once the writer is gone.

RIFF/WAVE (Microsoft, "Multimedia Programming Interface and Data Specifications 1.0", 1991): 12 bytes ``RIFF``, size,
``WAVE``, then chunks of an identifier, a little-endian size and that many bytes. ``data`` is a recording's last chunk,
so its true size is what is left of the file; a writer that was killed leaves an older one in the header.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from calls.errors import AudioError

_LARGEST = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a recording's samples are. ``data_at`` is the offset of the first one; sizes are in bytes."""

    bytes_per_second: int
    block: int
    """Bytes of one sample of all channels."""
    data_at: int
    stated: int
    """Size of the samples as the header says."""
    present: int
    """Size of the samples in whole blocks as the file is."""

    @property
    def seconds(self) -> float:
        return self.present / self.bytes_per_second


def layout(path: Path) -> Layout:
    """Read the header. Raises AudioError naming the file and what is wrong."""
    try:
        with path.open("rb") as file:
            return _read(file, path)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror}") from error
    except struct.error as error:
        raise AudioError(f"{path}: ends inside its header, after {path.stat().st_size} bytes") from error


def repair(path: Path) -> Layout:
    """Make the sizes in the header agree with the file, if they do not. Raises AudioError."""
    found = layout(path)
    if found.stated != found.present:
        with path.open("r+b") as file:
            file.truncate(found.data_at + found.present)  # a torn last sample would shift nothing, but it is noise
            file.seek(4)
            file.write(struct.pack("<I", min(found.data_at + found.present - 8, _LARGEST)))
            file.seek(found.data_at - 4)
            file.write(struct.pack("<I", min(found.present, _LARGEST)))
            file.flush()
            os.fsync(file.fileno())
    return layout(path)


def being_written(path: Path) -> bool:
    """Whether this process, which does the recording, has the file open for writing. Raises OSError."""
    wanted = path.stat()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            if descriptor.lstat().st_mode & 0o200 and os.path.samestat(descriptor.stat(), wanted):
                return True
    return False


def _read(file: BinaryIO, path: Path) -> Layout:
    riff, _, wave = struct.unpack("<4sI4s", file.read(12))
    if (riff, wave) != (b"RIFF", b"WAVE"):
        raise AudioError(f"{path}: is no WAV file: it must begin with RIFF…WAVE")
    rate = block = 0
    while True:
        name, size = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            break
        body = file.read(size + size % 2)  # chunks are padded to an even length
        if name == b"fmt ":
            rate, block = struct.unpack("<8xIH2x", body[:16])
    if rate == 0 or block == 0:
        raise AudioError(f"{path}: has no usable format before its samples")
    data_at = file.tell()
    left = file.seek(0, os.SEEK_END) - data_at
    return Layout(rate, block, data_at, size, left - left % block)
