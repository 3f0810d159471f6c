"""What a mix makes of a bad network: a tone goes in, and what comes out is held against it."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media import g711
from media.engine import Codec
from media.reference.coders import ticks
from media.reference.jitter import Concealment, JitterBuffer
from media.reference.rtp import ahead
from tests.media.room import MS, SWITCHES, FarEnd, Room, Samples, loudness, tone

HERTZ, LEVEL = 500.0, 8000
Delay = Callable[[int], float | None]
"""Milliseconds that packet number n is under way; None: lost."""


def call(
    room: Room, packets: int, delay: Delay, *, drift_ppm: float = 0.0, then_ms: float = 300
) -> tuple[FarEnd, FarEnd]:
    """One leg that says a tone through a network, and a listener who hears it in a mix."""
    caller, listener = room.phone(), room.phone()
    room.gain(listener, caller, 0.5)
    begin = room.now
    under_way = []
    for number in range(packets):
        packet = caller.packet(g711.alaw_encode(tone(HERTZ, 160, LEVEL, start=160 * number)))
        took = delay(number)
        if took is not None:
            sent = 20 * number / (1 + drift_ppm / 1e6)
            under_way.append((sent + took, number, packet))
    for due, _, packet in sorted(under_way, key=lambda item: item[:2]):
        room.wait(max(0.0, due - (room.now - begin) / MS))
        caller.send(packet)
    room.wait(then_ms)
    return caller, listener


def holes(sound: Samples) -> int:
    """How many blocks of 5 ms have lost the tone: silent, or more than a fifth beside it."""
    lost = 0
    for start in range(0, len(sound) - 160, 80):
        block = sound[start : start + 160].astype(float)
        wave = loudness(block.astype(np.int16), HERTZ)
        lost += wave < 0.8 * LEVEL / 2
    return lost


def jittery(seed: int, most: float, share_lost: float = 0.0) -> Delay:
    chance = random.Random(seed)
    return lambda _: None if chance.random() < share_lost else chance.random() * most


@pytest.mark.parametrize("most_ms", [0, 20, 40, 80, 120])
def test_jitter_is_taken_up(room: Room, most_ms: int) -> None:
    _, listener = call(room, 400, jittery(1, most_ms))
    sound = listener.sound()[8000:-3200]  # after a second it has found its delay
    assert holes(sound) <= 4


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_loss_is_concealed(room: Room, share: float) -> None:
    _, listener = call(room, 400, jittery(2, 10, share))
    sound = listener.sound()[1600:-3200]
    assert loudness(sound, HERTZ) > 0.9 * LEVEL / 2
    assert holes(sound) < 400 * share


def test_a_long_loss_dies_away_and_does_not_buzz(room: Room) -> None:
    _, listener = call(room, 200, lambda number: None if 100 <= number < 108 else 0.0)
    sound = listener.sound()[1600:-3200]
    [silent] = np.nonzero(np.convolve(np.abs(sound) <= 8, np.ones(160), "valid") == 160)
    assert 0 < len(silent) < 1600


@pytest.mark.parametrize("ppm", [-200.0, 200.0])
def test_clocks_that_drift_apart(room: Room, ppm: float) -> None:
    """Two minutes at 200 ppm are 24 ms: the delay stays, and nothing is heard of it."""
    caller, listener = call(room, 6000, jittery(3, 5), drift_ppm=ppm)
    assert holes(listener.sound()[1600:-3200]) <= 4
    assert delay_ms(room, caller, listener) < 130


def delay_ms(room: Room, caller: FarEnd, listener: FarEnd) -> float:
    """How long a word takes through the mix now."""
    listener.heard.clear()
    for _ in range(5):
        caller.say(np.zeros(160, np.int16))
        room.wait(20)
    listener.heard.clear()
    began = room.now
    for number in range(15):
        caller.say(tone(HERTZ, 160, LEVEL, start=160 * number))
        room.wait(20)
        if len(listener.sound()) and abs(listener.sound()).max() > 1000:
            return (room.now - began) / MS
    raise AssertionError("nothing was heard")


def test_a_delay_that_is_no_longer_needed_goes_away(room: Room) -> None:
    caller, listener = call(room, 200, jittery(4, 120), then_ms=0)
    slow = delay_ms(room, caller, listener)
    for number in range(1500):
        caller.say(tone(HERTZ, 160, LEVEL, start=160 * number))
        room.wait(20)
    assert delay_ms(room, caller, listener) < min(slow, 120)


def test_speech_after_silence_that_was_not_sent(room: Room) -> None:
    caller, listener = room.phone(), room.phone()
    room.gain(listener, caller, 0.5)
    for _ in range(10):
        for number in range(25):
            caller.say(tone(HERTZ, 160, LEVEL, start=160 * number))
            room.wait(20)
        room.wait(600)
        caller.timestamp += 4800
    spoken = np.count_nonzero(np.convolve(np.abs(listener.sound()) > 100, np.ones(16), "same"))
    assert spoken == pytest.approx(10 * 25 * 160, rel=0.15)


class TestBetweenRelayAndMix:
    """A supervisor joins and leaves while somebody speaks."""

    def spoken(self, room: Room, codec: Codec = Codec.PCMA, *, joins: int = 30, leaves: int = 60) -> FarEnd:
        caller, agent, supervisor = room.phone(codec), room.phone(codec), room.phone()
        room.gain(agent, caller)
        for number in range(100):
            if number in (joins, leaves):
                room.wait(7)
                room.gain(agent, supervisor, 1.0 if number == joins else 0.0)
                room.wait(13)
            else:
                room.wait(20)
            caller.say(tone(HERTZ, 160, LEVEL, start=160 * number))
        room.wait(100)
        return agent

    def test_every_sample_has_one_place_and_none_is_empty(self, room: Room) -> None:
        heard = self.spoken(room).heard
        ends = [(packet.timestamp + len(packet.payload)) & 0xFFFFFFFF for packet in heard]
        gaps = [ahead(packet.timestamp, end, 32) for packet, end in zip(heard[1:], ends, strict=False)]
        assert [gap for gap in gaps if gap > 0] == []  # while it waits for the first frame of the mix, at most
        assert min(gaps) == 0
        assert {ahead(b.sequence, a.sequence, 16) for a, b in pairwise(heard)} == {1}

    def test_the_tone_goes_on(self, room: Room) -> None:
        sound = self.spoken(room).sound()[1600:-1600].astype(float)
        blocks = [loudness(sound[at : at + 160].astype(np.int16), HERTZ) for at in range(0, len(sound) - 160, 80)]
        weak = [block for block in blocks if block < 0.7 * LEVEL]
        assert len(weak) <= 8  # what was made up between relay and mix dies away a little, for 40 ms

    @pytest.mark.parametrize("codec", [Codec.G722, Codec.L16, Codec.L16_WIDE, Codec.OPUS])
    def test_no_word_is_cut_whatever_the_codec(self, room: Room, codec: Codec) -> None:
        agent = self.spoken(room, codec)
        heard, sound = agent.heard, agent.sound()[1600:-1600].astype(float)
        ends = [(packet.timestamp + ticks(codec, packet.payload)) & 0xFFFFFFFF for packet in heard]
        gaps = [ahead(packet.timestamp, end, 32) for packet, end in zip(heard[1:], ends, strict=False)]
        assert max(gaps) < 20 * codec.clock_rate // 8000  # of Opus less than 2.5 ms may be left out
        assert min(gaps) == 0
        blocks = [loudness(sound[at : at + 160].astype(np.int16), HERTZ) for at in range(0, len(sound) - 160, 80)]
        assert len(sound) + 3200 > 160 * 100
        if codec is not Codec.OPUS:  # whose decoder takes half a second to follow from one encoder to another
            assert sum(block < 0.7 * LEVEL for block in blocks) <= 8


class Silence(Concealment):
    """Makes nothing up, so that what is left is what was said."""

    def fill(self, count: int) -> Samples:
        return np.zeros(count, np.int16)

    def join(self, heard: Samples) -> Samples:
        return heard


PACKETS = 60
arrivals = st.lists(st.tuples(st.integers(0, PACKETS - 1), st.integers(0, 3)), min_size=1, max_size=80)
"""Which packet, and how many frames are read before the next."""


class Model:
    """The buffer as its rules have it, for packets of one frame: which one is heard next. None: something made up."""

    def __init__(self) -> None:
        self.next: int | None = None
        self.here: set[int] = set()
        self.waited = self.late = 0

    def begin(self, packet: int) -> None:
        self.next, self.here, self.waited, self.late = packet - 2, set(), 0, 0

    def write(self, packet: int) -> None:
        if self.next is not None and packet < self.next:
            self.late += 1
            if packet >= self.next - 50 and self.late < 5:
                return
        if self.next is None or packet < self.next or packet > self.next + 10:
            self.begin(packet)
        assert self.next is not None
        self.next += min(self.waited, packet - self.next)  # the wait has filled so much of the hole
        self.waited = self.late = 0
        self.here.add(packet)

    def read(self) -> int | None:
        if self.next is None or max(self.here) < self.next:
            self.waited += 1
            if self.waited >= 10:
                self.next = None
            return None
        self.next += 1
        return self.next - 1 if self.next - 1 in self.here else None


class TestAgainstAModel:
    """Each sample of a stream has a number."""

    @given(st.lists(st.tuples(st.integers(0, PACKETS + 60), st.integers(0, 3)), min_size=1, max_size=50))
    @settings(max_examples=500)
    def test_each_frame_is_the_one_that_the_rules_say(self, steps: list[tuple[int, int]]) -> None:
        buffer, model = JitterBuffer(), Model()
        buffer._concealment = Silence()
        for now, (packet, frames) in enumerate(steps):
            buffer.write(160 * packet, np.full(160, packet + 1, np.int16))
            model.write(packet)
            for _ in range(frames):
                frame, expected = buffer.read(160 * now), model.read()
                heard = {0} if frame is None else set(frame.tolist())
                assert heard == {0 if expected is None else expected + 1}

    def played(self, steps: list[tuple[int, int]], length: int) -> list[int]:
        buffer, now = JitterBuffer(), 0
        heard: list[int] = []
        buffer._concealment = Silence()
        for number, frames in [*dict(steps).items(), (None, 20)]:  # the leg refuses what it has seen before
            if number is not None:
                buffer.write(length * number, np.arange(length * number, length * (number + 1), dtype=np.int16) + 1)
            for _ in range(frames):
                frame = buffer.read(now)
                now += 160
                heard += [] if frame is None else frame[frame > 0].tolist()
        return heard

    @given(arrivals, st.sampled_from([80, 160, 240, 480]))
    @settings(max_examples=300)
    def test_nothing_is_played_twice(self, steps: list[tuple[int, int]], length: int) -> None:
        heard = self.played(steps, length)
        assert len(heard) == len(set(heard))
        assert {(sample - 1) // length for sample in heard} <= {number for number, _ in steps}

    @given(st.permutations(range(6)), st.integers(0, 40), st.sampled_from([80, 160]))
    def test_what_is_only_out_of_order_is_played_whole_and_in_order(
        self, order: list[int], begin: int, length: int
    ) -> None:
        first = [(begin, 0), *((begin + 1 + number, 0) for number in order)]
        heard = self.played(first, length)
        assert heard == [*range(length * begin + 1, length * (begin + 7) + 1)]


@given(arrivals, st.sampled_from([80, 160, 240, 480]))
@settings(max_examples=40)
def test_packets_in_any_order_sound_the_same_from_both(steps: list[tuple[int, int]], length: int) -> None:
    outcomes = []
    for make in SWITCHES.values():
        room = Room(make)
        caller, listener = room.phone(), room.phone()
        room.gain(listener, caller, 0.5)
        packets = [caller.packet(g711.alaw_encode(tone(HERTZ + 10 * n, length))) for n in range(PACKETS)]
        for number, frames in steps:
            caller.send(packets[number])
            room.wait(20 * frames)
        room.wait(400)
        outcomes.append(listener.heard)
    assert outcomes[0] == outcomes[1]
