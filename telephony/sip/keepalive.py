"""Keeping the way to phones behind NAT open: an OPTIONS now and then, or their router forgets them."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from telephony.sip.address import Address
from telephony.sip.bindings import Binding

EVERY = 25.0
"""Seconds. Routers forget a UDP flow after 30 at the earliest (RFC 4787 section 4.3 asks for two minutes, RFC 5626
section 4.4.2 reckons with 24 to 29)."""


class KeepAlives:
    """Asks each UDP phone whose contact is not the address that it was seen at. Phones on connections keep these alive
    themselves (RFC 5626 section 4.4.1). An answer is not waited for: the datagram itself is what the router needs."""

    def __init__(self, found: Callable[[Address], Binding | None], ask: Callable[[Binding, float], None]) -> None:
        self._found, self._ask = found, ask
        self._due: list[tuple[float, int, Address]] = []
        self._kept: set[Address] = set()
        self._number = 0

    def keep(self, source: Address, now: float) -> None:
        """A phone has registered from there, anew or again."""
        if source not in self._kept and self._wants(source) is not None:
            self._kept.add(source)
            self._again(source, now)

    def deadline(self) -> float | None:
        return self._due[0][0] if self._due else None

    def tick(self, now: float) -> None:
        """Ask whose turn it is; who is registered no more is left alone."""
        while self._due and self._due[0][0] <= now:
            _, _, source = heapq.heappop(self._due)
            binding = self._wants(source)
            if binding is None:
                self._kept.discard(source)
            else:
                self._ask(binding, now)
                self._again(source, now)

    def _wants(self, source: Address) -> Binding | None:
        binding = None if source.transport.reliable else self._found(source)
        return binding if binding is not None and binding.behind_nat and not binding.path else None

    def _again(self, source: Address, now: float) -> None:
        self._number += 1  # addresses have no order of their own
        heapq.heappush(self._due, (now + EVERY, self._number, source))
