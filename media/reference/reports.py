"""What a leg and its far end tell each other about their two streams, every few seconds (RFC 3550 section 6.4)."""

from __future__ import annotations

from media.reference import rtcp
from media.reference.rtp import ahead
from media.reference.streams import Incoming, Outgoing

Address = tuple[str, int]
STEP_NS = 16_000_000
_LONGEST_NS = 65_535 * 1_000_000_000
"""What the delay of a report block can tell."""


class ReportClock:
    """When a leg's reports are due, in steps of ``STEP_NS``. With two members the interval is the fixed minimum, five
    seconds, times one half to one and a half, and half of that before the first (section 6.2). Nobody joins or leaves
    meanwhile, so the timer is never reconsidered, and what section 6.3.1 divides by to make up for that is left out.
    What is random in it comes from the SSRC, which is."""

    def __init__(self, seed: int) -> None:
        self._random, self._mean_ms = seed, 2_500

    def next(self, now: int) -> int:
        """The step in which the next report is due."""
        self._random = (self._random * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
        mean, self._mean_ms = self._mean_ms, 5_000
        return (now // 1_000_000 + mean // 2 + mean * (self._random >> 16) // 65_536) * 1_000_000 // STEP_NS + 1


class Reports:
    """One leg's side of it. ``cname`` is what the stream began with, in hexadecimal digits: random, new for every leg,
    and it says nothing about this machine (RFC 7022 section 3.1)."""

    def __init__(self, out: Outgoing) -> None:
        self.clock = ReportClock(out.ssrc)
        self.cname = f"{out.ssrc:08x}{out.first:04x}{out.timestamp:08x}"
        self.due = -1
        """The step of the next report; -1 before there is a far end."""
        self.muxed = False
        self.announced: Address | None = None
        self.learned: Address | None = None
        self.written = self.received = self.heard = self.strangers = self.malformed = 0
        self.left = False
        self.far_packets = self.round_trip_us = -1
        self.far_lost = self.far_expected = self.far_jitter_us = 0
        self._sent, self._sent_before, self._our_report = 0, 0, 0
        self._epoch, self._accepted, self._expected, self._lost = 0, 0, 0, 0
        self._their_ssrc, self._their_report, self._their_report_at = 0, 0, 0
        self._far_highest, self._far_lost = out.first - 1, 0

    def signal(self, muxed: bool, announced: Address | None, *, moved: bool) -> None:
        """Where the far end's reports come from and ours go to: next to its RTP, or where it announced (RFC 3605), or
        on the same port (RFC 5761). Where they come from another port of the same host, that one is followed
        (RFC 4961)."""
        if moved or (muxed, announced) != (self.muxed, self.announced):
            self.learned = None
        self.muxed, self.announced = muxed, announced

    def expected(self, remote: Address) -> Address:
        if self.muxed:
            return remote
        return self.announced or (remote[0], (remote[1] + 1) & 0xFFFF)

    def destination(self, remote: Address) -> Address:
        return self.expected(remote) if self.muxed or self.learned is None else self.learned

    def plausible(self, source: Address, remote: Address | None) -> bool:
        if remote is None:
            return False
        return source == self.expected(remote) or (source[0] == remote[0] and self.learned in (None, source))

    def write(
        self, out: Outgoing, incoming: Incoming, sent: tuple[int, int], ratio: int, now: int, *, bye: bool
    ) -> bytes:
        """A compound packet about both streams. ``sent``: packets and bytes of payload; ``ratio``: ticks of the
        incoming stream's clock in one 8 kHz sample."""
        self.written += 1
        about = rtcp.report(out.ssrc, self._about_sent(out, sent, now), self._about_received(incoming, ratio, now))
        return about + rtcp.name(out.ssrc, self.cname) + (rtcp.goodbye(out.ssrc) if bye else b"")

    def read(self, told: rtcp.Compound, heard_ssrc: int, ratio: int, now: int) -> None:
        """What the far end says. ``ratio``: ticks of our stream's clock in one 8 kHz sample; ``heard_ssrc``: the stream
        of theirs that is heard, whose report no other stream's takes the place of."""
        self.received += 1
        self.left = self.left or told.bye
        answered = self._their_report_at and self._their_ssrc == heard_ssrc
        if told.sender is not None and (told.ssrc == heard_ssrc or not answered):
            self._their_ssrc, self._their_report_at = told.ssrc, now
            self._their_report = rtcp.middle(told.sender.ntp_time)
            self.far_packets = told.sender.packets
        block = told.about_us
        if block is None:
            return
        self.heard += 1
        self._add_loss(block)
        self.far_jitter_us = block.jitter * 125 // ratio
        # Only an answer to our newest report tells how long the way is; anything else may be made up.
        if block.last_report and block.last_report == self._our_report:
            took = ahead(rtcp.middle(rtcp.ntp(now)), block.last_report + block.delay, 32)
            self.round_trip_us = max(took, 0) * 1_000_000 // 65_536

    def _about_sent(self, out: Outgoing, sent: tuple[int, int], now: int) -> rtcp.Sender | None:
        """Where something was sent since the report before the last (section 6.4)."""
        before, self._sent_before, self._sent = self._sent_before, self._sent, sent[0]
        if sent[0] <= before:
            return None
        time = rtcp.ntp(now)
        self._our_report = rtcp.middle(time)
        return rtcp.Sender(time, out.clock_at(now), *sent)

    def _about_received(self, incoming: Incoming, ratio: int, now: int) -> rtcp.Block | None:
        """Where something came since the last report (appendix A.3)."""
        if incoming.epoch == 0 or (incoming.epoch, incoming.accepted) == (self._epoch, self._accepted):
            return None
        if incoming.epoch != self._epoch:
            self._expected = self._lost = 0
        due, lost = incoming.expected - self._expected, incoming.lost_in_epoch - self._lost
        self._epoch, self._accepted = incoming.epoch, incoming.accepted
        self._expected, self._lost = incoming.expected, incoming.lost_in_epoch
        fraction = min(lost * 256 // due, 255) if due > 0 and lost > 0 else 0
        total = max(-0x800000, min(incoming.lost_in_epoch, 0x7FFFFF))
        heard = rtcp.Block(incoming.ssrc, fraction, total, incoming.highest, (incoming.jitter >> 4) * ratio)
        if not self._their_report_at or self._their_ssrc != incoming.ssrc:
            return heard
        delay = min(now - self._their_report_at, _LONGEST_NS) // 1_000 * 65_536 // 1_000_000
        return rtcp.Block(heard.ssrc, fraction, total, heard.highest, heard.jitter, self._their_report, delay)

    def _add_loss(self, block: rtcp.Block) -> None:
        """The far end may begin anew in the middle of a call, so what counts is the change from report to report."""
        step, lost = ahead(block.highest, self._far_highest, 32), block.lost - self._far_lost
        self._far_highest, self._far_lost = block.highest, block.lost
        if 0 <= step <= 0xFFFF and lost <= step:
            self.far_expected += step
            self.far_lost = max(0, self.far_lost + lost)
