"""From relay to mix: what is made up until the mix has the speaker's next packet is short, and nobody hears a gap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from media import g711
from tests.media.room import MS, Room, Samples

PACKETS, JOINED = 30, 10


def speech(samples: int) -> Samples:
    """Voiced for as long as it lasts, and nowhere like itself."""
    chance = np.random.default_rng(3)
    noise = np.convolve(chance.normal(0, 3000, samples + 31), np.hanning(32) / 8, "valid")
    return g711.alaw_decode(g711.alaw_encode(noise.clip(-20_000, 20_000).astype(np.int16)))


def joined(room: Room, length: int, when: int, late: int = 0) -> tuple[Samples, Samples, int]:
    """What is made up, what is heard of the caller from then on, and for how many samples the listener is sent nothing.

    Packets of ``length`` samples are relayed until a supervisor, who is silent, joins ``when`` milliseconds behind one
    of them. The next one is ``late`` by so many."""
    caller, listener, supervisor = (room.phone() for _ in range(3))
    room.gain(listener, caller)
    said, began = speech(length * PACKETS), room.now
    moments = [(number * length / 8, number) for number in range(PACKETS)]
    moments[JOINED + 1] = ((JOINED + 1) * length / 8 + late, JOINED + 1)
    for moment, number in sorted([*moments, (JOINED * length / 8 + when, PACKETS)]):
        room.wait(moment - (room.now - began) / MS)
        if number == PACKETS:
            room.gain(listener, supervisor)
        else:
            caller.say(said[length * number : length * (number + 1)])
    room.wait(100)
    relayed = length * (JOINED + 1)
    heard = listener.sound()
    assert np.array_equal(heard[:relayed], said[:relayed])
    follows = said[relayed + 10 : relayed + 90]  # what was made up fades into the first 1.25 ms
    [begin] = [at for at in range(relayed, relayed + 1600) if np.array_equal(heard[at + 10 : at + 90], follows)]
    times = [packet.timestamp for packet in listener.audio()]
    sent = [len(packet.payload) for packet in listener.audio()]
    silent = sum((later - time) % 2**32 - count for (time, later), count in zip(pairwise(times), sent, strict=False))
    return heard[relayed:begin], heard[begin : begin + len(said) - relayed], silent


def unbroken(heard: Samples, length: int) -> bool:
    """Whether all that was said after the change is heard, without another gap."""
    said = speech(length * PACKETS)[length * (JOINED + 1) :]
    return np.array_equal(heard[10:], said[10:])


def softest(made_up: Samples) -> int:
    """The peak of its softest 5 ms."""
    return int(abs(made_up.reshape(-1, 40).astype(np.int32)).max(axis=1).min())


@pytest.mark.parametrize(("ms", "most_ms"), [(20, 40), (30, 50), (40, 40), (60, 60)])
def test_what_is_made_up_is_40_ms_or_a_packet_and_never_silence(room: Room, ms: int, most_ms: int) -> None:
    for when in range(1, ms, 4):
        made_up, heard, silent = joined(Room(type(room.switch)), 8 * ms, when)
        assert 8 * 40 <= len(made_up) <= 8 * most_ms, when
        assert (softest(made_up) > 50, silent) == (True, 0), when
        assert unbroken(heard, 8 * ms), when


@pytest.mark.parametrize(("when", "silent_ms"), [(1, 20), (65, 6)])
def test_a_packet_that_is_late_costs_that_and_no_more(room: Room, when: int, silent_ms: int) -> None:
    """What can be made up is: 60 ms. A change that comes when the packet is late already finds a gap."""
    made_up, heard, silent = joined(room, 480, when, late=15)
    assert len(made_up) <= 8 * 60
    assert (softest(made_up) > 50, silent) == (True, 8 * silent_ms)
    assert unbroken(heard, 480)


def test_who_speaks_again_after_a_pause_begins_with_the_whole_delay(room: Room) -> None:
    caller, listener, supervisor = (room.phone() for _ in range(3))
    room.gain(listener, caller)
    caller.say(speech(160))
    room.gain(listener, supervisor)
    room.wait(1000)
    listener.heard.clear()
    caller.timestamp += 8000
    caller.say(speech(160))
    room.wait(100)
    assert 320 <= np.flatnonzero(abs(listener.sound()) > 8)[0] < 340
