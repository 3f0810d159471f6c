"""How often something may happen, and memory for so many sources and no more."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket: ``burst`` at once, then ``per_second``. Over any time t at most ``burst + t · per_second``."""

    per_second: float
    burst: int

    def take(self, full_at: float, now: float) -> float | None:
        """Take one token from the bucket that would be full again at ``full_at``: the new such moment, or None where
        it is empty. This one number is the whole bucket (the generic cell rate algorithm, ITU-T I.371)."""
        after = max(full_at, now) + 1 / self.per_second
        return after if (after - now) * self.per_second <= self.burst + 1e-6 else None


class Recent(Generic[V]):
    """What is known of the keys that were asked for last; of more than ``size`` the one that was not asked for the
    longest is forgotten."""

    def __init__(self, size: int, new: Callable[[], V]) -> None:
        self._size, self._new = size, new
        self._known: OrderedDict[str, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def known(self, key: str) -> V | None:
        """What is known, or None."""
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def of(self, key: str) -> V:
        """What is known, or something new."""
        found = self.known(key)
        if found is None:
            found = self._known[key] = self._new()
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        return found
