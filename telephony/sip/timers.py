"""All deadlines of an endpoint in one heap; what was stopped is left in place and skipped when it surfaces."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Timer:
    """One running timer: ``ring(what, now)`` is called at ``at``. Stopped when ``ring`` is None."""

    at: float
    ring: Callable[[Any, float], None] | None
    what: Any


class Timers:
    """A heap of timers. Starting, stopping and firing cost O(log n)."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self._stopped = 0

    def start(self, at: float, ring: Callable[[Any, float], None], what: object) -> Timer:
        """Call ``ring(what, now)`` once ``now`` reaches ``at`` (monotonic seconds)."""
        timer = Timer(at, ring, what)
        heapq.heappush(self._heap, (at, next(self._count), timer))
        return timer

    def stop(self, timer: Timer | None) -> None:
        """Stop a timer; harmless when it has fired or was stopped."""
        if timer is None or timer.ring is None:
            return
        timer.ring = timer.what = None  # what it would have woken may be freed now
        self._stopped += 1
        if self._stopped > 100 and self._stopped * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].ring is not None]
            heapq.heapify(self._heap)
            self._stopped = 0

    def deadline(self) -> float | None:
        """When the next timer fires, or None."""
        while self._heap and self._heap[0][2].ring is None:
            heapq.heappop(self._heap)
            self._stopped -= 1
        return self._heap[0][0] if self._heap else None

    def fire(self, now: float) -> None:
        """Fire every timer that is due, in the order of their deadlines."""
        while (due := self.deadline()) is not None and due <= now:
            timer = heapq.heappop(self._heap)[2]
            ring, what = timer.ring, timer.what
            timer.ring = timer.what = None
            if ring is not None:
                ring(what, now)

    def __len__(self) -> int:
        """How many timers run."""
        return len(self._heap) - self._stopped
