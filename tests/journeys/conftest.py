"""One running server for the journeys that only need calls; tests that break a server start their own."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest_asyncio

from ivr.voice.cache import RecordedPrompts
from media.wav import read_sound
from tests.partners.audio import Pcm
from tests.partners.hotline import ROOT, Hotline, Layout, running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hotline(scratch: Path) -> AsyncIterator[Hotline]:
    """The product, running on ports of its own with the demo business."""
    with tempfile.TemporaryDirectory(prefix="hotline-", dir=scratch) as folder:
        async with running(Layout(Path(folder))) as server:
            yield server


def recorded(text: str) -> Pcm:
    """A prompt as it was recorded: what a caller says in a journey, or what a caller must hear."""
    path = RecordedPrompts(ROOT / "dialplans" / "prompts").find(text)
    assert path is not None, f"“{text}” is not among the recorded prompts"
    return np.frombuffer(read_sound(path), dtype="<i2").astype(np.int16)
