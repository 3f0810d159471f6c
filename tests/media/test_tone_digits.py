"""Keys as tones in the audio, for far ends that did not agree to telephone-events (ITU-T Q.23, Q.24)."""

from __future__ import annotations

import numpy as np
import pytest

from media._core import ToneDigits
from media.engine import Codec, DigitPressed
from media.reference.rtp import Packet, TelephoneEvent
from tests.media.room import FarEnd, Room, Samples
from tests.partners.speech import speech, speechlike, transcripts

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
LAYOUT = "123A456B789C*0#D"
LONG_PAUSE = np.zeros(800, np.int16)


def key_tone(key: str, ms: int = 80, level: float = 4000, twist: float = 1.0) -> Samples:
    at = np.arange(8 * ms) / 8000
    row, column = divmod(LAYOUT.index(key), 4)
    low, high = np.sin(2 * np.pi * ROWS[row] * at), np.sin(2 * np.pi * COLUMNS[column] * at)
    return (level * (low + twist * high)).astype(np.int16)


def say(room: Room, phone: FarEnd, sound: Samples, lose: tuple[int, ...] = ()) -> None:
    for number in range(len(sound) // 160):
        packet = phone.packet(phone.coder.encode(sound[160 * number : 160 * number + 160]))
        if number not in lose:
            phone.send(packet)
        room.wait(20)


def keys(room: Room) -> str:
    assert all(event.in_band for event in room.of(DigitPressed))
    return "".join(event.key for event in room.of(DigitPressed))


@pytest.mark.parametrize("codec", Codec)
def test_every_key_by_every_codec(room: Room, codec: Codec) -> None:
    caller = room.phone(codec, digits=None)
    say(room, caller, np.concatenate([part for key in LAYOUT for part in (key_tone(key), LONG_PAUSE)]))
    assert keys(room) == LAYOUT


@pytest.mark.parametrize("level", [500, 1000, 12000])
@pytest.mark.parametrize("twist", [0.6, 1.0, 1.4])
def test_soft_loud_and_twisted(room: Room, level: float, twist: float) -> None:
    caller = room.phone(digits=None)
    say(room, caller, np.concatenate([key_tone("7", level=level, twist=twist), LONG_PAUSE, key_tone("7", level=level)]))
    assert keys(room) == "77"


def test_a_long_press_is_one_key(room: Room) -> None:
    caller = room.phone(digits=None)
    say(room, caller, key_tone("5", ms=3000))
    assert keys(room) == "5"


@pytest.mark.parametrize("lost", [(2,), (3,), (2, 3), (1, 4)])
def test_a_lost_packet_makes_neither_two_nor_none(room: Room, lost: tuple[int, ...]) -> None:
    caller = room.phone(digits=None)
    say(room, caller, np.concatenate([key_tone("9", ms=240), LONG_PAUSE]), lose=lost)
    assert keys(room) == "9"


def test_a_pause_that_is_not_sent_is_a_pause(room: Room) -> None:
    caller = room.phone(digits=None)
    for _ in range(2):
        say(room, caller, key_tone("4", ms=100))
        caller.timestamp += 4000
        room.wait(500)
    assert keys(room) == "44"


def test_where_telephone_events_were_agreed_on_tones_are_only_sound(room: Room) -> None:
    caller = room.phone(digits=101)
    for number in range(5):  # an adapter that sends a key both ways
        caller.say(key_tone("6", ms=100)[160 * number : 160 * number + 160])
        event = bytes(TelephoneEvent(6, False, 160 * (number + 1)))
        caller.send(Packet(101, caller.sequence & 0xFFFF, 0, caller.ssrc, event))
        caller.sequence += 1
        room.wait(20)
    assert room.of(DigitPressed) == [DigitPressed(room.of(DigitPressed)[0].node, "6")]


def test_a_new_agreement_begins_and_ends_the_listening(room: Room) -> None:
    caller = room.phone(digits=101)
    for digits, key in ((-1, "1"), (101, "2"), (-1, "3")):
        room.switch.set_codec(caller.node, 8, 8, digits)
        say(room, caller, np.concatenate([LONG_PAUSE, key_tone(key), LONG_PAUSE]))
    assert keys(room) == "13"


def test_a_hold_does_not_press_a_held_key_again(room: Room) -> None:
    caller = room.phone(digits=None)
    say(room, caller, key_tone("8", ms=200))
    room.switch.set_codec(caller.node, 8, 8, -1)
    say(room, caller, key_tone("8", ms=200))
    assert keys(room) == "8"


def test_a_key_is_heard_by_the_listener_as_sound_and_sent_to_nobody_as_an_event(room: Room) -> None:
    caller, agent = room.phone(digits=None), room.phone()
    room.gain(agent, caller)
    say(room, caller, key_tone("8", ms=200))
    assert keys(room) == "8"
    assert {packet.payload_type for packet in agent.heard} == {8}


def false_keys(sound: Samples) -> str:
    tones = ToneDigits()
    return "".join(tones.hear(at, False, sound[at : at + 160].tobytes()) for at in range(0, len(sound) - 159, 160))


def test_no_keys_in_speech_like_sound() -> None:
    assert "".join(false_keys(speechlike(20.0, seed)) for seed in range(10)) == ""


@pytest.mark.skipif(not transcripts(), reason="the recordings of people are not here")
def test_no_keys_in_human_speech() -> None:
    """Talk-off: 18 minutes of 258 people and no false key when this was written."""
    heard = {name: false_keys(speech(name).pcm) for name in transcripts()}
    assert sum(speech(name).seconds for name in transcripts()) > 600
    assert {name: found for name, found in heard.items() if found} == {}
