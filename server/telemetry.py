"""How long the event loop was held up; `server/web.py` tells whoever asks for it."""

from __future__ import annotations

import asyncio
import logging

from calls import Clock

log = logging.getLogger("hotline.loop")

STALL_SECONDS = 0.050
"""A loop that was away for longer is a bug, and is said so."""
_BEAT_SECONDS = 0.020


class LoopWatch:
    """Measures how late the event loop wakes up: ``stalls`` counts the bad ones, ``worst`` is in seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.stalls = 0
        self.worst = 0.0

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            due = self._clock.monotonic() + _BEAT_SECONDS
            await asyncio.sleep(_BEAT_SECONDS)
            self.record(self._clock.monotonic() - due)

    def record(self, late: float) -> None:
        """Take note of one wake-up that came ``late`` seconds after its time."""
        self.worst = max(self.worst, late)
        if late > STALL_SECONDS:
            self.stalls += 1
            log.warning("the event loop stood still for %.0f ms", late * 1000)
