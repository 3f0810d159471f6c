"""Keys as telephone-events (RFC 4733): one press heard once, passed on once, one sent in the packets it takes."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from media.reference.rtp import LONGEST_EVENT, Packet, TelephoneEvent, ahead
from media.reference.streams import FRAME

KEYS = "0123456789*#ABCD"
"""RFC 4733 table 3: events 0 to 15."""


class DigitReceiver:
    """One press is heard once. It is known by the RTP timestamp of its beginning, which all its packets share
    (RFC 4733 section 2.2.2): a lost or repeated end, a late packet or a missing marker changes nothing."""

    def __init__(self) -> None:
        self._press: tuple[int, int, int] | None = None
        self._before = 0

    def receive(self, packet: Packet) -> str | None:
        if self.follow(packet):
            return None
        code = packet.payload[0]
        self._press, self._before = (packet.ssrc, packet.timestamp, code), 0
        return None if code >= len(KEYS) else KEYS[code]

    def follow(self, packet: Packet) -> bool:
        """Is this a packet of the press that was received last, or of one before it? If it begins a new segment, that
        press goes on with it."""
        if self._press is None or self._press[0] != packet.ssrc:
            return False
        newer, code = ahead(packet.timestamp, self._press[1], 32), packet.payload[0]
        # Section 2.5.1.3: beyond 0xFFFF an event goes on as a new segment that begins where the old one ended.
        if newer == LONGEST_EVENT and self._press[2] == code:
            self._press = packet.ssrc, packet.timestamp, code
            self._before += LONGEST_EVENT
            return True
        return -80_000 < newer <= 0  # further back than ten seconds: the sender's clock began anew

    def before(self, timestamp: int) -> int:
        """How much of a press, in ticks, lies in the segments before the one of this timestamp."""
        past = self._before + (0 if self._press is None else ahead(timestamp, self._press[1], 32))
        return past if 0 < past <= self._before and past % LONGEST_EVENT == 0 else 0


@dataclass(frozen=True)
class PassingPress:
    """A press that is passed on as it comes."""

    newest: Packet
    source: int
    """The leg that it comes from."""
    sounded: int
    """Samples, so far, of its present segment."""
    segment: int
    timestamp: int
    """It goes out with."""
    since: int
    """When its newest packet came, in nanoseconds."""
    over: bool

    def same(self, other: Packet) -> bool:
        """Perhaps in another segment."""
        return (self.newest.ssrc, self.newest.payload[0]) == (other.ssrc, other.payload[0])

    def behind(self, known: PassingPress) -> bool:
        """Did this come out of order?"""
        newer = ahead(self.timestamp, known.timestamp, 32)
        return newer < 0 or (newer == 0 and (known.over or self.sounded < known.sounded))


class Press:
    """A press to be sent, tick by tick: updates, the end three times (section 2.5.1.4), 60 ms of pause."""

    def __init__(self, code: int, duration: int, sounded: int | None = None) -> None:
        """``sounded``: samples of it that somebody else, who began it, has sent."""
        first = FRAME if sounded is None else FRAME + max(FRAME, sounded // FRAME * FRAME)
        updates = [TelephoneEvent(code, False, until) for until in range(first, duration, FRAME)]
        self.steps: deque[TelephoneEvent | None] = deque([*updates, *[TelephoneEvent(code, True, duration)] * 3])
        self.steps.extend([None] * 3)
        self.begun = sounded is not None
        self.segmented = 0
        """Ticks of it in the segments that have been sent."""
