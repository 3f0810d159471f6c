"""Is each registered phone still there? An OPTIONS now and then asks it, and keeps the way through its router open."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

from telephony.sip.address import Address
from telephony.sip.bindings import Binding

FIRST, EVERY = 5.0, 25.0
"""Seconds from a phone's registration to the first question, and between questions. Routers forget a UDP flow after 30
at the earliest (RFC 4787 section 4.3 asks for two minutes, RFC 5626 section 4.4.2 reckons with 24 to 29)."""
NOBODY = frozenset({408, 503})
"""Nothing came, or the network refused the question: the endpoint's own words (RFC 3261 section 8.1.3.1)."""


class KeepAlives:
    """Asks every phone that is reached over the flow that it registered on; those behind proxies are their proxies'
    business. A phone that has answered before and does not any more is said to be gone, and asked on; one that never
    answers OPTIONS is not judged by that, unless the network itself says that nobody is there.
    """

    def __init__(
        self,
        found: Callable[[Address], Binding | None],
        ask: Callable[[Binding, float], str],
        told: Callable[[Address, bool, float], None],
        *,
        every: float = EVERY,
        within: float,
    ) -> None:
        """``ask`` sends the question and returns the key of its transaction; ``told`` hears of each flow whether
        somebody is there, whenever that is found out. ``within``: seconds for an answer."""
        self._found, self._ask, self._told = found, ask, told
        self._every, self._within = every, within
        self._due: list[tuple[float, int, Address]] = []
        self._kept: set[Address] = set()
        self._answer: set[Address] = set()
        self._asked: dict[str, Address] = {}
        self._patience: deque[tuple[float, str]] = deque()
        self._number = 0

    def keep(self, source: Address, now: float, first: float = FIRST) -> None:
        """A phone has registered from there, anew or again; ``first`` is when a new one is asked, in seconds."""
        if source not in self._kept and self._wants(source) is not None:
            self._kept.add(source)
            self._next(source, now + min(first, self._every))

    def deadline(self) -> float | None:
        queues = (self._due, self._patience)
        return min((queue[0][0] for queue in queues if queue), default=None)

    def tick(self, now: float) -> None:
        """Tell who did not answer in time, and ask whose turn it is; who is registered no more is left alone."""
        while self._patience and self._patience[0][0] <= now:
            _, key = self._patience.popleft()
            source = self._asked.get(key)  # it may answer yet
            if source in self._answer:
                self._told(source, False, now)
        while self._due and self._due[0][0] <= now:
            _, _, source = heapq.heappop(self._due)
            binding = self._wants(source)
            if binding is None:
                self._kept.discard(source)
                self._answer.discard(source)
                continue
            self._question(source, binding, now)
            self._next(source, now + self._every)

    def doubt(self, source: Address, now: float) -> None:
        """Something else that was sent there got no response: ask at once, out of turn."""
        if binding := self._wants(source):
            self._question(source, binding, now)

    def _question(self, source: Address, binding: Binding, now: float) -> None:
        key = self._ask(binding, now)
        self._asked[key] = source
        self._patience.append((now + self._within, key))

    def answered(self, key: str, status: int, now: float) -> None:
        """The final response to a question, or to something else that was asked."""
        source = self._asked.pop(key, None)
        if source is None or source not in self._kept:
            return
        if status not in NOBODY:
            self._answer.add(source)
            self._told(source, True, now)
        elif status == 503 or source in self._answer:
            self._told(source, False, now)

    def _wants(self, source: Address) -> Binding | None:
        binding = self._found(source)
        return binding if binding is not None and not binding.path else None

    def _next(self, source: Address, at: float) -> None:
        self._number += 1  # addresses have no order of their own
        heapq.heappush(self._due, (at, self._number, source))
