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
    """Open connections by the address of their far side, and how many there are of each host, those included that are
    still in a handshake. ``needed`` tells whether a call or a registered phone counts on one, and keeps it open however
    idle it is; ``welcome`` whether somebody may connect at all."""

    def __init__(
        self, limits: Limits, counters: Counter[str], needed: Callable[[Address], bool],
        welcome: Callable[[str], bool] = lambda host: True,
    ) -> None:
        self.limits, self.counters, self.needed, self._welcome = limits, counters, needed, welcome
        self._open: dict[Address, Peer] = {}
        self._of_host: Counter[str] = Counter()
        self.entered = 0
        """How many there are of all hosts, handshakes included."""

    def __len__(self) -> int:
        return len(self._open)

    def find(self, to: Address) -> Peer | None:
        return self._open.get(to.place)

    def enters(self, host: str, *, asked: bool = False) -> bool:
        """Whether there may be one more connection with this host, which counts from now on until ``leaves``; refusals
        are counted. ``asked``: it is us who connect, which nobody refuses."""
        if not asked and not self._welcome(host):
            self.counters["connections_banned"] += 1
            return False
        if not asked and (self.entered >= self.limits.total or self._of_host[host] >= self.limits.per_source):
            self.counters["connections_refused"] += 1
            return False
        self._of_host[host] += 1
        self.entered += 1
        return True

    def leaves(self, host: str) -> None:
        """A connection with this host is over, whatever became of it."""
        self.entered -= 1
        self._of_host[host] -= 1
        if not self._of_host[host]:
            del self._of_host[host]

    def add(self, peer: Address, connection: Peer) -> None:
        """It stands, and takes messages."""
        self._open[peer.place] = connection

    def remove(self, peer: Address, connection: Peer) -> bool:
        """Whether it was there: a later connection of the same far side stays."""
        if self._open.get(peer.place) is not connection:
            return False
        del self._open[peer.place]
        return True

    def close_all(self) -> None:
        for connection in [*self._open.values()]:
            connection.abort()
