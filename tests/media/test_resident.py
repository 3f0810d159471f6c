"""Sounds that are played often: in memory, locked there, and nobody changes them."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from media.resident import resident

PCM = bytes(range(256)) * 64


def locked_kb() -> int:
    status = Path("/proc/self/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmLck:")]
    return int(line.split()[1])


def test_it_is_the_same_and_read_only() -> None:
    held = resident(PCM)
    assert held == PCM
    with pytest.raises(TypeError, match="read-only"):
        held[0] = 1
    assert len(resident(b"")) == 0


def test_it_is_locked_while_somebody_holds_it() -> None:
    before = locked_kb()
    held = resident(PCM)
    assert locked_kb() == before + len(held) // 1024
    del held
    assert locked_kb() == before


def test_where_no_more_may_be_locked_it_is_held_all_the_same() -> None:
    limits = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, limits[1]))
    try:
        assert resident(PCM) == PCM
    finally:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, limits)
