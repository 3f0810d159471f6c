"""Which stream is heard where a far end's address sends more than one SSRC (RFC 3550 appendix A.1)."""

from __future__ import annotations

import numpy as np
import pytest

from media.engine import DigitPressed
from media.reference.rtp import Packet, TelephoneEvent, ahead
from tests.media.reports import stats
from tests.media.room import FarEnd, Room


class Stream:
    """One SSRC from a phone's address; each packet of 20 ms holds one value."""

    def __init__(self, phone: FarEnd, ssrc: int) -> None:
        self.phone, self.ssrc = phone, ssrc
        self.sequence, self.timestamp = 7 * ssrc & 0xFFFF, ssrc << 20

    def next(self, value: int) -> Packet:
        self.sequence, self.timestamp = (self.sequence + 1) & 0xFFFF, self.timestamp + 160
        return Packet(8, self.sequence, self.timestamp, self.ssrc, bytes([value]) * 160)

    def say(self, *values: int) -> None:
        """Packets at 20 ms."""
        for value in values:
            self.phone.send(self.next(value))
            self.phone.room.wait(20)


def line(room: Room) -> tuple[FarEnd, FarEnd]:
    caller, agent = room.phone(), room.phone()
    room.gain(agent, caller)
    return caller, agent


def values(agent: FarEnd) -> list[int]:
    return [packet.payload[0] for packet in agent.heard]


def test_a_stream_beside_the_one_that_is_heard_is_counted_and_dropped(room: Room) -> None:
    caller, agent = line(room)
    known, other = Stream(caller, 1), Stream(caller, 2)
    for value in range(50):
        caller.send(known.next(value))
        room.wait(7)
        caller.send(other.next(200))
        room.wait(13)
    known.say(50)
    assert values(agent) == list(range(51))
    assert [packet.marker for packet in agent.heard] == [True] + [False] * 50
    assert (stats(caller).packets_in, stats(caller).dropped_other_stream) == (51, 50)
    assert (stats(caller).dropped_stranger, stats(caller).dropped_malformed) == (0, 0)


@pytest.mark.parametrize("pause", [0, 90, 5_000])
@pytest.mark.parametrize(("sent", "expected"), [
    ([1, 2, 3, 4], [1, 2, 3, 4]),
    ([1, 1, 2, 3, 4], [1, 2, 3, 4]),
    ([1, 3, 4], [1, 3, 4]),
    ([2, 1, 3, 4], [2, 3, 4]),  # what is older than a relay is not sent behind its beginning
])
def test_who_changes_his_stream_is_heard_from_its_beginning(
    room: Room, pause: int, sent: list[int], expected: list[int]
) -> None:
    """However its packets fare on the way: twice, lost, out of order."""
    caller, agent = line(room)
    Stream(caller, 1).say(10, 11, 12)
    room.wait(pause)
    other = Stream(caller, 2)
    packets = [other.next(value) for value in range(5)]
    for number in sent:
        caller.send(packets[number])
        room.wait(20)
    assert values(agent) == [10, 11, 12, *expected]
    assert [packet.marker for packet in agent.heard] == [True, False, False, True] + [False] * (len(expected) - 1)
    first, second = agent.heard[2:4]
    assert ahead(second.sequence, first.sequence, 16) == 1
    assert abs(ahead(second.timestamp, first.timestamp, 32) - 160 - 8 * pause) <= 160


def test_one_packet_is_no_stream_even_while_the_known_one_is_silent(room: Room) -> None:
    caller, agent = line(room)
    known = Stream(caller, 1)
    known.say(1, 2)
    for ssrc in range(100, 110):
        room.wait(500)
        Stream(caller, ssrc).say(200)
    known.say(3, 4)
    assert values(agent) == [1, 2, 3, 4]
    assert stats(caller).dropped_other_stream == 10


def test_who_speaks_between_the_packets_is_found_out(room: Room) -> None:
    """Two packets at a stroke in every gap are taken for a change once, and then no more."""
    caller, agent = line(room)
    known = Stream(caller, 1)
    for value in range(50):
        caller.send(known.next(value))
        room.wait(7)
        other = Stream(caller, 100 + value)
        caller.send(other.next(200))
        caller.send(other.next(201))
        room.wait(13)
    assert [value for value in values(agent) if value < 200] == list(range(50))
    assert sum(value >= 200 for value in values(agent)) <= 4
    assert stats(caller).dropped_other_stream >= 95


def test_who_paused_is_heard_again_beside_one_who_came_in_meanwhile(room: Room) -> None:
    caller, agent = line(room)
    known, other = Stream(caller, 1), Stream(caller, 2)
    known.say(1, 2)
    room.wait(700)
    other.say(200, 201, 202)
    for value in range(3, 30):
        known.say(value)
        caller.send(other.next(203))
    assert [value for value in values(agent) if value < 200] == list(range(1, 30))
    assert values(agent)[-20:] == list(range(10, 30))
    room.wait(150)  # the other goes on alone, and that is no gap in a stream of 20 ms
    other.say(204, 205)
    assert values(agent)[-2:] == [204, 205]


def test_a_straggler_of_the_old_stream_changes_nothing(room: Room) -> None:
    caller, agent = line(room)
    known, other = Stream(caller, 1), Stream(caller, 2)
    known.say(1, 2)
    late = known.next(3)
    other.say(10, 11)
    caller.send(late)
    other.say(12, 13, 14)
    assert values(agent) == [1, 2, 10, 11, 12, 13, 14]


def test_who_has_been_heard_for_two_seconds_may_return(room: Room) -> None:
    caller, agent = line(room)
    transferred, other = Stream(caller, 2), Stream(caller, 3)
    Stream(caller, 1).say(1, 2)
    transferred.say(10, *[11] * 110)
    other.say(200, 201)
    for value in range(12, 20):
        transferred.say(value)
        caller.send(other.next(202))
    assert [value for value in values(agent) if 11 < value < 200] == list(range(12, 20))
    assert values(agent)[-5:] == list(range(15, 20))


def test_from_another_address_a_stream_is_heard_at_once(room: Room) -> None:
    caller, agent = line(room)
    Stream(caller, 1).say(1, 2)
    caller.address = ("127.0.0.7", 4_000)
    room.switch.set_remote(caller.node, *caller.address)
    Stream(caller, 2).say(10)
    assert values(agent) == [1, 2, 10]


def test_keys_under_another_number_while_the_audio_stops_for_them(room: Room) -> None:
    """As some gateways send them, against RFC 4733."""
    caller, agent = line(room)
    audio = Stream(caller, 1)
    audio.say(1, 2)
    for sequence, (duration, end) in enumerate([(160, False), (320, False), (480, True), (480, True)]):
        caller.send(Packet(101, sequence, 77, 9, bytes(TelephoneEvent(5, end, duration))))
        room.wait(20)
    audio.say(3, 4)
    assert [event.key for event in room.of(DigitPressed)] == ["5"]
    assert [packet.payload[0] for packet in agent.heard if packet.payload_type == 8] == [1, 2, 3, 4]


def test_what_was_held_stands_in_the_recording_where_it_came(room: Room) -> None:
    caller = room.phone()
    left, _ = room.switch.open_recorder()
    room.gain(left, caller)
    room.wait(20)
    Stream(caller, 1).say(*[0x2A] * 10)
    Stream(caller, 2).say(*[0x2A] * 10)
    room.switch.close_node(left)
    loud = np.flatnonzero(room.recording()[:, 0])
    assert len(loud) == loud[-1] - loud[0] + 1 == 20 * 160


def test_after_a_new_offer_a_change_is_followed_again(room: Room) -> None:
    caller, agent = line(room)
    known, other = Stream(caller, 1), Stream(caller, 2)
    known.say(1)
    for packet in (other.next(200), other.next(201), known.next(2), known.next(3)):  # two at once
        caller.send(packet)
    Stream(caller, 3).say(202, 203)
    assert values(agent)[-1] == 3, "not before the known one has been silent for 100 ms"
    room.switch.set_remote(caller.node, *caller.address)
    known.say(4)
    Stream(caller, 4).say(10, 11)
    assert values(agent)[-3:] == [4, 10, 11]
