"""Who hears whom, and what: tones of different pitch show it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from media import g711
from media.reference.rtp import ahead
from tests.media.room import FarEnd, Room, converse, loudness, tone

CALLER, AGENT = 500.0, 900.0
LEVEL = 4000


def hears(listener: FarEnd, hertz: float) -> float:
    """How loud a tone is in what was heard after the beginning, relative to how it was said."""
    return loudness(listener.sound()[1600:], hertz) / LEVEL


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
            (lambda: room.switch.open_tap(30), "pieces are"),
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
