"""A far end that numbers its formats otherwise than we do: it is sent its own numbers, and heard by both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from media.engine import Codec, DigitPressed
from media.native import leg_stats
from tests.media.room import FarEnd, Room, converse, tone

OURS = 97, 101
"""Audio (linear samples) and keys by our description."""


def renumbering(room: Room, audio: int, digits: int) -> FarEnd:
    """A phone that takes other numbers than ours."""
    phone = room.phone(Codec.L16)
    room.switch.set_codec(
        phone.node, Codec.L16, audio, digits, receive_payload_type=OURS[0], receive_digit_payload_type=OURS[1]
    )
    return phone


def says(phone: FarEnd, number: int, sound: float) -> None:
    samples = tone(sound, 160)
    phone.send(replace(phone.packet(phone.coder.encode(samples)), payload_type=number))
    phone.room.wait(20)


def presses(phone: FarEnd, number: int, key: int) -> None:
    phone.send(replace(phone.event(key, 160, marker=True), payload_type=number))
    phone.send(replace(phone.event(key, 320, end=True), payload_type=number))
    phone.timestamp += 480
    phone.room.wait(20)


def keys(room: Room) -> str:
    return "".join(event.key for event in room.of(DigitPressed))


@pytest.mark.parametrize("number", [97, 110])
def test_audio_is_heard_under_our_number_and_under_theirs(room: Room, number: int) -> None:
    caller, agent = renumbering(room, 110, 96), room.phone(Codec.L16)
    room.gain(agent, caller)
    says(caller, number, 500)
    np.testing.assert_array_equal(agent.sound(), tone(500, 160))


@pytest.mark.parametrize("number", [101, 96])
def test_keys_are_known_under_our_number_and_under_theirs(room: Room, number: int) -> None:
    caller = renumbering(room, 110, 96)
    presses(caller, number, 4)
    assert keys(room) == "4"


def test_what_is_relayed_mixed_and_pressed_goes_out_under_theirs(room: Room) -> None:
    caller, agent, other = renumbering(room, 110, 96), room.phone(Codec.L16), room.phone()
    room.gain(caller, agent)
    agent.say(tone(500, 160))
    presses(agent, 101, 5)
    assert [packet.payload_type for packet in caller.heard] == [110, 96, 96]
    room.switch.send_digit(caller.node, "6", 100)
    room.wait(300)
    assert {packet.payload_type for packet in caller.heard[3:]} == {96}
    pressed = len(caller.heard)
    room.gain(caller, other)
    converse(room, 10, {agent: 500, other: 900})
    assert {packet.payload_type for packet in caller.heard[pressed:]} == {110}


def test_numbers_that_are_exchanged_mean_what_we_wrote(room: Room) -> None:
    caller, agent = renumbering(room, 101, 97), room.phone(Codec.L16)
    room.gain(agent, caller)
    says(caller, 97, 500)
    presses(caller, 101, 4)
    says(caller, 97, 900)
    assert keys(room) == "4"
    np.testing.assert_array_equal(agent.sound(), np.concatenate([tone(500, 160), tone(900, 160)]))


def test_their_number_for_keys_that_is_ours_for_audio_is_audio(room: Room) -> None:
    caller = renumbering(room, 110, 97)
    for number in (97, 110, 97):
        says(caller, number, 500)
    presses(caller, 101, 3)
    stats = leg_stats(room.switch.stats(caller.node))
    assert (keys(room), stats.packets_in, stats.dropped_malformed) == ("3", 5, 0)


def test_a_number_of_neither_is_refused_and_told(room: Room) -> None:
    caller = renumbering(room, 110, 96)
    for number in (97, 110, 98):
        says(caller, number, 500)
    caller.send(replace(caller.packet(b"\x04\x0a\x00"), payload_type=96))  # known, but no whole event
    stats = leg_stats(room.switch.stats(caller.node))
    assert (stats.packets_in, stats.dropped_malformed) == (2, 2)
    assert (stats.dropped_foreign, stats.foreign_type) == (1, 98)


def test_a_new_agreement_takes_the_other_numbers_back(room: Room) -> None:
    caller = renumbering(room, 110, 96)
    room.switch.set_codec(caller.node, Codec.L16, 110, 96)
    says(caller, 97, 500)
    presses(caller, 101, 4)
    says(caller, 110, 500)
    presses(caller, 96, 5)
    assert (keys(room), leg_stats(room.switch.stats(caller.node)).packets_in) == ("5", 3)


@pytest.mark.parametrize(
    ("digits", "received", "wrong"),
    [
        (101, {"receive_payload_type": 101}, "different payload types"),
        (101, {"receive_digit_payload_type": 110}, "different payload types"),
        (101, {"receive_payload_type": 97, "receive_digit_payload_type": 97}, "different payload types"),
        (101, {"receive_payload_type": 128}, "0…127"),
        (101, {"receive_digit_payload_type": 128}, "0…127"),
        (-1, {"receive_digit_payload_type": 101}, "give set_codec a digit_payload_type"),
    ],
)
def test_numbers_that_cannot_be_are_refused(room: Room, digits: int, received: dict[str, int], wrong: str) -> None:
    caller = room.phone(Codec.L16)
    with pytest.raises(ValueError, match=wrong):
        room.switch.set_codec(caller.node, Codec.L16, 110, digits, **received)
