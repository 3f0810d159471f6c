"""RTCP of a leg (RFC 3550 section 6): what is believed of what its far end tells."""

from __future__ import annotations

import struct

import pytest

from media._core import Srtp
from media.native import leg_stats
from media.reference import rtcp
from media.reference.rtcp import Block, Compound, Sender
from tests.media.reports import QUIET, about, beside, ours, stats, taken, tell, understood
from tests.media.room import MS, FarEnd, Room

KEY = bytes(range(30))


class TestWhatTheFarEndSays:
    """Receiver reports about our stream, sender reports about its own."""

    def hear_for(self, caller: FarEnd, seconds: int) -> Compound:
        """The newest report, after so long of music."""
        room = caller.room
        room.switch.play(room.player(caller), b"\x10\x10" * 800, True)
        room.wait(1_000 * seconds)
        return understood(taken(caller)[-1][0], caller)

    def test_the_way_there_and_back(self, room: Room) -> None:
        caller = room.phone()
        sent = self.hear_for(caller, 12).sender
        assert sent is not None
        at = sent.ntp_time * 10**9 >> 32
        room.wait((at - room.now) / MS + 3_040)
        room.now = at + 3_040 * MS  # 40 ms on the way and 3 s at the far end
        block = about(caller, last_report=rtcp.middle(sent.ntp_time), delay=3 * 65_536)
        far = tell(caller, rtcp.report(9, None, block))
        assert far.round_trip_ms == pytest.approx(40, abs=0.1)
        assert (far.reports, far.heard) == (1, 1)

    def test_only_an_answer_to_our_newest_report_tells_it(self, room: Room) -> None:
        caller = room.phone()
        sent = self.hear_for(caller, 12).sender
        assert sent is not None
        for made_up in (0, rtcp.middle(sent.ntp_time) - 65_536, 0xFFFFFFFF):
            far = tell(caller, rtcp.report(9, None, about(caller, last_report=made_up, delay=1)))
            assert far.round_trip_ms == -1

    def test_loss_and_jitter_of_our_stream(self, room: Room) -> None:
        caller = room.phone()
        tell(caller, rtcp.report(9, None, about(caller, highest=65_530 + 99, lost=3, jitter=80)))
        far = tell(caller, rtcp.report(9, None, about(caller, highest=65_530 + 299, lost=5, jitter=160)))
        assert (far.expected, far.lost, far.jitter_ms) == (300, 5, 20)

    def test_a_far_end_that_begins_to_count_anew(self, room: Room) -> None:
        caller = room.phone()
        tell(caller, rtcp.report(9, None, about(caller, highest=65_530 + 99, lost=10)))
        tell(caller, rtcp.report(9, None, about(caller, highest=94, lost=0)))  # it lost its count of wraps
        far = tell(caller, rtcp.report(9, None, about(caller, highest=94 + 50, lost=1)))
        assert (far.expected, far.lost) == (150, 11)

    def test_what_it_says_of_other_streams_is_nothing_to_us(self, room: Room) -> None:
        caller = room.phone()
        far = tell(caller, rtcp.report(9, None, about(caller, ssrc=0xDEAD, lost=50, highest=65_700)))
        assert (far.reports, far.heard, far.lost, far.expected) == (1, 0, 0, 0)

    def test_its_sender_report_is_answered(self, room: Room) -> None:
        caller = room.phone()
        caller.say(QUIET)
        time = 0x1234_5678_9ABC_DEF0
        far = tell(caller, rtcp.report(caller.ssrc, Sender(time, 0, 77, 77 * 160), None) + rtcp.name(caller.ssrc, "me"))
        assert far.packets_sent == 77
        came = room.now
        while not (reports := taken(caller)):
            caller.say(QUIET)
            room.wait(20)
        block = understood(reports[0][0], caller).about_us
        assert block is not None
        assert block.last_report == 0x5678_9ABC
        assert block.delay / 65_536 == pytest.approx((room.now - came) / 1e9, abs=0.021)

    def test_a_sender_report_of_another_stream_is_not(self, room: Room) -> None:
        caller = room.phone()
        caller.say(QUIET)
        tell(caller, rtcp.report(caller.ssrc + 1, Sender(1 << 40, 0, 77, 77), None))
        room.wait(4_000)
        block = understood(taken(caller)[0][0], caller).about_us
        assert block is not None
        assert (block.last_report, block.delay) == (0, 0)

    def test_nor_does_it_take_the_place_of_the_one_that_is_answered(self, room: Room) -> None:
        caller = room.phone()
        caller.say(QUIET)
        tell(caller, rtcp.report(caller.ssrc, Sender(0x1234_5678_9ABC_DEF0, 0, 77, 77), None))
        tell(caller, rtcp.report(caller.ssrc + 1, Sender(1 << 40, 0, 99, 99), None))
        room.wait(4_000)
        block = understood(taken(caller)[0][0], caller).about_us
        assert block is not None
        assert block.last_report == 0x5678_9ABC
        assert stats(caller).far.packets_sent == 77

    def test_goodbye(self, room: Room) -> None:
        caller = room.phone()
        assert not tell(caller, rtcp.report(9, None, None)).left
        assert tell(caller, rtcp.report(9, None, None) + rtcp.goodbye(9)).left


class TestWhoIsBelieved:
    """The far side's host, and nobody else."""

    REPORT = rtcp.report(9, None, None)

    def test_another_host_is_not(self, room: Room) -> None:
        caller = room.phone()
        far = tell(caller, self.REPORT, ("127.0.0.9", beside(caller)[1]))
        assert (far.reports, far.reports_refused) == (0, 1)

    def test_another_port_of_the_host_is_followed_once(self, room: Room) -> None:
        caller = room.phone()
        assert tell(caller, self.REPORT, ("127.0.0.1", 50_001)).reports == 1
        assert tell(caller, self.REPORT, ("127.0.0.1", 50_003)).reports_refused == 1
        room.wait(4_000)
        assert {to for _, to in taken(caller)} == {("127.0.0.1", 50_001)}
        assert tell(caller, self.REPORT).reports == 2, "the port that is expected always wins"
        room.switch.set_remote(caller.node, "127.0.0.1", 40_000)
        assert tell(caller, self.REPORT, ("127.0.0.1", 50_001)).reports == 3
        assert tell(caller, self.REPORT, ("127.0.0.1", 40_001)).reports == 4

    def test_nobody_before_there_is_a_far_end(self, room: Room) -> None:
        node = room.switch.open_leg(1, 2, 3)
        room.switch.report(node, self.REPORT, "127.0.0.1", 1, room.now)
        assert leg_stats(room.switch.stats(node)).far.reports_refused == 1

    def test_where_it_announced_them(self, room: Room) -> None:
        """RFC 3605."""
        caller = room.phone()
        room.switch.set_remote(caller.node, *caller.address, False, ("127.0.0.7", 999))
        assert tell(caller, self.REPORT, ("127.0.0.7", 999)).reports == 1
        assert tell(caller, self.REPORT, ("127.0.0.7", 998)).reports_refused == 1
        room.wait(4_000)
        assert {to for _, to in taken(caller)} == {("127.0.0.7", 999)}

    @pytest.mark.parametrize("muxed", [True, False])
    def test_on_the_port_of_the_audio_only_where_that_was_agreed(self, room: Room, muxed: bool) -> None:
        """RFC 5761."""
        caller = room.phone()
        room.switch.set_remote(caller.node, *caller.address, muxed)
        caller.send(self.REPORT)
        caller.say(QUIET)
        counted = stats(caller)
        assert (counted.far.reports, counted.dropped_malformed) == ((1, 0) if muxed else (0, 1))
        assert counted.packets_in == 1
        room.wait(4_000)
        assert {to for _, to in taken(caller)} == {caller.address if muxed else beside(caller)}


MALFORMED = {
    "empty": b"",
    "short": b"\x80\xc9\x00",
    "version 1": b"\x40\xc9\x00\x01" + bytes(4),
    "no report first": rtcp.name(9, "me"),
    "goodbye alone": rtcp.goodbye(9),
    "padding first": b"\xa0\xc9\x00\x01" + bytes(4),
    "no SSRC": b"\x80\xc9\x00\x00",
    "longer than it is": b"\x80\xc9\x00\x02" + bytes(4),
    "shorter than it is": rtcp.report(9, None, None) + b"\0\0\0",
    "blocks that are not there": b"\x9f\xc9\x00\x01" + bytes(4),
    "a sender report without its numbers": b"\x80\xc8\x00\x01" + bytes(4),
    "a goodbye of nobody that is there": rtcp.report(9, None, None) + b"\x9f\xcb\x00\x01" + bytes(4),
    "RTP": b"\x80\x08" + bytes(170),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_malformed_reports_are_counted(room: Room, data: bytes) -> None:
    far = tell(room.phone(), data)
    assert (far.reports, far.reports_refused) == (0, 1)


def test_what_a_compound_packet_may_hold_beside_reports(room: Room) -> None:
    caller = room.phone()
    many = struct.pack("!BBHI", 0x80 | 2, 201, 13, 9) + bytes(Block(5, 0, 0, 0, 0)) + bytes(about(caller, lost=-2))
    unknown = b"\x80\xcf\x00\x02" + bytes(8)  # extended reports, RFC 3611
    far = tell(caller, many + rtcp.name(9, "somebody@somewhere") + unknown + rtcp.goodbye(9))
    assert (far.reports, far.heard, far.lost, far.left) == (1, 1, 0, True)


class TestProtected:
    """SRTCP (RFC 3711 section 3.4)."""

    SUITE = "AES_CM_128_HMAC_SHA1_80"

    def test_reports_both_ways(self, room: Room) -> None:
        caller = room.phone()
        room.switch.set_srtp(caller.node, self.SUITE, KEY, KEY[::-1])
        room.wait(4_000)
        [(data, _)] = taken(caller)
        opened = Srtp(self.SUITE, KEY).unprotect_rtcp(data)
        assert opened is not None
        assert understood(opened, caller).ssrc == ours(caller)
        report = rtcp.report(9, None, about(caller))
        protected = Srtp(self.SUITE, KEY[::-1], 9).protect_rtcp(report)
        assert protected is not None
        assert tell(caller, report).reports_refused == 1
        assert tell(caller, protected).heard == 1
        assert tell(caller, protected).reports_refused == 2, "a replay"

    def test_a_key_that_does_not_fit_is_told_from_a_stranger(self, room: Room) -> None:
        caller = room.phone()
        room.switch.set_srtp(caller.node, self.SUITE, KEY, KEY)
        caller.say(QUIET)
        caller.send(caller.packet(b"\xd5" * 160), ("127.0.0.1", 9))
        counted = stats(caller)
        assert (counted.dropped_stranger, counted.dropped_unprotected) == (2, 1)
        assert counted.stranger == ("127.0.0.1", 9)
