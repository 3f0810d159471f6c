"""Which recordings have been kept long enough. Pure: the moment is passed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from calls import Recording


@dataclass(frozen=True, slots=True)
class Kept:
    """A recording that is still there, and when it was sealed (aware)."""

    recording: Recording
    sealed_at: datetime


def cutoff(now: datetime, days: int) -> datetime:
    """What was sealed at this moment or before is due. Raises ValueError for less than a day: a slip of the pen in the
    settings must not empty the vault."""
    if days < 1:
        raise ValueError(f"recordings are kept for at least 1 day, not {days}")
    return now - timedelta(days=days)


def due(kept: Iterable[Kept], now: datetime, days: int) -> list[Kept]:
    """Those that were sealed ``days`` or more before ``now``, in the order given."""
    limit = cutoff(now, days)
    return [each for each in kept if each.sealed_at <= limit]
