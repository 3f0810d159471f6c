"""Samples where the media thread may read them whatever happens to files and memory."""

from __future__ import annotations

import mmap

_MAP_LOCKED = 0x2000
"""Of mmap(2); the module does not name it."""


def resident(pcm: bytes) -> memoryview:
    """A copy of ``pcm`` in a mapping of its own, read-only: in memory from the first moment on, and kept there (not
    swapped) as far as RLIMIT_MEMLOCK permits. It is unmapped when nobody plays or holds it any more."""
    if not pcm:
        return memoryview(b"")
    how = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    try:
        memory = mmap.mmap(-1, len(pcm), how | _MAP_LOCKED)
    except BlockingIOError:  # EAGAIN: more than may be locked
        memory = mmap.mmap(-1, len(pcm), how)
    memory[:] = pcm
    return memoryview(memory).toreadonly()
