"""Two parties: each packet passes as it arrives, in a stream that is the leg's own."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from media import g711
from media.engine import Codec
from media.reference.rtp import Packet, ahead
from tests.media.room import Room, tone

EVERY_CODE = bytes(range(256)) + bytes(64)


@pytest.mark.parametrize("codec", Codec)
def test_same_codec_passes_bit_for_bit_on_arrival(room: Room, codec: Codec) -> None:
    caller, agent = room.phone(codec), room.phone(codec)
    room.gain(agent, caller)
    caller.send(caller.packet(EVERY_CODE))
    [packet] = agent.heard  # and no time has passed
    assert packet.payload == EVERY_CODE
    assert packet.payload_type == codec
    assert caller.heard == []


def test_alaw_and_ulaw_are_translated_by_table(room: Room) -> None:
    caller, agent = room.phone(Codec.PCMA), room.phone(Codec.PCMU)
    room.gain(agent, caller)
    room.gain(caller, agent)
    caller.send(caller.packet(EVERY_CODE))
    agent.send(agent.packet(EVERY_CODE))
    assert agent.heard[0].payload == g711.ulaw_encode(g711.alaw_decode(EVERY_CODE))
    assert caller.heard[0].payload == g711.alaw_encode(g711.ulaw_decode(EVERY_CODE))


def test_payload_types_are_each_sides_own(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    room.switch.set_codec(agent.node, 8, 97, 110)
    room.gain(agent, caller)
    caller.send(caller.packet(b"\xd5" * 160))
    caller.send(caller.event(5, 160))
    assert [packet.payload_type for packet in agent.heard] == [97, 110]


def test_the_outgoing_stream_is_the_legs_own(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    room.gain(agent, caller)
    for _ in range(3):
        caller.send(caller.packet(b"\xd5" * 160))
        room.wait(20)
    assert [packet.sequence for packet in agent.heard] == [65_530, 65_531, 65_532]
    assert [packet.timestamp for packet in agent.heard] == [0xFFFFFF00, 0xFFFFFFA0, 0x40]
    assert {packet.ssrc for packet in agent.heard} == {0x1001}
    assert [packet.marker for packet in agent.heard] == [True, False, False]


def test_markers_of_the_sender_pass(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    room.gain(agent, caller)
    for marker in (False, True, False):
        caller.send(caller.packet(b"\xd5" * 160, marker=marker))
    assert [packet.marker for packet in agent.heard] == [True, True, False]


def test_loss_and_reordering_stay_visible_and_duplicates_do_not(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    room.gain(agent, caller)
    packets = [caller.packet(bytes([number]) * 160) for number in range(8)]
    for number in (0, 1, 3, 2, 3, 1, 6, 7, 6):
        caller.send(packets[number])
    steps = [ahead(packet.sequence, agent.heard[0].sequence, 16) for packet in agent.heard]
    assert steps == [0, 1, 3, 2, 6, 7]
    assert [packet.payload[0] for packet in agent.heard] == steps
    # Missing are 4 and 5; 2 came late but came.
    assert room.switch.stats(caller.node)[4] == 2


def test_one_stream_over_relay_prompt_silence_and_another_relay(room: Room) -> None:
    caller, agent, other = room.phone(), room.phone(Codec.PCMU), room.phone()
    room.gain(caller, agent)
    prompt = room.player(caller)

    def speak(phone: object, frames: int) -> None:
        for _ in range(frames):
            (agent if phone is agent else other).say(tone(500, 160))
            room.wait(20)

    speak(agent, 10)
    room.switch.play(prompt, tone(700, 1600).tobytes(), False)
    room.switch.finish(prompt)
    speak(agent, 25)
    room.wait(400)
    room.gain(caller, agent, 0)
    room.gain(caller, other)
    speak(other, 10)

    steps = {ahead(later.sequence, earlier.sequence, 16) for earlier, later in pairwise(caller.heard)}
    assert steps == {1}
    assert {packet.ssrc for packet in caller.heard} == {0x1000}
    jumps = [ahead(b.timestamp, a.timestamp, 32) - 160 for a, b in pairwise(caller.heard)]
    assert all(jump >= 0 for jump in jumps)
    # What is between two packets that do not follow on each other is silence, and the marker says so.
    assert all(packet.marker for packet, jump in zip(caller.heard[1:], jumps, strict=True) if jump)
    # Over the whole time the timestamp has kept pace with the clock: 45 packets and 400 ms, give or take a frame.
    passed = ahead(caller.heard[-1].timestamp, caller.heard[0].timestamp, 32)
    assert abs(passed - (44 * 160 + 3200)) <= 320


def test_a_new_stream_of_the_sender_goes_on_in_ours(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    room.gain(agent, caller)
    caller.say(tone(500, 160))
    room.wait(20)
    caller.ssrc, caller.sequence, caller.timestamp = 99, 7, 1_000_000
    caller.say(tone(500, 160))
    room.wait(20)
    caller.say(tone(500, 160))  # which shows that it is a stream: both are heard
    first, second, third = agent.heard
    assert ahead(second.sequence, first.sequence, 16) == 1
    assert ahead(second.timestamp, first.timestamp, 32) == 160
    assert ahead(third.timestamp, second.timestamp, 32) == 160
    assert third.ssrc == second.ssrc == first.ssrc
    assert second.marker


def test_a_relay_of_hours_outlives_the_wrap_of_the_counters(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    room.gain(agent, caller)
    for _ in range(1_400):
        caller.send(caller.packet(b"\xd5"))
        caller.sequence += 49
    assert len(agent.heard) == 1_400
    assert ahead(agent.heard[-1].sequence, agent.heard[0].sequence, 16) == ahead(50 * 1_399, 0, 16)


def test_a_leg_may_hear_itself(room: Room) -> None:
    caller = room.phone()
    room.gain(caller, caller)
    caller.send(caller.packet(EVERY_CODE))
    assert caller.heard[0].payload == EVERY_CODE


def test_comfort_noise_is_no_loss_for_the_far_end(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    room.gain(agent, caller)
    caller.say(tone(500, 160))
    noise = caller.packet(b"\x40")
    caller.send(Packet(13, noise.sequence, noise.timestamp, noise.ssrc, noise.payload))
    caller.say(tone(500, 160))
    first, second = agent.heard
    assert ahead(second.sequence, first.sequence, 16) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"\x80\x08" + bytes(9),
        b"\x40\x08" + bytes(170),
        b"\x00" * 172,
        b"\x8f\x08" + bytes(30),
        b"\x90\x08" + bytes(10) + b"\xbe\xde\xff\xff" + bytes(100),
        b"\xa0\x08" + bytes(10) + b"\x01" * 4 + b"\xff",
        b"\xa0\x08" + bytes(10) + b"\x01" * 4 + b"\x00",
        b"\x80\x08" + bytes(10),
        b"\x80\x08" + bytes(10) + bytes(1441),
        b"\x80\x60" + bytes(170),
        b"\x80\x65" + bytes(10) + b"\x05\x00\x00",
        b"\x80\x65" + bytes(10) + b"\x05\x00\x00\xa0\x00",
    ],
)
def test_malformed_packets_are_refused_and_counted(room: Room, data: bytes) -> None:
    caller, agent = room.phone(), room.phone()
    room.gain(agent, caller)
    caller.send(data)
    assert agent.heard == []
    counted = room.switch.stats(caller.node)
    assert (counted[0], counted[3]) == (0, 1)
    caller.say(tone(500, 160))
    assert len(agent.heard) == 1


def test_extension_sources_and_padding_are_read_over(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    room.gain(agent, caller)
    head = b"\xb1\x08" + bytes(9) + b"\x07" + b"CSRC" + b"\xbe\xde\x00\x01EXT!"
    caller.send(head + b"\x55" * 160 + b"\x00\x00\x03")
    assert agent.heard[0].payload == b"\x55" * 160


def test_jitter_and_age_are_measured(room: Room) -> None:
    caller = room.phone()
    assert room.switch.stats(caller.node)[6] == -1
    for number in range(200):
        caller.say(np.zeros(160, np.int16))
        room.wait(15 if number % 2 else 25)
    jitter_ms, age_ms = room.switch.stats(caller.node)[5:7]
    assert 3 < jitter_ms < 6
    assert age_ms == 15
