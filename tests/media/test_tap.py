"""What a recogniser is given: everything, in order, and a time line that never shrinks."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import cast

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media import g711
from media.engine import Codec
from tests.media.room import SWITCHES, FarEnd, Room, Samples, loudness, tone

SAID = tone(500, 160 * 50)


def tapped(room: Room) -> Samples:
    return np.frombuffer(b"".join(room.tapped), np.int16)


def law(samples: Samples) -> Samples:
    return g711.alaw_decode(g711.alaw_encode(samples))


def listened(room: Room, rate: int = 8000, codec: Codec = Codec.PCMA) -> FarEnd:
    caller = room.phone(codec)
    room.gain(room.switch.open_tap(20, rate), caller)
    return caller


def packets(caller: FarEnd, sound: Samples = SAID) -> list[bytes]:
    return [bytes(caller.packet(caller.coder.encode(part))) for part in sound.reshape(-1, 160)]


class TestOrder:
    """Late packets find their place, as long as it is worth waiting."""

    @pytest.mark.parametrize("behind", [1, 2])
    def test_what_comes_late_is_put_in_order(self, room: Room, behind: int) -> None:
        caller = listened(room)
        sent = packets(caller)
        for n in range(10, 40, 10):
            sent.insert(n + behind, sent.pop(n))
        for packet in sent:
            caller.send(packet)
            room.wait(20)
        assert np.array_equal(tapped(room), law(SAID))

    def test_what_is_in_order_waits_for_nobody(self, room: Room) -> None:
        caller = listened(room)
        for number, packet in enumerate(packets(caller)):
            caller.send(packet)
            assert len(room.tapped) == number + 1
            room.wait(20)

    def test_a_lost_packet_is_made_up_after_60_ms(self, room: Room) -> None:
        caller = listened(room)
        came: list[int] = []
        for number, packet in enumerate(packets(caller)):
            if number != 20:
                caller.send(packet)
            came.append(len(room.tapped))
            room.wait(20)
        assert came[19:26] == [20, 20, 20, 20, 20, 25, 26]
        heard = tapped(room)
        assert len(heard) == len(SAID)
        assert np.array_equal(np.delete(heard, slice(3200, 3400)), np.delete(law(SAID), slice(3200, 3400)))
        assert loudness(heard[3200:3360], 500) > 3000  # 500 Hz go on without a seam

    def test_who_always_comes_too_late_is_waited_for_longer(self, room: Room) -> None:
        caller = listened(room)
        sent = packets(caller)
        for n in range(0, 50, 10):
            sent.insert(n + 6, sent.pop(n + 1))  # 100 ms late
        for packet in sent:
            caller.send(packet)
            room.wait(20)
        heard, said = tapped(room).reshape(-1, 160), law(SAID).reshape(-1, 160)
        right = [n for n in range(1, 50, 10) if np.array_equal(heard[n], said[n])]
        assert len(heard) == len(said)
        assert right == [11, 21, 31, 41]

    def test_duplicates_are_heard_once(self, room: Room) -> None:
        caller = listened(room)
        for packet in packets(caller):
            caller.send(packet)
            caller.send(packet)
            room.wait(20)
        assert np.array_equal(tapped(room), law(SAID))

    @given(st.integers(0, 10_000), st.sampled_from([8000, 16000]), st.sampled_from([80, 160, 320]))
    @settings(max_examples=40)
    def test_any_network_leaves_every_sample_its_time(self, seed: int, rate: int, length: int) -> None:
        sound = SAID[: 8000 // length * length]
        outcomes = []
        for make in SWITCHES.values():
            room, chance = Room(make), random.Random(seed)
            caller = listened(room, rate)
            sent = [bytes(caller.packet(caller.coder.encode(part))) for part in sound.reshape(-1, length)]
            arrive = [n for n in range(len(sent)) if n == 0 or chance.random() < 0.9]
            due = [(n * length / 8 + chance.random() * 90, sent[n]) for n in arrive]
            for at, packet in sorted(due):
                room.wait(max(0.0, at - (room.now / 1e6 - 1000)))
                caller.send(packet)
            room.wait(350)
            outcomes.append(room.tapped)
            newest = max(arrive)
            expected = (newest + 1) * length * rate // 8000
            begins_late = 90 * rate // 1000
            # Behind the newest packet a tap makes up 20 ms at a time; that one need not have come last.
            without = max(due)[0] + 350 - next(at for at, packet in due if packet is sent[newest])
            assert expected - begins_late - 320 < len(tapped(room)) <= expected + (without + 20) * rate / 1000
        assert outcomes[0] == outcomes[1]


class TestSlowReader:
    """Who does not read finds the last four seconds."""

    @pytest.mark.parametrize("rate", [8000, 16_000])
    @pytest.mark.parametrize("piece_ms", [20, 100])
    def test_loses_the_oldest_and_is_told_how_much(self, room: Room, piece_ms: int, rate: int) -> None:
        caller, said = room.phone(), tone(500, 160 * 300)
        tap = room.switch.open_tap(piece_ms, rate)
        room.gain(tap, caller)
        room.reading = False
        for packet in packets(caller, said):
            caller.send(packet)
        room.reading = True
        room.collect()
        size = rate * piece_ms // 1000
        assert room.positions[tap] == list(range(2 * rate, 6 * rate, size))
        assert room.switch.tap_drops(tap) == 2000 // piece_ms
        if rate == 8000:
            assert np.array_equal(tapped(room), law(said)[16_000:])
        for packet in packets(caller):
            caller.send(packet)
        assert room.positions[tap] == list(range(2 * rate, 7 * rate, size))

    def test_a_loss_behind_what_was_dropped_is_made_up_all_the_same(self, room: Room) -> None:
        caller = listened(room)
        room.reading = False
        sent = packets(caller, tone(500, 160 * 300))
        del sent[280]
        for packet in sent:
            caller.send(packet)
            room.wait(20)
        room.reading = True
        room.collect()
        assert loudness(tapped(room)[180 * 160 : 181 * 160], 500) > 3000

    def test_only_taps_have_one(self, room: Room) -> None:
        with pytest.raises(KeyError):
            room.switch.tap_drops(room.phone().node)


class TestSilence:
    """The recogniser's clock goes on while the far end sends nothing."""

    def speak(self, room: Room, caller: FarEnd, packets: int = 25) -> None:
        for number in range(packets):
            caller.say(tone(500, 160, start=160 * number))
            room.wait(20)

    @pytest.mark.parametrize("rate", [8000, 16000])
    @pytest.mark.parametrize("pause_ms", [400, 1000, 3330])
    def test_silence_that_is_not_sent_has_its_length(self, room: Room, pause_ms: int, rate: int) -> None:
        caller = listened(room, rate)
        self.speak(room, caller)
        room.wait(pause_ms)
        caller.timestamp += 8 * pause_ms
        self.speak(room, caller)
        heard = tapped(room)
        assert abs(len(heard) * 1000 / rate - 1000 - pause_ms) <= 25
        voiced = np.flatnonzero(abs(heard) > 100)
        assert np.diff(voiced).max() * 1000 / rate == pytest.approx(pause_ms, abs=25)

    def test_it_goes_on_during_the_silence(self, room: Room) -> None:
        caller = listened(room)
        self.speak(room, caller)
        for _ in range(20):
            room.wait(500)
            assert room.now / 1e6 - 1000 - len(tapped(room)) / 8 <= 320

    def test_comfort_noise_is_heard_as_loud_as_it_is(self, room: Room) -> None:
        caller = listened(room)
        left, _ = room.switch.open_recorder()
        room.gain(left, caller)
        self.speak(room, caller)
        caller.send(replace(caller.packet(bytes([40])), payload_type=13))
        room.wait(2000)
        caller.timestamp += 16_000 - 1
        self.speak(room, caller)
        room.wait(1000)
        level = 32768 / 100
        for heard in (tapped(room), room.recording()[:, 0]):
            noise = heard[4800:19_200].astype(float)
            assert np.sqrt(np.mean(noise**2)) == pytest.approx(level, rel=0.1)
            assert loudness(heard[20_000:24_000], 500) == pytest.approx(4000, rel=0.05)

    def test_a_far_end_that_never_spoke_is_not_made_up(self, room: Room) -> None:
        listened(room)
        room.wait(2000)
        assert room.tapped == []


class TestRate:
    """16 kHz where the codec has them."""

    def heard(self, room: Room, codec: Codec, hertz: float, gain: float = 1.0) -> Samples:
        caller = room.phone(codec)
        room.gain(room.switch.open_tap(20, 16_000), caller, gain)
        wide = (4000 * np.sin(2 * np.pi * hertz * np.arange(32_000) / 16_000)).astype(np.int16)
        for payload in wide_payloads(codec, wide):
            caller.send(caller.packet(payload))
            room.wait(20)
        assert {len(piece) for piece in room.tapped} == {640}
        return tapped(room)[8000:]

    @pytest.mark.parametrize("codec", [Codec.L16_WIDE, Codec.G722, Codec.OPUS])
    @pytest.mark.parametrize("hertz", [700.0, 5500.0])
    def test_the_whole_band_is_heard(self, room: Room, codec: Codec, hertz: float) -> None:
        assert level(self.heard(room, codec, hertz), hertz) == pytest.approx(4000, rel=0.15)

    def test_gain_is_gain(self, room: Room) -> None:
        assert level(self.heard(room, Codec.L16_WIDE, 5500.0, 0.5), 5500.0) == pytest.approx(2000, rel=0.02)

    @pytest.mark.parametrize("codec", Codec)
    def test_what_is_said_at_8_khz_is_heard_and_nothing_else(self, room: Room, codec: Codec) -> None:
        caller = listened(room, 16_000, codec)
        for packet in packets(caller):
            caller.send(packet)
            room.wait(20)
        heard = tapped(room)[4000:]
        assert level(heard, 500) == pytest.approx(4000, rel=0.15)
        assert level(heard, 7500) < 40  # no mirror

    def test_a_mix_is_brought_to_the_rate(self, room: Room) -> None:
        caller, agent = room.phone(), room.phone()
        tap = room.switch.open_tap(40, 16_000)
        room.gain(tap, caller)
        room.gain(tap, agent)
        for number in range(50):
            caller.say(tone(500, 160, start=160 * number))
            agent.say(tone(900, 160, start=160 * number))
            room.wait(20)
        heard = tapped(room)[4000:]
        assert level(heard, 500) == pytest.approx(4000, rel=0.05)
        assert level(heard, 900) == pytest.approx(4000, rel=0.05)

    def test_any_other_rate_is_refused(self, room: Room) -> None:
        with pytest.raises(ValueError, match="8000 or 16000"):
            room.switch.open_tap(20, 11_025)


def level(sound: Samples, hertz: float) -> float:
    """The amplitude of one tone at 16 kHz."""
    return loudness(sound, hertz / 2)


def wide_payloads(codec: Codec, wide: Samples) -> list[bytes]:
    """20 ms each of a sound of 16 kHz, by FFmpeg's encoders."""
    if codec is Codec.L16_WIDE:
        return [part.astype(">i2").tobytes() for part in wide.reshape(-1, 320)]
    name = {Codec.G722: "g722", Codec.OPUS: "libopus"}[codec]
    encoder = cast(av.AudioCodecContext, av.CodecContext.create(name, "w"))
    encoder.sample_rate, encoder.layout, encoder.format = 16_000, "mono", "s16"
    encoder.open()
    payloads = []
    for part in wide.reshape(-1, 320):
        frame = av.AudioFrame.from_ndarray(part.reshape(1, -1), "s16", "mono")
        frame.sample_rate = 16_000
        payloads += [bytes(packet) for packet in encoder.encode(frame)]
    return payloads


@pytest.mark.parametrize("tap_first", [True, False])
def test_nothing_is_cut_where_a_prompt_begins_over_speech(room: Room, tap_first: bool) -> None:
    """Someone else who hears both has a tick of his own already: the tap's first frame must not come before theirs."""
    caller, other, third = room.phone(), room.phone(), room.phone()
    tap = room.switch.open_tap(20, 8000)
    room.gain(third, other, 0.5)
    prompt = room.player()
    for listener in [tap, other] if tap_first else [other, tap]:
        room.gain(listener, caller)
        room.gain(listener, prompt)
    for number, packet in enumerate(packets(caller)):
        caller.send(packet)
        room.wait(7)
        if number == 20:
            room.switch.play(prompt, bytes(320 * 20), False)
        room.wait(13)
    blocks = [loudness(block, 500) for block in tapped(room).reshape(-1, 80)]
    assert min(blocks) > 200  # until speech is through the jitter buffer it is made up, and dies away
