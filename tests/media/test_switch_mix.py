"""Who hears whom, and what: tones of different pitch show it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from media import g711
from media.engine import Codec, Node, PlayFinished
from media.reference.rtp import ahead
from tests.media.room import FarEnd, Room, converse, loudness, tone

CALLER, AGENT, SUPERVISOR = 500.0, 900.0, 1300.0
LEVEL = 4000

MODES = {
    "talk": {(0, 1), (1, 0)},
    "monitor": {(0, 1), (1, 0), (2, 0), (2, 1)},
    "whisper": {(0, 1), (1, 0), (2, 0), (2, 1), (1, 2)},
    "barge": {(0, 1), (1, 0), (2, 0), (2, 1), (1, 2), (0, 2)},
    "take over": {(0, 2), (2, 0)},
    "hold": set(),
}
"""(listener, source) of 0 caller, 1 agent, 2 supervisor."""


def hears(listener: FarEnd, hertz: float) -> float:
    """How loud a tone is in what was heard after the beginning, relative to how it was said."""
    return loudness(listener.sound()[1600:], hertz) / LEVEL


@pytest.mark.parametrize("mode", MODES)
def test_supervision_modes(room: Room, mode: str) -> None:
    phones = [room.phone(), room.phone(Codec.PCMU), room.phone()]
    tones = dict(zip(phones, (CALLER, AGENT, SUPERVISOR), strict=True))
    for i, j in MODES[mode]:
        room.gain(phones[i], phones[j])
    converse(room, 60, tones)
    for i, listener in enumerate(phones):
        for j, source in enumerate(phones):
            expected = 1.0 if (i, j) in MODES[mode] else 0.0
            assert hears(listener, tones[source]) == pytest.approx(expected, abs=0.03), (i, j)


def test_gains_are_gains(room: Room) -> None:
    caller, agent, listener = room.phone(), room.phone(), room.phone()
    room.gain(listener, caller, 0.5)
    room.gain(listener, agent, 1.5)
    converse(room, 60, {caller: CALLER, agent: AGENT})
    assert hears(listener, CALLER) == pytest.approx(0.5, abs=0.02)
    assert hears(listener, AGENT) == pytest.approx(1.5, abs=0.05)


def test_a_sum_saturates(room: Room) -> None:
    listener = room.phone()
    for _ in range(3):
        player = room.player(listener)
        room.switch.play(player, np.full(1600, 20_000, np.int16).tobytes(), False)
    quiet = room.player(listener)
    room.switch.play(quiet, np.full(1600, -20_000, np.int16).tobytes(), False)
    room.wait(100)
    loudest = g711.alaw_decode(g711.alaw_encode(np.array([32767], np.int16)))[0]
    assert set(listener.sound()) == {loudest}


def test_who_hears_nothing_is_sent_nothing(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    room.gain(caller, agent, 0.7)
    room.player(caller)
    room.wait(1_000)
    assert caller.heard == agent.heard == []
    assert room.switch.stats(caller.node)[1] == 0


def test_a_mix_puts_late_packets_back_in_order_and_drops_duplicates(room: Room) -> None:
    caller, listener = room.phone(), room.phone()
    room.gain(listener, caller, 0.5)
    said = tone(CALLER, 160 * 40)
    packets = [caller.packet(g711.alaw_encode(said[160 * n : 160 * n + 160])) for n in range(40)]
    for n in range(0, 40, 2):
        for packet in (packets[n + 1], packets[n], packets[n + 1]):
            caller.send(packet)
        room.wait(40)
    heard = np.trim_zeros(np.where(abs(listener.sound()) > 8, listener.sound(), 0))
    assert loudness(heard, CALLER) == pytest.approx(LEVEL / 2, rel=0.02)


def test_a_mix_survives_a_jump_of_the_senders_clock(room: Room) -> None:
    caller, listener = room.phone(), room.phone()
    room.gain(listener, caller, 0.5)
    converse(room, 20, {caller: CALLER})
    caller.timestamp += 12_345_678
    converse(room, 5, {caller: CALLER})
    listener.heard.clear()
    converse(room, 20, {caller: CALLER})
    assert loudness(listener.sound(), CALLER) == pytest.approx(LEVEL / 2, rel=0.02)


def test_a_mix_follows_a_path_that_became_slower(room: Room) -> None:
    caller, listener = room.phone(), room.phone()
    room.gain(listener, caller, 0.5)
    converse(room, 20, {caller: CALLER})
    room.wait(200)
    converse(room, 10, {caller: CALLER})
    listener.heard.clear()
    converse(room, 20, {caller: CALLER})
    assert loudness(listener.sound(), CALLER) == pytest.approx(LEVEL / 2, rel=0.02)


def test_a_mix_takes_packets_of_any_length(room: Room) -> None:
    caller, listener = room.phone(), room.phone()
    room.gain(listener, caller, 0.5)
    for number in range(60):
        caller.say(tone(CALLER, 240, start=240 * number))
        room.wait(30)
    assert loudness(listener.sound()[1600:], CALLER) == pytest.approx(LEVEL / 2, rel=0.02)
    assert {len(packet.payload) for packet in listener.audio()} == {160}


def test_ticks_of_many_listeners_are_spread(room: Room) -> None:
    listeners = []
    for _ in range(40):
        listeners.append(room.phone())
        room.switch.play(room.player(listeners[-1]), bytes(2 * 160 * 50), False)
        room.wait(1)
    for phone in listeners:
        phone.heard.clear()
    most = 0
    for _ in range(20):
        before = sum(len(phone.heard) for phone in listeners)
        room.wait(1)
        most = max(most, sum(len(phone.heard) for phone in listeners) - before)
    assert most == 2


class TestPrompts:
    """Players."""

    def test_a_prompt_is_heard_sample_by_sample_and_reported(self, room: Room) -> None:
        caller = room.phone()
        prompt = room.player(caller)
        said = tone(CALLER, 1000)
        room.switch.play(prompt, said.tobytes(), False)
        room.switch.finish(prompt)
        room.wait(200)
        assert room.of(PlayFinished) == [PlayFinished(Node(prompt), 1000)]
        expected = g711.alaw_decode(g711.alaw_encode(np.pad(said, (0, 120))))
        assert np.array_equal(caller.sound(), expected)

    def test_it_begins_within_a_millisecond(self, room: Room) -> None:
        caller = room.phone()
        prompt = room.player(caller)
        room.switch.play(prompt, bytes(3200), False)
        room.wait(1)
        assert len(caller.heard) == 1

    def test_pieces_follow_on_each_other_without_a_gap(self, room: Room) -> None:
        caller = room.phone()
        prompt = room.player(caller)
        said = tone(CALLER, 1600)
        for start, end in ((0, 7), (7, 500), (500, 500), (500, 1600)):
            room.switch.play(prompt, said[start:end].tobytes(), False)
        room.wait(200)
        assert np.array_equal(caller.sound(), g711.alaw_decode(g711.alaw_encode(said)))
        assert room.of(PlayFinished) == []
        room.switch.finish(prompt)
        room.wait(20)
        assert [event.samples for event in room.of(PlayFinished)] == [1600]

    def test_stop_tells_what_was_heard(self, room: Room) -> None:
        caller = room.phone()
        prompt = room.player(caller)
        room.switch.play(prompt, bytes(16_000), False)
        room.wait(61)
        room.switch.stop(prompt)
        room.wait(100)
        [event] = room.of(PlayFinished)
        assert event.samples == len(caller.sound()) == 640

    def test_stop_of_an_idle_player_is_answered(self, room: Room) -> None:
        prompt = room.player(room.phone())
        room.switch.stop(prompt)
        room.wait(0)
        assert [event.samples for event in room.of(PlayFinished)] == [0]

    def test_finish_with_nothing_queued_is_answered(self, room: Room) -> None:
        prompt = room.player(room.phone())
        room.switch.finish(prompt)
        room.wait(0)
        assert [event.samples for event in room.of(PlayFinished)] == [0]

    def test_music_repeats_until_more_is_queued(self, room: Room) -> None:
        caller = room.phone()
        music = room.player(caller)
        room.switch.play(music, np.full(200, 1000, np.int16).tobytes(), True)
        room.wait(101)
        room.switch.play(music, np.full(160, -1000, np.int16).tobytes(), False)
        room.switch.finish(music)
        room.wait(100)
        sound = caller.sound()
        assert (sound[:1000] > 0).all()
        assert (sound[1000:1160] < 0).all()
        assert [event.samples for event in room.of(PlayFinished)] == [1160]

    def test_music_goes_on_after_finish_until_stopped(self, room: Room) -> None:
        caller = room.phone()
        music = room.player(caller)
        room.switch.play(music, np.full(100, 1000, np.int16).tobytes(), True)
        room.switch.finish(music)
        room.wait(2_001)
        assert len(caller.sound()) == 16_160
        room.switch.stop(music)
        room.wait(100)
        assert [event.samples for event in room.of(PlayFinished)] == [16_160]

    def test_speech_that_is_rendered_too_slowly_leaves_a_gap(self, room: Room) -> None:
        caller = room.phone()
        prompt = room.player(caller)
        room.switch.play(prompt, tone(CALLER, 320).tobytes(), False)
        room.wait(100)
        room.switch.play(prompt, tone(CALLER, 320).tobytes(), False)
        room.wait(100)
        assert [packet.marker for packet in caller.heard] == [True, False, True, False]
        assert ahead(caller.heard[2].timestamp, caller.heard[0].timestamp, 32) == 800

    def test_a_prompt_over_a_relay_and_back(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(caller, agent)
        prompt = room.player(caller)
        converse(room, 20, {agent: AGENT})
        assert np.array_equal(caller.sound(), g711.alaw_decode(g711.alaw_encode(tone(AGENT, 3200))))
        caller.heard.clear()
        room.switch.play(prompt, tone(CALLER, 4000).tobytes(), False)
        room.switch.finish(prompt)
        converse(room, 25, {agent: AGENT})
        assert loudness(caller.sound()[800:4000], CALLER) == pytest.approx(LEVEL, rel=0.05)
        assert loudness(caller.sound()[800:4000], AGENT) == pytest.approx(LEVEL, rel=0.05)
        converse(room, 1, {agent: AGENT})
        caller.heard.clear()
        said = bytes(range(160))
        agent.send(agent.packet(said))
        assert caller.heard[0].payload == said  # relayed again, on arrival

    def test_one_player_for_many_listeners(self, room: Room) -> None:
        waiting = [room.phone() for _ in range(3)]
        music = room.player()
        for phone in waiting:
            room.gain(phone, music)
            room.wait(3)
        room.switch.play(music, tone(CALLER, 1600).tobytes(), False)
        room.wait(300)
        expected = g711.alaw_decode(g711.alaw_encode(tone(CALLER, 1600)))
        assert all(np.array_equal(phone.sound(), expected) for phone in waiting)

    def test_a_closed_leg_is_heard_no_more(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        room.gain(caller, agent, 0.5)
        converse(room, 5, {agent: AGENT})
        room.switch.close_node(agent.node)
        room.wait(20)
        count = len(caller.heard)
        room.wait(200)
        assert len(caller.heard) == count
        assert room.switch.open_nodes() == 1


def test_a_mix_is_one_unbroken_stream(room: Room) -> None:
    caller, agent, listener = room.phone(), room.phone(), room.phone()
    room.gain(listener, caller)
    room.gain(listener, agent)
    converse(room, 50, {caller: CALLER, agent: AGENT})
    assert all(ahead(b.sequence, a.sequence, 16) == 1 for a, b in pairwise(listener.heard))
    assert all(ahead(b.timestamp, a.timestamp, 32) == 160 for a, b in pairwise(listener.heard))
    assert [packet.marker for packet in listener.heard].count(True) == 1


class TestBadCommands:
    """What cannot be done is refused, and nothing else suffers."""

    def test_unknown_and_closed_nodes(self, room: Room) -> None:
        caller = room.phone()
        player = room.player(caller)
        room.switch.close_node(player)
        refusals: list[Callable[[], object]] = [
            lambda: room.switch.close_node(player),
            lambda: room.switch.play(player, b"", False),
            lambda: room.switch.play(caller.node, b"", False),
            lambda: room.switch.set_gain(caller.node, 999, 1.0),
            lambda: room.switch.stats(999),
            lambda: room.switch.send_digit(999, "1", 160),
        ]
        for refused in refusals:
            with pytest.raises(KeyError, match="no such open node"):
                refused()
        assert room.switch.open_nodes() == 1

    def test_values_that_make_no_sense(self, room: Room) -> None:
        caller, player = room.phone(digits=None), room.player()
        refusals: list[tuple[Callable[[], object], str]] = [
            (lambda: room.switch.set_gain(player, caller.node, 1.0), "cannot hear"),
            (lambda: room.switch.set_gain(caller.node, room.switch.open_tap(), 1.0), "makes no sound"),
            (lambda: room.switch.set_gain(caller.node, player, -1.0), "a gain is"),
            (lambda: room.switch.set_gain(caller.node, player, float("nan")), "a gain is"),
            (lambda: room.switch.set_codec(caller.node, 3, 3, -1), "PCMU"),
            (lambda: room.switch.set_codec(caller.node, 8, 128, -1), "payload type"),
            (lambda: room.switch.set_codec(caller.node, 8, 8, 8), "different payload types"),
            (lambda: room.switch.play(player, b"\x00", False), "even number"),
            (lambda: room.switch.send_digit(caller.node, "5", 160), "did not agree to telephone-event"),
            (lambda: room.switch.send_digit(caller.node, "X", 160), "is no key"),
            (lambda: room.switch.send_digit(caller.node, "5", 10), "pressed for"),
        ]
        for refused, why in refusals:
            with pytest.raises(ValueError, match=why):
                refused()
