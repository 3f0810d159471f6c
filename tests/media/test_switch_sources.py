"""Whence a leg's audio may come, and what is counted of the rest."""

from __future__ import annotations

import pytest

from media.engine import FirstPacket, Node, RtpSilence
from media.reference.rtp import Packet
from tests.media.reports import stats
from tests.media.room import Room, tone


class TestSources:
    """Who may speak on a leg."""

    def test_strangers_are_refused_and_counted(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(agent, caller)
        caller.say(tone(500, 160))
        for _ in range(3):
            caller.send(caller.packet(b"\xd5" * 160), source=("127.0.0.9", 4000))
        assert len(agent.heard) == 1
        assert room.switch.stats(caller.node)[2] == 3

    @pytest.mark.parametrize(("announced", "first", "second"), [
        ("127.0.0.1", "127.0.0.9", "127.0.0.8"), ("2001:db8::1", "2001:db8::9", "2001:db8:1::9"),
    ])
    def test_an_address_behind_nat_is_learned_within_two_seconds_and_locked(
        self, room: Room, announced: str, first: str, second: str
    ) -> None:
        room.host = announced
        caller, agent = room.phone(), room.phone()
        room.gain(agent, caller)
        room.gain(caller, agent)
        room.wait(1_900)
        caller.send(caller.packet(b"\xd5" * 160), source=(first, 4000))
        caller.send(caller.packet(b"\xd5" * 160), source=(second, 4000))
        assert len(agent.heard) == 1
        assert room.of(FirstPacket) == [FirstPacket(Node(caller.node), first, 4000)]
        caller.address = (first, 4000)
        agent.say(tone(500, 160))  # `collect` sees that it goes to the learned address
        assert len(caller.heard) == 1

    def test_the_signalled_address_wins_inside_the_window(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(agent, caller)
        caller.send(caller.packet(b"\x01" * 160), source=("127.0.0.9", 4000))
        caller.send(caller.packet(b"\x02" * 160))
        caller.send(caller.packet(b"\x03" * 160), source=("127.0.0.9", 4000))
        assert [packet.payload[0] for packet in agent.heard] == [1, 2]

    def test_nothing_is_learned_later(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(agent, caller)
        room.wait(2_100)
        caller.send(caller.packet(b"\xd5" * 160), source=("127.0.0.9", 4000))
        assert agent.heard == []
        caller.say(tone(500, 160))
        assert len(agent.heard) == 1

    def test_who_was_described_while_it_rang_is_learned_when_it_is_answered(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(agent, caller)
        room.wait(20_000)
        room.switch.set_remote(caller.node, *caller.address)  # the 200 says what the 183 said
        room.wait(1_900)
        caller.send(caller.packet(b"\xd5" * 160), source=("127.0.0.9", 4000))
        assert len(agent.heard) == 1

    @pytest.mark.parametrize("heard_from", ["127.0.0.1", "127.0.0.9"])
    def test_who_has_been_heard_is_not_learned_anew_when_a_hold_names_it_again(
        self, room: Room, heard_from: str
    ) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(agent, caller)
        source = (heard_from, caller.address[1])
        caller.send(caller.packet(b"\xd5" * 160), source=source)
        room.wait(20_000)
        room.switch.set_remote(caller.node, *caller.address)
        caller.send(caller.packet(b"\xd5" * 160), source=("127.0.0.8", 4000))
        assert len(agent.heard) == 1
        caller.send(caller.packet(b"\xd5" * 160), source=source)
        assert len(agent.heard) == 2

    def test_before_the_far_side_is_known_nobody_is_heard(self, room: Room) -> None:
        agent = room.phone()
        node = room.switch.open_leg(1, 2, 3)
        room.gain(agent, node)
        room.switch.packet(node, bytes(Packet(8, 1, 1, 1, b"\xd5" * 160)), "127.0.0.1", 4000, room.now)
        room.collect()
        assert agent.heard == []
        assert room.switch.stats(node)[2] == 1

    def test_silence_is_told_once_and_again_after_sound(self, room: Room) -> None:
        caller = room.phone()
        caller.say(tone(500, 160))
        room.wait(25_000)
        assert [event.node for event in room.of(RtpSilence)] == [caller.node]
        assert 10.0 <= room.of(RtpSilence)[0].seconds <= 10.5
        caller.say(tone(500, 160))
        room.wait(11_000)
        assert len(room.of(RtpSilence)) == 2


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


def test_telephone_events_that_fit_into_no_packet(room: Room) -> None:
    """One datagram may hold 500 of them, which is more than there is room for on the way out."""
    caller, agent = room.phone(), room.phone()
    room.gain(agent, caller)
    caller.send(Packet(101, caller.sequence & 0xFFFF, 0, caller.ssrc, bytes([5, 10, 0, 160]) * 500))
    assert agent.heard == []
    assert stats(caller).dropped_malformed == 1
    caller.send(caller.event(5, 160))
    assert len(agent.heard) == 1
