"""RTCP of a leg (RFC 3550 section 6): what its far end is told."""

from __future__ import annotations

import numpy as np
import pytest

from media.reference import rtcp
from media.reference.rtcp import Block, Sender
from tests.media.reports import QUIET, about, beside, ours, stats, taken, tell, understood
from tests.media.room import SWITCHES, FarEnd, Room, converse


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
