"""What uses a connection, found by the connection: where there are thousands, closing one must not walk through all."""

from __future__ import annotations

from typing import Generic, TypeVar

from telephony.sip.address import Address

T = TypeVar("T")


class ByStream(Generic[T]):
    """Keyed things by the far end of the connection that each uses; who uses datagrams is not kept."""

    def __init__(self) -> None:
        self._there: dict[Address, dict[str, T]] = {}
        self._places: dict[str, Address] = {}

    def put(self, key: str, used: T, peer: Address) -> None:
        """It is ``peer`` that this one speaks to, from now on."""
        place = peer.place if peer.transport.reliable else None
        if self._places.get(key) == place:
            return
        self.drop(key)
        if place is not None:
            self._places[key] = place
            self._there.setdefault(place, {})[key] = used

    def drop(self, key: str) -> None:
        """Harmless where it is not kept."""
        place = self._places.pop(key, None)
        if place is not None:
            del self._there[place][key]
            if not self._there[place]:
                del self._there[place]

    def at(self, peer: Address) -> list[T]:
        """All that use the connection with ``peer``."""
        return [*self._there.get(peer.place, {}).values()]
