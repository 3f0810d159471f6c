"""Time is passed in. A clock is the only thing that reads it, and tests bring their own."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where a component learns the time."""

    def monotonic(self) -> float:
        """Seconds that never go back; for deadlines and durations."""

    def now(self) -> datetime:
        """Aware UTC; for what is written down."""


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)
