"""RFC 3389: a far end that does not send its silence says once how loud it would be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from media.reference.rtp import Packet
from tests.media.room import FarEnd, Room, Samples, tone


def fall_silent(phone: FarEnd, level: int) -> Packet:
    said = phone.packet(bytes([level]))
    packet = Packet(13, said.sequence, said.timestamp, said.ssrc, said.payload)
    phone.send(packet)
    return packet


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples.astype(float) ** 2)))


@pytest.mark.parametrize("level", [30, 50, 70])
def test_a_mix_hears_noise_of_that_level_until_the_far_end_speaks(room: Room, level: int) -> None:
    caller, agent, other = room.phone(), room.phone(), room.phone()
    room.switch.set_codec(other.node, 97, 97, 101)  # linear, to measure what is soft
    other.codec = type(other.codec)(97)
    room.gain(other, caller)
    room.gain(other, agent)
    fall_silent(caller, level)
    room.wait(1000)
    noise = other.sound()
    assert len(noise) >= 7000
    assert rms(noise) == pytest.approx(32768 * 10 ** (-level / 20), rel=0.1)
    assert abs(float(np.mean(noise))) < rms(noise) / 10
    caller.say(tone(500, 160))
    room.wait(1000)
    assert len(other.sound()) < len(noise) + 1600


def test_loudest_does_not_overflow(room: Room) -> None:
    caller, agent, other = room.phone(), room.phone(), room.phone()
    room.gain(other, caller)
    room.gain(other, agent)
    fall_silent(caller, 0)
    room.wait(200)
    assert rms(other.sound()) == pytest.approx(32768 / math.sqrt(3), rel=0.1)


def test_it_is_passed_on_where_both_sides_know_it(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    room.switch.set_codec(agent.node, 8, 8, 101, comfort_noise=True)
    room.gain(agent, caller)
    caller.say(tone(500, 160))
    said = fall_silent(caller, 60)
    assert agent.heard[1].payload_type == 13
    assert agent.heard[1].payload == said.payload
    assert agent.heard[1].sequence == (agent.heard[0].sequence + 1) & 0xFFFF
    assert agent.heard[1].timestamp == (agent.heard[0].timestamp + 160) & 0xFFFFFFFF
