"""Keys by RFC 4733: one press is one key, however its packets fare."""

from __future__ import annotations

from itertools import pairwise

import pytest

from media.engine import DigitPressed
from media.reference.rtp import Packet, TelephoneEvent, ahead
from tests.media.room import FarEnd, Room, tone


def press(phone: FarEnd, code: int, *, updates: int = 3, ends: int = 3, marker: bool = True) -> list[Packet]:
    """All packets of one press, and the pause after it."""
    packets = [phone.event(code, 160 * (n + 1), marker=marker and n == 0) for n in range(updates)]
    packets += [phone.event(code, 160 * (updates + 1), end=True) for _ in range(ends)]
    phone.timestamp += 160 * (updates + 4)
    return packets


def keys(room: Room) -> str:
    return "".join(event.key for event in room.of(DigitPressed))


@pytest.mark.parametrize("code", range(16))
def test_every_key(room: Room, code: int) -> None:
    caller = room.phone()
    for packet in press(caller, code):
        caller.send(packet)
    assert keys(room) == "0123456789*#ABCD"[code]


def test_it_is_reported_at_the_first_packet(room: Room) -> None:
    caller = room.phone()
    caller.send(press(caller, 5)[0])
    assert keys(room) == "5"


@pytest.mark.parametrize(
    "order",
    [
        pytest.param([0, 1, 2, 3, 4, 5], id="as sent"),
        pytest.param([0, 1, 2], id="end lost"),
        pytest.param([5], id="only the last end"),
        pytest.param([1, 2, 3], id="beginning with its marker lost"),
        pytest.param([3, 0, 1, 4, 2, 5], id="reordered"),
        pytest.param([0, 0, 1, 1, 2, 3, 3, 3, 4, 5], id="duplicated"),
    ],
)
def test_one_press_is_one_key(room: Room, order: list[int]) -> None:
    caller = room.phone()
    for _ in range(2):
        packets = press(caller, 7)
        for number in order:
            caller.send(packets[number])
    assert keys(room) == "77"


def test_no_marker_at_all(room: Room) -> None:
    caller = room.phone()
    for code in (1, 1, 2):
        for packet in press(caller, code, marker=False):
            caller.send(packet)
    assert keys(room) == "112"


def test_a_packet_of_the_last_press_that_comes_late_is_no_new_press(room: Room) -> None:
    caller = room.phone()
    first, second = press(caller, 4), press(caller, 6)
    for packet in (*first[:5], *second[:2], first[5], *second[2:]):
        caller.send(packet)
    assert keys(room) == "46"


def test_a_press_longer_than_a_segment_is_one_key(room: Room) -> None:
    caller = room.phone()
    caller.send(caller.event(9, 0xFFFF, marker=True))
    caller.timestamp += 0xFFFF
    caller.send(caller.event(9, 800))
    caller.send(caller.event(9, 960, end=True))
    assert keys(room) == "9"


def test_a_flash_is_no_key(room: Room) -> None:
    caller = room.phone()
    caller.send(caller.event(16, 400, end=True))
    assert keys(room) == ""


def test_keys_pass_a_relay(room: Room) -> None:
    caller, agent = room.phone(digits=101), room.phone(digits=96)
    room.gain(agent, caller)
    caller.say(tone(500, 160))
    for packet in press(caller, 3):
        caller.send(packet)
        room.wait(20)
    events = [packet for packet in agent.heard if packet.payload_type == 96]
    assert [TelephoneEvent.parse(packet.payload) for packet in events] == [
        *(TelephoneEvent(3, False, 160 * n) for n in (1, 2, 3)),
        *[TelephoneEvent(3, True, 640)] * 3,
    ]
    assert len({packet.timestamp for packet in events}) == 1
    assert [packet.marker for packet in events] == [True] + [False] * 5


def test_who_did_not_agree_to_events_misses_nothing(room: Room) -> None:
    caller, agent = room.phone(), room.phone(digits=None)
    room.gain(agent, caller)
    caller.say(tone(500, 160))
    for packet in press(caller, 3):
        caller.send(packet)
    caller.say(tone(500, 160))
    first, second = agent.heard
    assert ahead(second.sequence, first.sequence, 16) == 1
    assert keys(room) == "3"


def test_keys_pass_a_mix(room: Room) -> None:
    caller, agent, supervisor = room.phone(), room.phone(), room.phone()
    room.gain(agent, caller)
    room.gain(agent, supervisor)
    for packet in press(caller, 8):
        caller.send(packet)
    room.wait(400)
    events = [TelephoneEvent.parse(p.payload) for p in agent.heard if p.payload_type == 101]
    assert {event.code for event in events} == {8}
    assert events.count(TelephoneEvent(8, True, 1280)) == 3


class TestSending:
    """``send_digit``."""

    def test_a_press_is_updates_and_three_ends(self, room: Room) -> None:
        agent = room.phone()
        room.switch.send_digit(agent.node, "#", 100)
        room.wait(300)
        assert [TelephoneEvent.parse(packet.payload) for packet in agent.heard] == [
            *(TelephoneEvent(11, False, 160 * n) for n in (1, 2, 3, 4)),
            *[TelephoneEvent(11, True, 800)] * 3,
        ]
        assert len({packet.timestamp for packet in agent.heard}) == 1
        assert [packet.marker for packet in agent.heard] == [True] + [False] * 6
        assert all(ahead(b.sequence, a.sequence, 16) == 1 for a, b in pairwise(agent.heard))

    def test_presses_wait_for_each_other(self, room: Room) -> None:
        agent, listener = room.phone(), room.phone()
        for key in "1122":
            room.switch.send_digit(agent.node, key, 60)
        room.wait(1_000)
        for packet in agent.heard:
            listener.send(Packet(101, packet.sequence, packet.timestamp, packet.ssrc, packet.payload, packet.marker))
        assert keys(room) == "1122"

    def test_a_number_that_is_sent_at_a_stroke_arrives_whole(self, room: Room) -> None:
        number = "6222021234567890123#" * 3
        agent, listener = room.phone(), room.phone()
        for key in number:
            room.switch.send_digit(agent.node, key, 60)
        room.wait(20_000)
        for packet in agent.heard:
            listener.send(Packet(101, packet.sequence, packet.timestamp, packet.ssrc, packet.payload, packet.marker))
        assert keys(room) == number

    def test_a_press_into_a_relay_keeps_one_run_of_sequence_numbers(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(agent, caller)
        for number in range(40):
            if number == 10:
                room.switch.send_digit(agent.node, "5", 160)
            caller.say(tone(500, 160))
            room.wait(20)
        assert all(ahead(b.sequence, a.sequence, 16) == 1 for a, b in pairwise(agent.heard))
        assert len(agent.audio()) == 40
        assert all(ahead(b.timestamp, a.timestamp, 32) == 160 for a, b in pairwise(agent.audio()))
        assert len(agent.heard) == 50

    def test_a_press_into_a_mix(self, room: Room) -> None:
        agent = room.phone()
        room.switch.play(room.player(agent), tone(500, 8000).tobytes(), False)
        room.wait(100)
        room.switch.send_digit(agent.node, "5", 160)
        room.wait(1_000)
        assert all(ahead(b.sequence, a.sequence, 16) == 1 for a, b in pairwise(agent.heard))
        assert all(ahead(b.timestamp, a.timestamp, 32) == 160 for a, b in pairwise(agent.audio()))
        assert len([packet for packet in agent.heard if packet.payload_type == 101]) == 10
