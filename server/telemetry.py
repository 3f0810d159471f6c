"""How the server is doing: how long the event loop was held up, and numbers for whoever asks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

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


class Gauges:
    """Named numbers, each read when asked for."""

    def __init__(self) -> None:
        self._sources: list[Callable[[], Mapping[str, float]]] = []

    def add(self, source: Callable[[], Mapping[str, float]]) -> None:
        """``source`` returns metric name → value."""
        self._sources.append(source)

    def read(self) -> dict[str, float]:
        return {name: value for source in self._sources for name, value in source().items()}
