"""All connections that stand, whatever they carry: how many there may be, and when one is closed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from telephony.sip.address import Address


@dataclass(frozen=True, slots=True)
class Limits:
    """What one far side, and all together, may take of us. Times in seconds, sizes in bytes."""

    total: int = 4096
    """Connections in all."""
    per_source: int = 256
    """Connections from one host: an office, or a proxy, brings many phones."""
    idle: float = 600.0
    """A connection that nobody needs is closed when nothing came for so long."""
    first: float = 10.0
    """A new connection has so long to say something that is SIP."""
    partial: float = 10.0
    """A message that has begun must be whole within this time."""
    stalled: float = 10.0
    """A far side that reads nothing is cut after this time."""
    unsent: int = 262_144
    """A far side that leaves more than this unread is cut at once."""
    connect: float = 4.0
    """A far side must take our connection, TLS included, within this time."""


class Peer(Protocol):
    """One connection."""

    def send(self, data: bytes) -> None: ...
    def abort(self) -> None: ...


class Connections:
    """Open connections by the address of their far side. ``needed`` tells whether a call or a registered phone counts
    on one, and keeps it open however idle it is."""

    def __init__(self, limits: Limits, counters: Counter[str], needed: Callable[[Address], bool]) -> None:
        self.limits, self.counters, self.needed = limits, counters, needed
        self._open: dict[Address, Peer] = {}
        self._of_host: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def find(self, to: Address) -> Peer | None:
        return self._open.get(to.place)

    def admits(self, host: str) -> bool:
        """Whether one more connection from this host may stand; counted where not."""
        if len(self._open) >= self.limits.total or self._of_host[host] >= self.limits.per_source:
            self.counters["connections_refused"] += 1
            return False
        return True

    def add(self, peer: Address, connection: Peer) -> None:
        self._open[peer.place] = connection
        self._of_host[peer.host] += 1

    def remove(self, peer: Address, connection: Peer) -> bool:
        """Whether it was there: a later connection of the same far side stays."""
        if self._open.get(peer.place) is not connection:
            return False
        del self._open[peer.place]
        self._of_host[peer.host] -= 1
        if not self._of_host[peer.host]:
            del self._of_host[peer.host]
        return True

    def close_all(self) -> None:
        for connection in [*self._open.values()]:
            connection.abort()
