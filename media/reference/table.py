"""Who hears whom: one table of gains (listener × source), and the questions that the switch asks of it."""

from __future__ import annotations

from collections.abc import Iterator

from media.reference.coders import relayable
from media.reference.levels import UNITY
from media.reference.node import Node
from media.reference.nodes import Leg, Player, Side
from media.reference.tap import Tap


class Table:
    """The non-zero cells, newest last."""

    def __init__(self) -> None:
        self._gains: dict[tuple[Node, Node], int] = {}
        self._before: dict[tuple[Node, Node], int] = {}
        """Where the last frame of a mix, or packet of a recording, left off: the next goes from there to the gain."""
        self._since: dict[tuple[Node, Node], int] = {}
        """When the gain was set, in nanoseconds."""

    def set(self, listener: Node, source: Node, gain: int, now: int, *, before: int) -> None:
        """``before``: the gain that the next frame goes on from, so that what is taken away fades out."""
        self._gains.pop((listener, source), None)
        if gain or before:
            self._gains[listener, source], self._before[listener, source] = gain, before
            self._since[listener, source] = now

    def cell(self, listener: Node, source: Node) -> tuple[int, int] | None:
        """A gain, and where the last frame left off; None where there is none, nor one that fades out."""
        gain = self._gains.get((listener, source))
        return None if gain is None else (gain, self._before[listener, source])

    def settle(self, listener: Node) -> None:
        """Who is relayed is heard whole, and a mix that follows goes on from there."""
        direct = self.direct(listener)
        if direct is not None:
            self._before[listener, direct] = self._gains[listener, direct]

    def clear(self, node: Node) -> None:
        for cells in (self._gains, self._before, self._since):
            for cell in [cell for cell in cells if node in cell]:
                del cells[cell]

    def take_ramp(self, listener: Node, source: Node) -> tuple[int, int]:
        """From which gain to which the next frame goes."""
        gain = self._gains[listener, source]
        before, self._before[listener, source] = self._before[listener, source], gain
        return before, gain

    def drop_faded(self, listener: Node, source: Node | None = None) -> None:
        """What a gain of zero was the end of has been faded out by now; None: whatever the source."""
        self._gains = {
            (hears, sounds): gain
            for (hears, sounds), gain in self._gains.items()
            if gain or hears is not listener or source not in (None, sounds)
        }

    def row(self, listener: Node) -> Iterator[tuple[Node, int]]:
        """Whom this one hears."""
        return ((source, gain) for (hears, source), gain in [*self._gains.items()] if hears is listener)

    def column(self, source: Node) -> Iterator[tuple[Node, int]]:
        """Who hears this one."""
        return ((listener, gain) for (listener, sounds), gain in [*self._gains.items()] if sounds is source)

    def direct(self, listener: Node) -> Leg | None:
        """The only source, where what it says can be passed on as it arrives. An idle player is as good as absent."""
        sounding = self._sounding(listener)
        if len(sounding) != 1:
            return None
        [(source, gain)] = sounding
        whole = gain == UNITY or isinstance(listener, Tap)
        return source if whole and isinstance(source, Leg) and self._passable(source, listener) else None

    @staticmethod
    def _passable(source: Leg, listener: Node) -> bool:
        """A tap takes samples; a leg takes only its own codec."""
        return not isinstance(listener, Leg) or relayable(source.codec, listener.codec)

    def mixes(self, listener: Node) -> bool:
        """Does this leg or tap need a frame made for it every 20 ms?"""
        can = isinstance(listener, Leg | Tap)
        return can and bool(self._sounding(listener)) and self.direct(listener) is None

    def mixed(self, source: Node) -> bool:
        """Is this source part of anybody's mix?"""
        return any(self.mixes(listener) for listener, _ in self.column(source))

    def reaches(self, player: Player) -> bool:
        """Is what it plays sent to anybody? A recording hears it too, and so does a leg whose far end nobody knows."""
        legs = (listener for listener, gain in self.column(player) if gain and isinstance(listener, Leg))
        return any(leg.origin.remote is not None for leg in legs)

    def recorded(self, source: Node) -> Iterator[tuple[Side, int]]:
        """The recorder sides that hear this source, and when their gains were set."""
        return ((side, self._since[side, source]) for side, _ in self.column(source) if isinstance(side, Side))

    def _sounding(self, listener: Node) -> list[tuple[Node, int]]:
        return [(s, gain) for s, gain in self.row(listener) if not isinstance(s, Player) or s.sounding]
