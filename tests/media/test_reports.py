"""RTCP of a leg (RFC 3550 section 6): what its far end is told, and what is believed of what it tells."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from media._core import Srtp
from media.engine import FarSide, LegStats
from media.native import leg_stats
from media.reference import rtcp
from media.reference.rtcp import Block, Compound, Sender
from tests.media.room import MS, SWITCHES, FarEnd, Room, converse

QUIET = np.zeros(160, np.int16)
KEY = bytes(range(30))


def stats(phone: FarEnd) -> LegStats:
    return leg_stats(phone.room.switch.stats(phone.node))


def taken(phone: FarEnd) -> list[tuple[bytes, tuple[str, int]]]:
    """The reports that the phone's leg has sent since the last look, and where to."""
    return [(data, (ip, port)) for node, data, ip, port in phone.room.switch.take_reports() if node == phone.node]


def understood(data: bytes, phone: FarEnd) -> Compound:
    """A report of ours, as the phone reads it."""
    told = Compound.parse(data, phone.ssrc)
    assert told is not None
    return told


def beside(phone: FarEnd) -> tuple[str, int]:
    return phone.address[0], phone.address[1] + 1


def tell(phone: FarEnd, data: bytes, source: tuple[str, int] | None = None) -> FarSide:
    """A report arrives from the phone."""
    phone.room.switch.report(phone.node, data, *(source or beside(phone)), phone.room.now)
    return stats(phone).far


def ours(phone: FarEnd) -> int:
    """The SSRC of what the phone hears."""
    return 0x1000 + phone.room.phones.index(phone)


def about(phone: FarEnd, **changes: int) -> Block:
    fields = {"ssrc": ours(phone), "fraction": 0, "lost": 0, "highest": 65_530, "jitter": 0} | changes
    return Block(**fields)


def test_a_leg_that_sends_tells_what_it_sent_and_what_it_heard(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    room.gain(caller, agent)
    room.gain(agent, caller)
    converse(room, 400, {caller: 400.0, agent: 700.0})
    before = room.now
    [(first, to), *_] = taken(caller)
    told = understood(first, caller)
    assert to == beside(caller)
    assert told.ssrc == ours(caller)
    assert told.sender is not None
    assert told.sender.octets == 160 * told.sender.packets > 0
    assert told.sender.ntp_time >> 32 <= before // 10**9
    # The clock of the report is that of the audio: what was relayed up to then ends where it points to.
    heard = caller.heard[: told.sender.packets]
    assert heard[-1].timestamp == pytest.approx(told.sender.timestamp, abs=160)
    assert told.about_us == Block(caller.ssrc, 0, 0, 65_000 + caller.node + told.sender.packets - 1, 0)


def test_reports_come_about_every_five_seconds_and_not_in_step(room: Room) -> None:
    phones = [room.phone() for _ in range(12)]
    sent: dict[FarEnd, list[float]] = {phone: [] for phone in phones}
    for _ in range(600):
        room.wait(100)
        for node, *_ in room.switch.take_reports():
            sent[next(phone for phone in phones if phone.node == node)].append(room.now / 1e9)
    gaps = np.array([gap for times in sent.values() for gap in np.diff(times)])
    assert all(1.2 < times[0] - 1.0 < 4.0 for times in sent.values())
    assert gaps.min() > 2.3
    assert gaps.max() < 7.8
    assert 4.3 < gaps.mean() < 5.7
    assert len({round(times[3], 1) for times in sent.values()}) > 8


def test_who_sends_nothing_sends_receiver_reports_and_who_hears_nothing_has_no_block(room: Room) -> None:
    caller = room.phone()
    caller.say(QUIET)
    room.wait(20_000)
    first, *later = [understood(data, caller) for data, _ in taken(caller)]
    assert (first.sender, first.about_us) == (None, Block(caller.ssrc, 0, 0, 65_000 + caller.node, 0))
    assert later
    assert all(told.sender is None and told.about_us is None for told in later)


def test_nobody_is_told_anything_before_there_is_a_far_end(room: Room) -> None:
    node = room.switch.open_leg(1, 2, 3)
    room.wait(20_000)
    room.switch.close_node(node)
    assert room.switch.take_reports() == []


class TestLoss:
    """What is missing of the stream that comes in."""

    def test_share_and_sum(self, room: Room) -> None:
        caller = room.phone()
        blocks: list[Block] = []
        for number in range(1_000):
            packet = caller.packet(b"\xd5" * 160)
            if number < 500 or number % 4:
                caller.send(packet)
            room.wait(20)
            blocks += [block for data, _ in taken(caller) if (block := understood(data, caller).about_us)]
        assert blocks[0].fraction == 0
        assert blocks[-1].fraction == pytest.approx(64, abs=2)
        assert blocks[-1].lost == pytest.approx(125, abs=30)
        assert blocks[-1].highest > 65_535, "extended by the wrap of the sequence numbers"

    def test_a_new_stream_is_counted_from_its_beginning(self, room: Room) -> None:
        caller = room.phone()
        for _ in range(50):
            caller.send(caller.packet(b"\xd5" * 160))
            caller.packet(b"")
            room.wait(20)
        room.wait(8_000)
        taken(caller)
        caller.ssrc += 1
        for _ in range(200):
            caller.say(QUIET)
            room.wait(50)
        after = understood(taken(caller)[-1][0], caller).about_us
        assert stats(caller).lost == 49
        assert after is not None
        assert (after.ssrc, after.fraction, after.lost) == (caller.ssrc, 0, 0)


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


class TestGoodbye:
    """What is said when a leg is closed."""

    def test_it_is_said_to_whom_something_was_sent(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(caller, agent)
        agent.say(QUIET)
        room.switch.close_node(caller.node)
        [(data, to)] = taken(caller)
        told = understood(data, caller)
        assert (told.bye, to) == (True, beside(caller))
        assert told.sender is not None
        assert (told.sender.packets, told.sender.octets) == (1, 160)
        room.switch.close_node(agent.node)
        assert taken(agent) == []

    def test_a_closed_leg_reports_no_more(self, room: Room) -> None:
        phones = [room.phone() for _ in range(5)]
        room.wait(5_000)
        room.switch.take_reports()
        for phone in phones:
            room.switch.close_node(phone.node)
        assert len(room.switch.take_reports()) == 5
        room.wait(20_000)
        assert room.switch.take_reports() == []


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


def test_whence_it_really_comes(room: Room) -> None:
    caller = room.phone()
    caller.send(caller.packet(b"\xd5" * 160), ("127.0.0.1", 777))
    caller.send(caller.packet(b"\xd5" * 160), ("127.0.0.1", 778))
    counted = stats(caller)
    assert counted.announced == caller.address
    assert counted.source == ("127.0.0.1", 777)
    assert (counted.stranger, counted.dropped_stranger) == (("127.0.0.1", 778), 1)


def test_a_payload_type_that_nobody_agreed_on(room: Room) -> None:
    caller = room.phone()
    caller.send(b"\x80\x60" + caller.packet(b"\xd5" * 160).__bytes__()[2:])
    counted = stats(caller)
    assert (counted.dropped_malformed, counted.dropped_foreign, counted.foreign_type) == (1, 1, 96)


def test_both_engines_report_alike() -> None:
    """Half a minute of a bad line, a new stream in the middle: every report of both engines, bit for bit."""
    told = []
    for make in SWITCHES.values():
        room, dice = Room(make), np.random.default_rng(7)
        caller, agent = room.phone(), room.phone()
        room.gain(caller, agent)
        room.gain(agent, caller)
        sent = []
        for number in range(1_500):
            packet = caller.packet(b"\xd5" * 160)
            if dice.random() > 0.1:
                caller.send(packet)
            agent.say(QUIET)
            room.wait(float(dice.integers(10, 30)))
            if number == 700:
                caller.ssrc, caller.sequence = 5, 0
            if number % 250 == 99:
                sender = Sender(rtcp.ntp(room.now), 0, number, number)
                tell(caller, rtcp.report(caller.ssrc, sender, about(caller, highest=65_530 + number)))
            sent += sorted(room.switch.take_reports())  # whose comes first within a step is nobody's business
        room.switch.close_node(caller.node)
        told.append((sent, room.switch.take_reports(), room.switch.stats(agent.node)))
    assert len(told[0][0]) > 8
    assert told[0] == told[1]


def test_the_name_is_random_and_says_nothing_of_this_machine(room: Room) -> None:
    """SDES with CNAME and nothing else (section 6.5), in whole words."""
    caller = room.phone()
    room.wait(4_000)
    [(data, _)] = taken(caller)
    assert data.endswith(b"\x81\xca\x00\x07\x00\x00\x10\x00" b"\x01\x1400001000fffaffffff00" b"\0\0")
