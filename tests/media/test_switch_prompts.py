"""Prompts and music: players, from the first sample to the count at the end."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from media import g711
from media.engine import Codec, Node, PlayFinished
from media.reference.rtp import ahead
from media.resident import resident as held
from media.wav import read_sound, write_wav
from tests.media.room import Room, converse, loudness, tone

CALLER, AGENT = 500.0, 900.0
LEVEL = 4000
FADE = 40
"""Samples in which a prompt dies away when it is stopped."""


def test_a_prompt_is_heard_sample_by_sample_and_reported(room: Room) -> None:
    caller = room.phone()
    prompt = room.player(caller)
    said = tone(CALLER, 1000)
    room.switch.play(prompt, said.tobytes(), False)
    room.switch.finish(prompt)
    room.wait(200)
    assert room.of(PlayFinished) == [PlayFinished(Node(prompt), 1000)]
    expected = g711.alaw_decode(g711.alaw_encode(np.pad(said, (0, 120))))
    assert np.array_equal(caller.sound(), expected)


@pytest.mark.parametrize("ms", [10, 20, 30, 40, 60])
@pytest.mark.parametrize("end", ["finished", "dry", "stopped"])
def test_its_last_word_is_heard_whatever_the_length_of_packets(room: Room, ms: int, end: str) -> None:
    caller = room.phone(Codec.L16)
    room.switch.set_codec(caller.node, Codec.L16, 97, 101, 8000, ms)
    prompt = room.player(caller)
    said = np.arange(1, 1001, dtype=np.int16)
    room.switch.play(prompt, said.tobytes(), False)
    if end == "finished":
        room.switch.finish(prompt)
    room.wait(81 if end == "stopped" else 141)
    if end == "stopped":
        room.switch.stop(prompt)
    room.wait(200)
    heard = caller.sound()
    whole = 800 if end == "stopped" else 1000
    assert np.array_equal(heard[:whole], said[:whole])
    assert len(heard) in range(whole, whole + 480)
    steps = [ahead(b.timestamp, a.timestamp, 32) - len(a.payload) // 2 for a, b in pairwise(caller.heard)]
    assert set(steps) <= {0}


@pytest.mark.parametrize("ms", [30, 40, 60])
def test_a_relay_goes_on_behind_a_prompt_without_a_gap(room: Room, ms: int) -> None:
    caller, agent = room.phone(), room.phone()
    room.switch.set_codec(caller.node, 8, 8, 101, 8000, ms)
    room.gain(caller, agent)
    prompt = room.player(caller)
    converse(room, 5, {agent: AGENT})
    room.switch.play(prompt, np.full(1600, 5000, np.int16).tobytes(), False)
    room.switch.finish(prompt)
    converse(room, 25, {agent: AGENT})
    ends = [(packet.timestamp + len(packet.payload)) & 0xFFFFFFFF for packet in caller.heard]
    gaps = [ahead(packet.timestamp, end, 32) for packet, end in zip(caller.heard[1:], ends, strict=False)]
    assert set(gaps) <= {0, 8}  # a millisecond, until the next tick
    assert {ahead(b.sequence, a.sequence, 16) for a, b in pairwise(caller.heard)} == {1}


def test_it_begins_within_a_millisecond(room: Room) -> None:
    caller = room.phone()
    prompt = room.player(caller)
    room.switch.play(prompt, bytes(3200), False)
    room.wait(1)
    assert len(caller.heard) == 1


def test_pieces_follow_on_each_other_without_a_gap(room: Room) -> None:
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


@pytest.mark.parametrize("end", ["replaced", "cut short", "overwritten", "deleted"])
def test_a_prompt_is_heard_to_its_end_whatever_becomes_of_its_file(room: Room, tmp_path: Path, end: str) -> None:
    said, path = tone(CALLER, 48_000), tmp_path / "prompt.wav"
    write_wav(path, said.tobytes())
    caller = room.phone()
    prompt = room.player(caller)
    room.switch.play(prompt, held(read_sound(path)), False)
    room.wait(40)
    match end:
        case "replaced":
            write_wav(tmp_path / "other.wav", bytes(96_000))
            os.replace(tmp_path / "other.wav", path)
        case "cut short":
            os.truncate(path, 100)
        case "overwritten":
            with path.open("r+b") as file:
                file.write(bytes(96_044))
        case "deleted":
            path.unlink()
    room.wait(6000)
    assert np.array_equal(caller.sound()[:48_000], g711.alaw_decode(g711.alaw_encode(said)))


def test_samples_that_may_still_change_are_not_played(room: Room) -> None:
    prompt = room.player(room.phone())
    for pcm in (bytearray(320), memoryview(bytearray(320))):
        with pytest.raises(ValueError, match="may still change"):
            room.switch.play(prompt, pcm, False)
    room.switch.play(prompt, memoryview(bytearray(320)).toreadonly(), False)


def test_stop_tells_what_was_heard(room: Room) -> None:
    caller = room.phone()
    prompt = room.player(caller)
    room.switch.play(prompt, bytes(16_000), False)
    room.wait(61)
    room.switch.stop(prompt)
    room.wait(100)
    [event] = room.of(PlayFinished)
    assert event.samples == 640 + FADE
    assert len(caller.sound()) == 800


@pytest.mark.parametrize("end", ["finished", "stopped"])
@pytest.mark.parametrize("listener", ["a recording", "a recogniser", "a leg without an address", "nobody"])
def test_what_is_sent_to_nobody_was_heard_by_nobody(room: Room, listener: str, end: str) -> None:
    nodes = {
        "a recording": room.switch.open_recorder()[0],
        "a recogniser": room.switch.open_tap(),
        "a leg without an address": room.switch.open_leg(1, 1, 1),
    }
    prompt = room.player(*(node for name, node in nodes.items() if name == listener))
    room.switch.play(prompt, bytes(1600), False)
    if end == "finished":
        room.switch.finish(prompt)
    room.wait(61)
    if end == "stopped":
        room.switch.stop(prompt)
    room.wait(100)
    assert [event.samples for event in room.of(PlayFinished)] == [0]


def test_what_was_heard_begins_with_the_first_packet(room: Room) -> None:
    caller = room.phone()
    prompt = room.player(room.switch.open_recorder()[0])
    room.switch.play(prompt, bytes(3200), False)
    room.switch.finish(prompt)
    room.wait(101)
    room.gain(caller, prompt)
    room.wait(300)
    assert [event.samples for event in room.of(PlayFinished)] == [len(caller.sound())]


def test_stop_of_an_idle_player_is_answered(room: Room) -> None:
    prompt = room.player(room.phone())
    room.switch.stop(prompt)
    room.wait(0)
    assert [event.samples for event in room.of(PlayFinished)] == [0]


def test_finish_with_nothing_queued_is_answered(room: Room) -> None:
    prompt = room.player(room.phone())
    room.switch.finish(prompt)
    room.wait(0)
    assert [event.samples for event in room.of(PlayFinished)] == [0]


def test_music_repeats_until_more_is_queued(room: Room) -> None:
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


def test_music_goes_on_after_finish_until_stopped(room: Room) -> None:
    caller = room.phone()
    music = room.player(caller)
    room.switch.play(music, np.full(100, 1000, np.int16).tobytes(), True)
    room.switch.finish(music)
    room.wait(2_001)
    assert len(caller.sound()) == 16_160
    room.switch.stop(music)
    room.wait(100)
    assert [event.samples for event in room.of(PlayFinished)] == [16_160 + FADE]


def test_speech_that_is_rendered_too_slowly_leaves_a_gap(room: Room) -> None:
    caller = room.phone()
    prompt = room.player(caller)
    room.switch.play(prompt, tone(CALLER, 320).tobytes(), False)
    room.wait(100)
    room.switch.play(prompt, tone(CALLER, 320).tobytes(), False)
    room.wait(100)
    assert [packet.marker for packet in caller.heard] == [True, False, True, False]
    assert ahead(caller.heard[2].timestamp, caller.heard[0].timestamp, 32) == 800


def test_a_prompt_over_a_relay_and_back(room: Room) -> None:
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
    assert caller.heard[-1].payload == said  # relayed again, on arrival, behind what was left of the mix


def test_one_player_for_many_listeners(room: Room) -> None:
    waiting = [room.phone() for _ in range(3)]
    music = room.player()
    for phone in waiting:
        room.gain(phone, music)
        room.wait(3)
    room.switch.play(music, tone(CALLER, 1600).tobytes(), False)
    room.wait(300)
    expected = g711.alaw_decode(g711.alaw_encode(tone(CALLER, 1600)))
    assert all(np.array_equal(phone.sound(), expected) for phone in waiting)


def test_music_is_held_once_however_many_hear_it(room: Room) -> None:
    music = tone(CALLER, 1_000_000).tobytes()
    alone, before = sys.getrefcount(music), resident()
    players = [room.player(room.phone()) for _ in range(100)]
    for player in players:
        room.switch.play(player, music, True)
    room.wait(100)
    assert all(phone.sound().any() for phone in room.phones)
    assert resident() - before < 40_000_000  # a copy each would be 200 MB
    for number, player in enumerate(players):
        (room.switch.close_node if number % 2 else room.switch.stop)(player)
    room.wait(100)
    assert sys.getrefcount(music) == alone


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_closed_leg_is_heard_no_more(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    room.gain(caller, agent, 0.5)
    converse(room, 5, {agent: AGENT})
    room.switch.close_node(agent.node)
    room.wait(20)
    count = len(caller.heard)
    room.wait(200)
    assert len(caller.heard) == count
    assert room.switch.open_nodes() == 1
