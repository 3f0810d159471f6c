"""A disk that does not answer: recordings have a ring of four seconds, and what finds no room in it is silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from media import _core, g711
from media.engine import RecorderTrouble
from tests.media.room import Room, tone
from tests.media.test_tone_digits import key_tone

RING = 32_768
"""Samples that wait for the disk at most."""
SETTLES = 2400
"""Samples that wait for packets that come late, and are nobody's to write yet."""


class Disk:
    """A switch whose recordings are written only while the disk answers."""

    def __init__(self) -> None:
        self.switch: Any = _core.Switch()
        self.answers = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.switch, name)

    def take_recorded(self) -> list[tuple[int, int, bytes]]:
        taken: list[tuple[int, int, bytes]] = self.switch.take_recorded() if self.answers else []
        return taken


@pytest.mark.parametrize("mask_tones", [False, True])
def test_what_finds_no_room_is_silence_and_the_rest_is_in_its_place(mask_tones: bool) -> None:
    disk = Disk()
    room = Room(lambda: disk)
    caller, agent = room.phone(), room.phone()
    room.gain(agent, caller)
    left, right = room.switch.open_recorder(mask_tones)
    room.gain(left, caller)
    room.gain(right, agent)
    said = tone(400, 160 * 600, 3000)
    pressings = (12_000, 20_000, 42_000, 80_000)  # while the disk answers, twice while it does not, and afterwards
    for pressed in pressings:
        said[pressed : pressed + 1600] = key_tone("5", 200)
    for number in range(600):
        disk.answers = not 100 <= number < 400
        for phone in (caller, agent):
            phone.say(said[160 * number : 160 * number + 160])
        room.wait(20)
    room.wait(1000)

    heard = g711.alaw_decode(g711.alaw_encode(said))
    assert np.array_equal(agent.sound(), heard)  # whatever the disk does
    assert room.of(RecorderTrouble) == [RecorderTrouble(left, "the disk is too slow; parts are left silent")]
    full = 160 * 100 - SETTLES + RING - 1000  # a little earlier where the writer looks ahead for tones
    again = 160 * 400 + 160
    expected = np.stack([heard, heard], axis=1)
    file = room.recording()[: len(said)]
    for pressed in pressings if mask_tones else ():
        expected[pressed : pressed + 1600] = 0
        for edge in (slice(pressed - 480, pressed), slice(pressed + 1600, pressed + 2080)):  # faded, more or less
            expected[edge] = file[edge]
    assert np.array_equal(file[:full], expected[:full])
    assert not file[full + 1000 : again - 320].any()
    assert np.array_equal(file[again:], expected[again:])
