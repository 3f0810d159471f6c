"""The two RTP streams of a leg: what is known about the one that comes in, and the one that goes out.

Time is a whole number of nanoseconds; ``arrival`` and positions are samples on one common 8 kHz grid.
"""

from __future__ import annotations

from enum import Enum

from media.reference.rtp import Packet, ahead

SAMPLE_NS = 125_000
FRAME = 160
FRAME_NS = FRAME * SAMPLE_NS


class Order(Enum):
    NEWEST = "newest"
    LATE = "late"
    """Out of order, but in time."""
    REFUSED = "refused"
    """Seen before, or far too old."""


class Incoming:
    """Order, loss and jitter (RFC 3550 appendices A.1, A.3, A.8). ``epoch`` grows with each new stream."""

    def __init__(self) -> None:
        self.epoch = self.lost = 0
        self.missing = 0
        """Packets that have not come before the newest one."""
        self.jitter = 0
        """In sixteenths of a sample, as appendix A.8 keeps it."""
        self.ssrc = self.highest = 0
        """Of the present stream; the sequence number is extended by the times that it wrapped."""
        self._first = self._lost_before = 0
        self._seen: set[int] = set()
        self._transit: int | None = None

    def receive(self, packet: Packet) -> Order:
        step = ahead(packet.sequence, self.highest, 16)
        if self.epoch == 0 or packet.ssrc != self.ssrc or not -100 <= step <= 3000:
            self.epoch += 1
            self.ssrc, self._transit = packet.ssrc, None
            self.highest = self._first = packet.sequence
            self._lost_before = self.lost
            self._seen, self.missing = {packet.sequence}, 0
            return Order.NEWEST
        if step > 0:
            self.missing = step - 1
            self.lost += self.missing
            self.highest += step
            self._seen = {seen for seen in self._seen if ahead(seen, self.highest, 16) > -64} | {packet.sequence}
            return Order.NEWEST
        if step <= -64 or packet.sequence in self._seen:
            return Order.REFUSED
        self._seen.add(packet.sequence)
        self.lost = max(self.lost - 1, 0)
        return Order.LATE

    @property
    def expected(self) -> int:
        """How many packets the present stream should have had by now."""
        return self.highest - self._first + 1

    @property
    def lost_in_epoch(self) -> int:
        return self.lost - self._lost_before

    @property
    def accepted(self) -> int:
        return self.expected - self.lost_in_epoch

    def time(self, timestamp: int, arrival: int) -> None:
        transit = (arrival - timestamp) & 0xFFFFFFFF
        if self._transit is not None:
            self.jitter += abs(ahead(transit, self._transit, 32)) - ((self.jitter + 8) >> 4)
        self._transit = transit


class Outgoing:
    """One SSRC and one run of sequence numbers and timestamps, whatever feeds it.

    A relayed packet keeps its distance to its neighbours, so that loss and reordering stay visible to the far end: a
    relay is two constant offsets, chosen anew when the feed changes. After a change or a gap the marker is set
    (RFC 3551 section 4.1) and the timestamp has moved on by the time that passed.
    """

    def __init__(self, ssrc: int, sequence: int, timestamp: int) -> None:
        self.ssrc, self.first, self.timestamp = ssrc, sequence, timestamp
        """What the stream begins with."""
        self._sequence = sequence
        self._timestamp = self._end = timestamp
        """Of the newest packet, and where its sound ends."""
        self._since: int | None = None
        """When the newest packet was sent."""
        self._feed: tuple[int, int] | None = None
        self._offset = self._timestamp_offset = self._oldest = self._event = 0
        self.ratio = 1
        """Ticks of this stream's RTP clock in one 8 kHz sample."""

    @property
    def mixing(self) -> bool:
        """The newest packet was one of our own mix."""
        return self._feed == (0, 0)

    @property
    def relaying(self) -> bool:
        """It was somebody else's."""
        return self._feed not in (None, (0, 0))

    def clock_at(self, now: int) -> int:
        """What the stream's clock says at this moment (RFC 3550 section 6.4.1)."""
        passed = 0 if self._since is None else now // SAMPLE_NS - self._since // SAMPLE_NS
        return self._timestamp + passed * self.ratio

    def relay(self, feed: tuple[int, int], packet: Packet, heard: int, length: int, now: int) -> Packet | None:
        """Renumber ``packet`` of ``feed``; None when it is older than the change of feeds.

        ``heard`` samples of its sound lie behind its timestamp already (an event's duration), ``length`` before it.
        """
        fresh = feed != self._feed
        if fresh:
            self._feed, self._oldest = feed, packet.sequence
            self._offset = self._sequence - packet.sequence
            self._timestamp_offset = self._timestamp_at(now) - heard - packet.timestamp
        elif ahead(packet.sequence, self._oldest, 16) < 0:
            return None
        if ahead(packet.sequence, self._oldest, 16) > 1000:  # move along, or the counter's wrap would look like age
            self._oldest = packet.sequence - 1000
        sequence = (packet.sequence + self._offset) & 0xFFFF
        if ahead(sequence, self._sequence, 16) >= 0:
            self._sequence = (sequence + 1) & 0xFFFF
        timestamp = (packet.timestamp + self._timestamp_offset) & 0xFFFFFFFF
        self._advance(timestamp + heard, length, now)
        return self._packet(packet.payload, sequence, timestamp, packet.marker or fresh)

    def skip(self, feed: tuple[int, int], packet: Packet) -> None:
        """A packet of the feed is not sent on: the far end must not take it for lost."""
        if feed != self._feed or ahead(packet.sequence, self._oldest, 16) < 0:
            return
        if ahead(packet.sequence + self._offset, self._sequence, 16) >= 0:
            self._offset -= 1
            self._oldest = packet.sequence

    def frame(self, payload: bytes, now: int, samples: int, fresh: bool) -> Packet:
        """A packet of our own mix; ``fresh`` when it does not follow directly on the one before. Where it follows on a
        relay it began with its first frame, however long it took to fill."""
        began = now - (samples - 1) // FRAME * FRAME_NS if self.relaying else now
        fresh = self._feed != (0, 0) or fresh
        self._feed = (0, 0)
        timestamp = self._timestamp_at(began) if fresh else self._end
        self._advance(timestamp, samples * self.ratio, now)
        return self._packet(payload, self._take_sequence(), timestamp, fresh)

    def event(self, first: bool, now: int) -> Packet:
        """One telephone-event packet put in between; all of a press share the first one's timestamp."""
        if first:
            self._event = self._timestamp_at(now)
            self._advance(self._event, 0, now)
        return self.insert(self._event, first)

    def next_segment(self, length: int) -> None:
        """Where a segment of a press is full, the next begins (RFC 4733 section 2.5.1.3)."""
        self._event += length

    def insert(self, timestamp: int, marker: bool) -> Packet:
        """A packet between those that are relayed."""
        # What is relayed from here on moves up by one; what comes late from before would now collide.
        self._oldest = self._sequence - self._offset
        self._offset += 1
        return self._packet(b"", self._take_sequence(), timestamp, marker)

    def resume_event(self, timestamp: int) -> None:
        """The packets of a press that a relay began will be our own."""
        self._event = timestamp

    def _packet(self, payload: bytes, sequence: int, timestamp: int, marker: bool) -> Packet:
        return Packet(0, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, self.ssrc, payload, marker)

    def _take_sequence(self) -> int:
        taken, self._sequence = self._sequence, (self._sequence + 1) & 0xFFFF
        return taken

    def _timestamp_at(self, now: int) -> int:
        if self._since is None:
            return self._end
        passed = self.clock_at(now)
        return passed if ahead(passed, self._end, 32) > 0 else self._end

    def _advance(self, timestamp: int, length: int, now: int) -> None:
        if self._since is not None and ahead(timestamp, self._timestamp, 32) < 0:
            return
        self._timestamp, self._since = timestamp, now
        if ahead(timestamp + length, self._end, 32) > 0:
            self._end = timestamp + length


class SampleClock:
    """A sender's RTP clock in 8 kHz samples, continued over the wrap of its timestamps."""

    def __init__(self) -> None:
        self._ticks = self._timestamp = 0

    def samples(self, timestamp: int, ratio: int) -> int:
        self._ticks += ahead(timestamp, self._timestamp, 32)
        self._timestamp = timestamp
        return self._ticks // ratio


class Placement:
    """Where samples belong on the common grid: by RTP timestamp, anchored to an arrival.

    A packet up to ``late`` samples behind or ``early`` before its place by arrival keeps the place by timestamp. One
    outside is left out; five in a row mean that the sender's clock or the path has changed, so the fifth becomes the
    new anchor. A jump of over a second re-anchors at once.
    """

    def __init__(self, late: int, early: int) -> None:
        self._late, self._early = late, early
        self._anchor: tuple[int, int] | None = None
        self._strikes = 0

    def forget(self) -> None:
        self._anchor = None

    def place(self, timestamp: int, arrival: int) -> int | None:
        expected = arrival
        if self._anchor is not None:
            known, position = self._anchor
            expected = position + ahead(timestamp, known, 32)
            if not -self._late <= expected - arrival <= self._early:
                self._strikes += 1
                if self._strikes < 5 and abs(expected - arrival) <= 8000:
                    return None
                expected = arrival
        self._strikes = 0
        self._anchor = (timestamp, expected)
        return expected
