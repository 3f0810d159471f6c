"""Recordings and taps: one timeline for both channels, and what a recogniser is given."""

from __future__ import annotations

import numpy as np
import pytest

from media import g711
from media.engine import Codec
from tests.media.room import Room, Samples, converse, loudness, tone

LATE = 2400
"""Samples that a recording stays open for packets that come late."""


def law(samples: Samples) -> Samples:
    """A sound as it comes out of A-law."""
    return g711.alaw_decode(g711.alaw_encode(samples))


class TestRecorder:
    """Left is what the caller says, right what the caller hears."""

    def test_both_channels_stand_where_they_were_heard(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        left, right = room.switch.open_recorder()
        prompt = room.player(caller, right)
        room.gain(left, caller)
        room.gain(right, agent)
        room.wait(50)
        caller.say(np.full(160, 5000, np.int16))
        room.wait(30)
        agent.say(np.full(160, 3000, np.int16))
        room.wait(100)
        room.switch.play(prompt, np.full(160, -7000, np.int16).tobytes(), False)
        room.wait(200)
        room.switch.close_node(left)
        file = room.recording()
        assert len(file) == 380 * 8
        assert np.flatnonzero(file[:, 0]).tolist() == [*range(400, 560)]
        assert np.flatnonzero(file[:, 1] > 0).tolist() == [*range(640, 800)]
        # The next tick is at most a millisecond after the command.
        assert np.flatnonzero(file[:, 1] < 0).tolist() == [*range(1448, 1608)]

    def test_packets_take_their_place_by_timestamp(self, room: Room) -> None:
        caller = room.phone()
        left, _ = room.switch.open_recorder()
        room.gain(left, caller)
        said = tone(500, 160 * 30)
        packets = [caller.packet(g711.alaw_encode(said[160 * n : 160 * n + 160])) for n in range(30)]
        order = [0, *range(1, 10), 12, 11, 10, 13, 13, 14, 16, *range(17, 26), 15, *range(26, 30)]
        for n in order:
            caller.send(packets[n])
            room.wait(20 if n % 3 else 22)
        room.wait(900)
        assert np.array_equal(room.recording()[: len(said), 0], law(said))

    def test_what_was_lost_is_silence_and_what_follows_is_in_place(self, room: Room) -> None:
        caller = room.phone()
        left, _ = room.switch.open_recorder()
        room.gain(left, caller)
        said = tone(500, 160 * 20)
        for n in range(20):
            packet = caller.packet(g711.alaw_encode(said[160 * n : 160 * n + 160]))
            if not 5 <= n < 9:
                caller.send(packet)
            room.wait(20)
        room.wait(900)
        expected = law(said)
        expected[800:1440] = 0
        assert np.array_equal(room.recording()[: len(said), 0], expected)

    def test_keys_are_silence(self, room: Room) -> None:
        caller = room.phone()
        left, _ = room.switch.open_recorder()
        room.gain(left, caller)
        for n in range(10):
            caller.send(caller.event(5, 160 * (n + 1)))
            room.wait(20)
        room.wait(900)
        assert not room.recording().any()

    def test_it_grows_while_the_call_lasts(self, room: Room) -> None:
        room.switch.open_recorder()
        for seconds in range(1, 5):
            room.wait(1_000)
            assert 8000 * seconds - len(room.recording()) in range(LATE, LATE + 320)

    def test_both_sides_of_a_talk_and_its_supervisor(self, room: Room) -> None:
        caller, agent, supervisor = room.phone(), room.phone(Codec.PCMU), room.phone()
        left, right = room.switch.open_recorder()
        room.gain(caller, agent)
        room.gain(agent, caller)
        room.gain(agent, supervisor)
        room.gain(left, caller)
        room.gain(right, agent)
        converse(room, 50, {caller: 500, agent: 900, supervisor: 1300})
        room.wait(900)
        file = room.recording()[:8000]
        assert loudness(file[:, 0], 500) == pytest.approx(4000, rel=0.02)
        assert loudness(file[:, 1], 900) == pytest.approx(4000, rel=0.02)
        assert loudness(file[:, 0], 900) < 40
        assert loudness(file[:, 1], 1300) < 40

    def test_two_sources_add_up_and_saturate(self, room: Room) -> None:
        _, right = room.switch.open_recorder()
        for level in (20_000, 20_000):
            player = room.player(right)
            room.switch.play(player, np.full(800, level, np.int16).tobytes(), False)
        room.wait(900)
        assert (room.recording()[8:808, 1] == 32767).all()

    def test_naming_either_side_closes_both(self, room: Room) -> None:
        _, right = room.switch.open_recorder()
        room.wait(10)
        room.switch.close_node(right)
        assert room.switch.open_nodes() == 0
        assert len(room.recording()) == 80


class TestTap:
    """What a recogniser gets."""

    @pytest.mark.parametrize("length", [80, 160, 240, 800])
    @pytest.mark.parametrize("piece_ms", [20, 60, 100])
    def test_pieces_are_equal_whatever_the_packets_hold(self, room: Room, length: int, piece_ms: int) -> None:
        caller = room.phone()
        tap = room.switch.open_tap(piece_ms)
        room.gain(tap, caller)
        said = tone(500, 4800)
        for start in range(0, 4800, length):
            caller.say(said[start : start + length])
        assert {len(piece) for piece in room.tapped} == {16 * piece_ms}
        assert np.array_equal(np.frombuffer(b"".join(room.tapped), np.int16), law(said))

    def test_it_arrives_with_the_packet(self, room: Room) -> None:
        caller = room.phone()
        room.gain(room.switch.open_tap(), caller)
        caller.say(tone(500, 160))
        assert len(room.tapped) == 1

    def test_a_mix_can_be_tapped(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        tap = room.switch.open_tap()
        room.gain(tap, caller)
        room.gain(tap, agent)
        converse(room, 50, {caller: 500, agent: 900})
        heard = np.frombuffer(b"".join(room.tapped), np.int16)[1600:]
        assert loudness(heard, 500) == pytest.approx(4000, rel=0.05)
        assert loudness(heard, 900) == pytest.approx(4000, rel=0.05)

    def test_what_the_caller_hears_is_not_tapped(self, room: Room) -> None:
        caller = room.phone()
        room.gain(room.switch.open_tap(), caller)
        room.switch.play(room.player(caller), tone(500, 1600).tobytes(), False)
        room.wait(300)
        assert room.tapped == []
