"""What changes while somebody listens is heard as a change, not as a click: a tone keeps its energy at its pitch."""

from __future__ import annotations

import numpy as np
import pytest

from media import g711
from tests.media.room import FarEnd, Room, Samples, converse, loudness, tone

CALLER, AGENT = 500.0, 900.0
LEVEL = 8000


def splash(sound: Samples) -> float:
    """The loudest energy above 2 kHz in any 8 ms, relative to the whole sound's: a click is broad, a tone is not."""
    window = np.hanning(64)
    worst = 0.0
    for start in range(0, len(sound) - 64, 16):
        spectrum = np.abs(np.fft.rfft(sound[start : start + 64] * window)) ** 2
        worst = max(worst, float(spectrum[16:].sum()))
    return worst / (LEVEL**2 * 64)


def speak(room: Room, phones: dict[FarEnd, float], frames: int, first: int = 0) -> None:
    for number in range(first, first + frames):
        for phone, hertz in phones.items():
            phone.say(tone(hertz, 160, LEVEL, start=160 * number))
        room.wait(20)


def hard_cut() -> Samples:
    """What must not be heard."""
    sound = tone(CALLER, 4000, LEVEL)
    sound[2004:] = 0
    return g711.alaw_decode(g711.alaw_encode(sound))


def test_a_hard_cut_would_be_noticed() -> None:
    assert splash(hard_cut()) > 30 * splash(g711.alaw_decode(g711.alaw_encode(tone(CALLER, 4000, LEVEL))))


@pytest.mark.parametrize(("before", "after"), [(0.5, 1.5), (1.5, 0.2), (0.5, 0.0), (0.0, 0.7)])
def test_a_level_changes_without_a_click(room: Room, before: float, after: float) -> None:
    caller, listener = room.phone(), room.phone()
    room.switch.play(room.player(listener), bytes(32_000), False)  # silence, which goes on when nothing else is heard
    room.gain(listener, caller, before)
    room.gain(room.phone(), caller, 0.5)  # a second mix: the caller sounds before the listener hears
    speak(room, {caller: CALLER}, 30)
    room.wait(3)
    room.gain(listener, caller, after)
    speak(room, {caller: CALLER}, 30, 30)
    sound = listener.sound()[1600:]
    assert splash(sound) < splash(hard_cut()) / 10
    assert loudness(sound[-1600:], CALLER) == pytest.approx(after * LEVEL, rel=0.02, abs=9)


@pytest.mark.parametrize("already", ["a relay", "a mix"])
def test_who_joins_in_the_middle_of_a_word_does_not_click(room: Room, already: str) -> None:
    """A supervisor who speaks all the time barges in."""
    caller, agent, supervisor = room.phone(), room.phone(), room.phone()
    room.gain(caller, agent)
    if already == "a mix":
        room.switch.play(room.player(caller), bytes(32_000), False)
    for number in range(60):
        agent.say(np.zeros(160, np.int16))
        supervisor.say(tone(CALLER, 160, LEVEL, start=160 * number + 37))
        room.wait(3)
        if number == 30:
            room.gain(caller, supervisor)
        room.wait(17)
    sound = caller.sound()[1600:]
    assert splash(sound) < splash(hard_cut()) / 10
    assert loudness(sound[-1600:], CALLER) == pytest.approx(LEVEL, rel=0.02)


def test_a_relay_that_becomes_softer_does_so_in_5_ms(room: Room) -> None:
    caller, listener = room.phone(), room.phone()
    room.gain(listener, caller)
    for number in range(40):
        caller.say(np.full(160, 8000, np.int16))
        room.wait(3)
        if number == 20:
            room.gain(listener, caller, 0.25)
        room.wait(17)
    heard = listener.sound()
    between = heard[(heard > 2100) & (heard < 7500)]
    assert 25 < len(between) < 40
    assert (np.diff(between) <= 0).all()


@pytest.mark.parametrize("before", [0.25, 2.0])
def test_a_mix_that_becomes_a_relay_changes_its_level_in_5_ms(room: Room, before: float) -> None:
    """What is left in the jitter buffer goes out at once; the relay that follows passes bit for bit."""
    caller, listener = room.phone(), room.phone()
    room.gain(listener, caller, before)
    for number in range(40):
        caller.say(np.full(160, 8000, np.int16))
        room.wait(3)
        if number == 20:
            room.gain(listener, caller)
        room.wait(17)
    heard = listener.sound()[1600:]
    low, high = sorted((before * 8000, 8000.0))
    between = heard[(heard > 1.05 * low) & (heard < 0.95 * high)]
    assert 25 < len(between) < 40
    assert (np.diff(between) * (1 - before) >= 0).all()
    assert (heard[-160:] == heard[-1]).all()


def test_a_level_that_nobody_has_heard_yet_is_not_gone_on_from(room: Room) -> None:
    caller, listener = room.phone(), room.phone()
    room.gain(listener, caller, 0.25)
    for _ in range(20):
        caller.say(np.full(160, 8000, np.int16))
        room.wait(20)
    listener.heard.clear()
    room.gain(listener, caller)  # would be relayed, but turns back before anything comes
    room.gain(listener, caller, 0.25)
    room.wait(20)
    assert listener.sound().max() < 2200


def test_who_was_relayed_goes_on_as_loud_when_others_join(room: Room) -> None:
    caller, listener, other = room.phone(), room.phone(), room.phone()
    caller.say(np.full(160, 8000, np.int16))
    room.gain(listener, other, 0.5)
    room.gain(listener, caller)  # would fade in, but is relayed before the next tick
    room.gain(listener, other, 0.0)
    for _ in range(5):
        room.wait(20)
        caller.say(np.full(160, 8000, np.int16))
    listener.heard.clear()
    room.gain(listener, other)
    room.wait(1)
    assert listener.sound()[:40].min() > 7500


def test_a_level_takes_5_ms(room: Room) -> None:
    listener = room.phone()
    player, other = room.player(listener), room.player(listener)
    for node in (player, other):
        room.switch.play(node, np.full(8000, 8000 if node == player else 0, np.int16).tobytes(), False)
    room.wait(100)
    room.gain(listener, player, 0.25)
    listener.heard.clear()
    room.wait(40)
    sound = listener.sound()
    assert sound[0] > 7500
    assert (np.diff(sound[:41]) <= 0).all()
    assert set(sound[40:].tolist()) == {int(g711.alaw_decode(g711.alaw_encode(np.array([2000], np.int16)))[0])}


def test_a_prompt_that_is_stopped_dies_away(room: Room) -> None:
    caller = room.phone()
    prompt = room.player(caller)
    room.switch.play(prompt, tone(CALLER, 8000, LEVEL).tobytes(), False)
    room.wait(111)
    room.switch.stop(prompt)
    room.wait(100)
    assert splash(caller.sound()[160:]) < splash(hard_cut()) / 10
    assert not abs(caller.sound()[-100:]).max() > 8


def test_a_prompt_may_follow_at_once_on_one_that_was_stopped(room: Room) -> None:
    caller = room.phone()
    prompt = room.player(caller)
    room.switch.play(prompt, np.full(800, 8000, np.int16).tobytes(), False)
    room.wait(41)
    room.switch.stop(prompt)
    room.switch.play(prompt, np.full(320, 1000, np.int16).tobytes(), False)
    caller.heard.clear()
    room.wait(100)
    sound = caller.sound()
    assert len(sound) == 320
    assert sound[0] > 8000
    assert set(sound[40:].tolist()) == {int(g711.alaw_decode(g711.alaw_encode(np.array([1000], np.int16)))[0])}


def test_nobody_hears_himself_in_a_conference(room: Room) -> None:
    phones = [room.phone() for _ in range(5)]
    for listener in phones:
        for source in phones:
            if listener is not source:
                room.gain(listener, source)
    tones = {phone: 300.0 + 200 * number for number, phone in enumerate(phones)}
    converse(room, 60, tones)
    for listener in phones:
        for source, hertz in tones.items():
            expected = 0.0 if source is listener else 4000
            assert loudness(listener.sound()[1600:], hertz) == pytest.approx(expected, abs=120)


class TestInARecording:
    """What changes in a call does not click in its recording either."""

    def recorded(self, room: Room, before: float, after: float) -> Samples:
        caller = room.phone()
        left, _ = room.switch.open_recorder()
        room.gain(left, caller, before)
        speak(room, {caller: CALLER}, 30)
        room.wait(3)
        room.gain(left, caller, after)
        speak(room, {caller: CALLER}, 30, 30)
        room.wait(900)
        return room.recording()[:9600, 0]

    @pytest.mark.parametrize(("before", "after"), [(0.5, 1.5), (1.5, 0.2), (0.5, 0.0), (0.0, 0.7)])
    def test_a_level_changes_without_a_click(self, room: Room, before: float, after: float) -> None:
        sound = self.recorded(room, before, after)
        assert splash(sound[160:9440]) < splash(hard_cut()) / 10
        assert loudness(sound[1600:3200], CALLER) == pytest.approx(before * LEVEL, rel=0.02, abs=9)
        assert loudness(sound[6400:9600], CALLER) == pytest.approx(after * LEVEL, rel=0.02, abs=9)

    def test_who_speaks_only_later_is_not_faded_out(self, room: Room) -> None:
        caller = room.phone()
        left, _ = room.switch.open_recorder()
        room.gain(left, caller)
        caller.say(np.full(160, 8000, np.int16))
        room.wait(30)
        room.gain(left, caller, 0.0)
        room.wait(500)
        caller.say(np.full(160, 8000, np.int16))
        room.wait(900)
        assert np.flatnonzero(room.recording()[:, 0]).max() < 160

    def test_what_begins_is_whole(self, room: Room) -> None:
        caller = room.phone()
        left, _ = room.switch.open_recorder()
        room.gain(left, caller)
        caller.say(np.full(160, 8000, np.int16))
        room.wait(900)
        assert len(set(room.recording()[:160, 0].tolist())) == 1
