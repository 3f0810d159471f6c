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


class TestHeldWhileTheListenerChanges:
    """What began as a press of our own ends as one, and what a relay began we bring to its end: one press, one key."""

    def held(
        self, room: Room, caller: FarEnd, first: int, last: int, *, end: bool = False, audio: bool = False
    ) -> None:
        """Updates of a press, every 20 ms; ``audio``: the phone goes on sending what it hears, too."""
        for number in range(first, last):
            caller.send(caller.event(5, 160 * (number + 1), marker=number == 0))
            if audio:
                ahead_of = caller.timestamp
                caller.timestamp += 160 * number
                caller.say(tone(500, 160))
                caller.timestamp = ahead_of
            room.wait(20)
        for _ in range(3 if end else 0):
            caller.send(caller.event(5, 160 * last, end=True))
        caller.timestamp += 160 * last if end else 0

    def pressed(self, agent: FarEnd) -> list[TelephoneEvent]:
        """The packets of the only press."""
        packets = [packet for packet in agent.heard if packet.payload_type == 101]
        assert len({packet.timestamp for packet in packets}) == 1
        assert [packet.marker for packet in packets] == [True] + [False] * (len(packets) - 1)
        assert all(ahead(b.sequence, a.sequence, 16) == 1 for a, b in pairwise(agent.heard))
        events = [TelephoneEvent.parse(packet.payload) for packet in packets]
        assert {event.code for event in events} == {5}
        assert [event.end for event in events] == [False] * (len(events) - 3) + [True] * 3
        assert [event.duration for event in events] == sorted(event.duration for event in events)
        return events

    @pytest.mark.parametrize("audio", [False, True])
    def test_from_a_mix_to_a_relay(self, room: Room, audio: bool) -> None:
        caller, agent, supervisor = room.phone(), room.phone(), room.phone()
        room.gain(agent, caller)
        room.gain(agent, supervisor)
        caller.say(tone(500, 160))
        room.wait(100)
        self.held(room, caller, 0, 3, audio=audio)
        room.gain(agent, supervisor, 0.0)
        self.held(room, caller, 3, 40, end=True, audio=audio)
        room.wait(100)
        assert self.pressed(agent)[-1].duration == 1280
        for packet in press(caller, 6):
            caller.send(packet)
        assert keys(room) == "56"
        assert TelephoneEvent.parse(agent.heard[-1].payload) == TelephoneEvent(6, True, 640)  # passes as ever

    def test_keys_that_follow_fast_keep_their_order(self, room: Room) -> None:
        """Presses of our own take their time; who presses on meanwhile is not to be overtaken by himself."""
        caller, agent, listener = room.phone(), room.phone(), room.phone()
        room.gain(agent, caller)
        prompt = room.player(agent)
        room.switch.play(prompt, bytes(1600), False)
        room.switch.finish(prompt)
        for code in (1, 2, 3, 4, 5):
            for packet in press(caller, code):
                caller.send(packet)
                room.wait(10)
        room.wait(2_000)
        for packet in press(caller, 6):
            caller.send(packet)
        for packet in agent.heard:
            if packet.payload_type == 101:
                listener.send(packet)
        assert keys(room) == "123456" * 2

    def test_what_comes_out_of_order_opens_no_press_again(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(agent, caller)
        first, *others = press(caller, 5)
        late = others.pop(1)
        for packet in (first, *others, late):
            caller.send(packet)
        room.gain(agent, caller, 0.0)
        room.wait(300)
        assert len(agent.heard) == 6

    def test_in_segments(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(agent, caller)
        prompt = room.player(agent)
        room.switch.play(prompt, bytes(1600), False)
        room.switch.finish(prompt)
        caller.send(caller.event(5, 160, marker=True))
        room.wait(1_000)
        caller.send(caller.event(5, 0xFFFF))
        for duration in (160, 0xFFFF):
            caller.timestamp += 0xFFFF
            caller.send(caller.event(5, duration))
        caller.send(caller.event(5, 0xFFFF, end=True))
        assert len(self.pressed(agent)) == 10

    @pytest.mark.parametrize("updates", [1, 5, 30])
    def test_from_a_relay_to_a_mix_and_back(self, room: Room, updates: int) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(agent, caller)
        caller.say(tone(500, 160))
        self.held(room, caller, 0, updates)
        prompt = room.player(agent)
        room.switch.play(prompt, bytes(3200), False)
        room.switch.finish(prompt)
        self.held(room, caller, updates, 60, end=True)
        room.wait(300)
        assert self.pressed(agent)[-1].duration == max(1280, 160 * updates)
        assert keys(room) == "5"

    @pytest.mark.parametrize("goes", ["is put on hold", "hangs up"])
    def test_who_is_held_no_longer_holds_no_key(self, room: Room, goes: str) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(agent, caller)
        self.held(room, caller, 0, 10)
        if goes == "hangs up":
            room.switch.close_node(caller.node)
        else:
            room.gain(agent, caller, 0.0)
        room.wait(300)
        assert self.pressed(agent)[-1].duration == 1600

    def test_a_press_whose_end_was_lost_is_not_gone_on_with_later(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(agent, caller)
        self.held(room, caller, 0, 5)
        room.wait(200)
        room.gain(agent, caller, 0.0)
        room.wait(300)
        assert len(agent.heard) == 5


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
