"""Keys that are heard as tones stay out of a recording that is told so; what is said before and after stays in."""

from __future__ import annotations

import numpy as np
import pytest

from media import g711
from tests.media.room import Room, Samples, loudness, tone
from tests.media.test_tone_digits import COLUMNS, LAYOUT, ROWS, key_tone
from tests.partners.speech import speech, speechlike, transcripts

SAID = tone(400, 8000, 3000)


def call(room: Room, sound: Samples, *, mask_tones: bool = True) -> Samples:
    """The left channel of a recording of ``sound``."""
    caller = room.phone(digits=101)
    left, _ = room.switch.open_recorder(mask_tones)
    room.gain(left, caller)
    for start in range(0, len(sound) - 159, 160):
        caller.say(sound[start : start + 160])
        room.wait(20)
    room.wait(1000)
    return room.recording()[: len(sound), 0]


def law(sound: Samples) -> Samples:
    return g711.alaw_decode(g711.alaw_encode(sound))


def loudest_line(sound: Samples, hertz: float) -> float:
    """The amplitude of one tone in the 20 ms that have most of it."""
    return max(loudness(sound[at : at + 160], hertz) for at in range(0, len(sound) - 159, 40))


@pytest.mark.parametrize("key", LAYOUT)
@pytest.mark.parametrize("offset", [0, 37, 101])
def test_no_line_of_the_key_is_left(room: Room, key: str, offset: int) -> None:
    before = np.zeros(8000 + offset, np.int16)
    sound = np.concatenate([before, key_tone(key, 120), np.zeros(4000, np.int16)])
    row, column = divmod(LAYOUT.index(key), 4)
    kept, plain = call(room, sound), call(Room(type(room.switch)), sound, mask_tones=False)
    for hertz in (ROWS[row], COLUMNS[column]):
        assert loudest_line(plain, hertz) > 3500
        assert loudest_line(kept, hertz) < 40


def test_speech_before_and_after_is_intact(room: Room) -> None:
    sound = np.concatenate([SAID, key_tone("5", 200), SAID])
    kept = call(room, sound)
    assert np.array_equal(kept[:7520], law(SAID)[:7520])  # 60 ms before the tone
    assert np.array_equal(kept[9600 + 480 :], law(SAID)[480:])  # and after it
    assert not kept[8000:9600].any()


def test_a_number_is_left_out_key_by_key(room: Room) -> None:
    pause = np.zeros(480, np.int16)
    keys = [part for key in "4929384756" for part in (key_tone(key, 70), pause)]
    kept = call(room, np.concatenate([SAID, *keys, SAID]))
    assert abs(kept[8000 : 8000 + 10 * (560 + 480) - 480]).max() <= 8  # A-law's softest


def test_the_other_side_is_masked_too_and_keeps_its_words(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    left, right = room.switch.open_recorder(True)
    room.gain(left, caller)
    room.gain(right, agent)
    pressed = key_tone("8", 400)
    for start in range(0, 3200, 160):
        caller.say(pressed[start : start + 160])
        agent.say(SAID[start : start + 160])
        room.wait(20)
    room.wait(1000)
    recording = room.recording()
    assert not recording[:3200, 0].any()
    assert np.array_equal(recording[:3200, 1], law(SAID[:3200]))


@pytest.mark.skipif(not transcripts(), reason="without recordings of people")
def test_people_are_not_taken_for_keys(room: Room) -> None:
    changed = seconds = 0.0
    for name in [*transcripts()][::30]:
        said = speech(name).pcm
        said = said[: len(said) // 160 * 160]
        changed += np.count_nonzero(call(Room(type(room.switch)), said) != law(said)) / 8000
        seconds += len(said) / 8000
    assert changed < seconds / 100


def test_what_sounds_like_speech_is_not_taken_for_keys(room: Room) -> None:
    said = speechlike(2.0)
    said = said[: len(said) // 160 * 160]
    assert np.array_equal(call(room, said), law(said))
