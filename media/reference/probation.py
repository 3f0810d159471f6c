"""Which stream of a far end is heard where another SSRC turns up (RFC 3550 appendix A.1, docs/decisions/0009)."""

from __future__ import annotations

from enum import Enum

from media.reference.rtp import Packet, ahead

LIVE_NS = 100_000_000
"""Who sent something so lately has not stopped."""
SETTLING_NS = 2_000_000_000
"""Who was heard for so long is no mistake."""
PATIENCE_NS = 1_000_000_000
"""Packets of one stream are not further apart, but for silence …"""
WINDOW = 64
"""… nor further out of order, or after a loss."""


class Verdict(Enum):
    HEARD = "heard"
    HELD = "held"
    REFUSED = "refused"
    PROVEN = "proven"
    """With the packet that is held, which goes before this one."""


class Probation:
    """Knows one stream. Another is followed with its second packet, if nothing of the known one came in between. The
    elder, which had been heard for a while when another came, may return whatever comes in between. Where it does so
    while the other goes on, nobody has changed, but two speak at once: from then on others wait for silence."""

    def __init__(self) -> None:
        self.refused = 0
        """Packets of streams that were not followed."""
        self.held = Packet(0, 0, 0, 0, b"")
        """A candidate's packet, if it ``_holds`` one, and when that came."""
        self.held_since = 0
        self._known = self._elder = self._moves = 0
        self._followed = self._last = 0
        """When the known stream was first heard, and last."""
        self._holds = self._contested = False

    def judge(self, packet: Packet, moves: int, now: int) -> Verdict:
        """``moves`` changes with the address that packets come from: whoever is heard there first is known."""
        if moves != self._moves:
            self._drop()
            self._moves, self._elder, self._contested = moves, packet.ssrc, False
            self._follow(packet.ssrc, now)
        if packet.ssrc == self._known:
            if self.held.ssrc != self._elder:
                self._drop()
            self._last = now
            return Verdict.HEARD
        if not self._proves(packet, now):
            return self._hold(packet, now)
        if packet.ssrc == self._elder:
            self._contested |= now - self._last < LIVE_NS
        elif not self._contested and now - self._followed >= SETTLING_NS:
            self._elder = self._known
        self._follow(packet.ssrc, now)
        return Verdict.PROVEN

    def streams(self) -> list[int]:
        """All that it knows something of."""
        return [self._known, self._elder, self.held.ssrc]

    def settle(self) -> None:
        """The far side was described once more, and may have a reason to change."""
        self._contested = False

    def _follow(self, ssrc: int, now: int) -> None:
        self._known, self._holds = ssrc, False
        self._followed = self._last = now

    def _proves(self, packet: Packet, now: int) -> bool:
        step = ahead(packet.sequence, self.held.sequence, 16)
        same = self._holds and packet.ssrc == self.held.ssrc and 0 < abs(step) <= WINDOW
        if not same or now - self.held_since > PATIENCE_NS:
            return False
        return packet.ssrc == self._elder or not self._contested or now - self._last > LIVE_NS

    def _hold(self, packet: Packet, now: int) -> Verdict:
        """While the elder may be about to return nobody else takes its place."""
        returning = self._holds and self.held.ssrc == self._elder and now - self.held_since < LIVE_NS
        if returning and packet.ssrc != self._elder:
            self.refused += 1
            return Verdict.REFUSED
        self._drop()
        self.held, self.held_since, self._holds = packet, now, True
        return Verdict.HELD

    def _drop(self) -> None:
        self.refused += self._holds
        self._holds = False
