"""What each codec does to sound, by itself and between parties that have different ones."""

from __future__ import annotations

import math
from itertools import pairwise

import av
import numpy as np
import pytest

from media.engine import Codec
from media.reference.coders import coder, ticks
from media.reference.rtp import Packet, TelephoneEvent, ahead
from tests.media.room import FarEnd, Room, Samples, converse, loudness, tone

STATEFUL = [Codec.G722, Codec.OPUS, Codec.L16_WIDE]
CODECS = [*Codec]


def segmental_snr(original: Samples, heard: Samples, longest_delay: int = 200) -> float:
    """Decibels, the mean over 20 ms pieces that are not silent, at the delay that fits best."""
    whole = original.astype(float)
    length = len(whole) - longest_delay
    delay = max(range(longest_delay), key=lambda d: float(np.dot(whole[:length], heard[d : d + length].astype(float))))
    clean, coded = whole[:length], heard[delay : delay + length].astype(float)
    ratios = []
    for at in range(800, length - 160, 160):
        signal = float(np.sum(clean[at : at + 160] ** 2))
        noise = float(np.sum((clean[at : at + 160] - coded[at : at + 160]) ** 2))
        if signal > 160 * 50**2:
            ratios.append(min(max(10 * math.log10(signal / (noise + 1)), -10), 60))
    return float(np.mean(ratios))


def voice(samples: int) -> Samples:
    """Vowel-like: a gliding pitch of 150 Hz with falling harmonics up to 3 kHz, in syllables."""
    t = np.arange(samples) / 8000
    pitch = 150 + 15 * np.sin(2 * np.pi * 1.5 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / 8000
    sound = sum(np.sin(n * phase + 1.3 * n * n) / n**2 for n in range(1, 20))
    syllables = 0.55 - 0.45 * np.cos(2 * np.pi * 3 * t)
    loud: Samples = (6000 * sound * syllables).astype(np.int16)
    return loud


def through(codec: Codec, sound: Samples, ms: int = 20) -> Samples:
    mouth, ear = coder(codec), coder(codec)
    size = 8 * ms
    pieces = [ear.decode(mouth.encode(sound[at : at + size])) for at in range(0, len(sound) - size + 1, size)]
    return np.concatenate(pieces)


@pytest.mark.parametrize(
    ("codec", "decibels"),
    [(Codec.L16, 59), (Codec.L16_WIDE, 55), (Codec.G722, 45), (Codec.PCMA, 35), (Codec.PCMU, 35), (Codec.OPUS, 7)],
)
def test_voices_keep_their_shape(codec: Codec, decibels: float) -> None:
    said = voice(24_000)
    assert segmental_snr(said, through(codec, said)) > decibels


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("hertz", [350, 1000, 2500])
def test_tones_survive(codec: Codec, hertz: float) -> None:
    heard = through(codec, tone(hertz, 16_000))[8000:]
    assert loudness(heard, hertz) == pytest.approx(4000, rel=0.15)
    assert loudness(heard, hertz * 1.31) < 200


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("ms", [10, 20, 30, 40, 60])
def test_a_payload_says_how_long_it_is(codec: Codec, ms: int) -> None:
    if not codec.packs(ms):
        pytest.skip("no packet of this length")
    payload = coder(codec).encode(tone(500, 8 * ms))
    assert ticks(codec, payload) == codec.clock_rate * ms // 1000
    assert len(coder(codec).decode(payload)) == 8 * ms


def test_opus_tells_what_the_lost_packet_said() -> None:
    said = voice(16_000)
    mouth, ear = coder(Codec.OPUS), coder(Codec.OPUS)
    payloads = [mouth.encode(said[at : at + 160]) for at in range(0, len(said), 160)]
    heard, silent = [], []
    for number, payload in enumerate(payloads):
        if number % 8 == 7:
            continue
        if number % 8 == 0 and number:
            heard.append(ear.recover(payload))
            silent.append(np.zeros(160, np.int16))
        heard.append(ear.decode(payload))
        silent.append(heard[-1])
    filled, gaps = np.concatenate(heard), np.concatenate(silent)
    assert len(filled) == len(gaps) == len(said) - 160 * (len(payloads) % 8 == 0)
    assert segmental_snr(said, filled) > 6
    assert segmental_snr(said, filled) > segmental_snr(said, gaps) + 0.8


@pytest.mark.parametrize("damaged", [b"\xff", b"\x03", b"\x03\x00", b"\x0b" + b"\xff" * 3])
def test_damaged_opus_is_nothing(damaged: bytes) -> None:
    assert len(coder(Codec.OPUS).decode(damaged)) == 0 or ticks(Codec.OPUS, damaged) > 0


def foreign_opus(rate: int, ms: int, layout: str) -> list[bytes]:
    """1.2 seconds of a tone of 500 Hz."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, layout, "s16"
    encoder.options = {"application": "voip", "frame_duration": str(ms)}
    encoder.open()
    sound = (4000 * np.sin(2 * np.pi * 500 * np.arange(rate * 6 // 5) / rate)).astype(np.int16)
    payloads = []
    for part in np.repeat(sound, encoder.channels).reshape(-1, rate * ms // 1000 * encoder.channels):
        frame = av.AudioFrame.from_ndarray(part.reshape(1, -1), "s16", layout)
        frame.sample_rate = rate
        payloads += [bytes(packet) for packet in encoder.encode(frame)]
    return payloads


class TestBetweenParties:
    """The same in both engines."""

    @pytest.mark.parametrize("ours", CODECS)
    @pytest.mark.parametrize("theirs", CODECS)
    def test_everybody_understands_everybody(self, room: Room, ours: Codec, theirs: Codec) -> None:
        caller, agent = room.phone(ours), room.phone(theirs)
        room.gain(agent, caller)
        room.gain(caller, agent)
        converse(room, 30, {caller: 500, agent: 1300})
        for phone, own, other in ((caller, 500, 1300), (agent, 1300, 500)):
            sound = phone.sound()[1600:4000]
            assert loudness(sound, other) == pytest.approx(4000, rel=0.2)
            assert loudness(sound, own) < 200

    @pytest.mark.parametrize("codec", CODECS)
    def test_the_clock_of_our_own_packets_is_the_codecs(self, room: Room, codec: Codec) -> None:
        caller = room.phone(codec)
        prompt = room.player(caller)
        room.switch.play(prompt, tone(700, 1600).tobytes(), False)
        room.wait(300)
        steps = [ahead(b.timestamp, a.timestamp, 32) for a, b in pairwise(caller.audio())]
        assert steps == [codec.clock_rate // 50] * 9

    @pytest.mark.parametrize("codec", CODECS)
    @pytest.mark.parametrize("ms", [10, 20, 30, 40, 60])
    def test_packets_have_the_length_that_was_asked_for(self, room: Room, codec: Codec, ms: int) -> None:
        caller = room.phone(codec)
        if not codec.packs(ms):
            with pytest.raises(ValueError, match="a packet holds"):
                room.switch.set_codec(caller.node, codec, int(codec), 101, 8000, ms)
            return
        room.switch.set_codec(caller.node, codec, int(codec), 101, 8000, ms)
        prompt = room.player(caller)
        room.switch.play(prompt, tone(700, 4800).tobytes(), False)
        room.wait(620)
        packets = caller.audio()
        assert len(packets) == 600 // ms
        assert {ticks(codec, packet.payload) for packet in packets} == {codec.clock_rate * ms // 1000}
        assert {ahead(b.timestamp, a.timestamp, 32) for a, b in pairwise(packets)} == {codec.clock_rate * ms // 1000}
        assert loudness(caller.sound()[1600:], 700) == pytest.approx(4000, rel=0.15)

    @pytest.mark.parametrize("codec", STATEFUL)
    def test_a_codec_that_stays_keeps_its_state(self, room: Room, codec: Codec) -> None:
        caller = room.phone(codec)
        file, _ = room.switch.open_recorder()
        room.gain(file, caller)
        converse(room, 10, {caller: 500})
        room.switch.set_codec(caller.node, codec, int(codec), 101)
        converse(room, 10, {caller: 500})
        room.switch.close_node(file)
        left = room.recording()[:, 0].astype(int)[800:3000]
        assert np.max(np.abs(np.diff(left))) < 2 * np.pi * 500 / 8000 * 4000 * 1.25  # nowhere steeper than the tone

    @pytest.mark.parametrize("codec", STATEFUL)
    def test_recorder_and_tap_hear_it(self, room: Room, codec: Codec) -> None:
        caller = room.phone(codec)
        file, _ = room.switch.open_recorder()
        tap = room.switch.open_tap()
        room.gain(file, caller)
        room.gain(tap, caller)
        converse(room, 30, {caller: 500})
        room.switch.close_node(file)
        assert loudness(room.recording()[1600:4000, 0], 500) == pytest.approx(4000, rel=0.15)
        assert len(room.tapped) == 30
        assert loudness(np.frombuffer(b"".join(room.tapped), np.int16)[1600:4000], 500) == pytest.approx(4000, rel=0.15)

    @pytest.mark.parametrize("rate", [8000, 12_000, 16_000, 24_000, 48_000])
    @pytest.mark.parametrize(("ms", "layout"), [(10, "mono"), (20, "mono"), (40, "mono"), (60, "mono"), (20, "stereo")])
    def test_opus_of_any_bandwidth_and_length_is_heard(self, room: Room, rate: int, ms: int, layout: str) -> None:
        """As FFmpeg encodes it: browsers speak it at 48 kHz, some of them in stereo."""
        caller, listener = room.phone(Codec.OPUS), room.phone()
        room.gain(listener, caller)
        for payload in foreign_opus(rate, ms, layout):
            caller.send(caller.packet(payload))
            room.wait(ms)
        room.wait(100)
        assert loudness(listener.sound()[3200:7200], 500) == pytest.approx(4000, rel=0.15)
        assert caller.timestamp - 0xFFFF0000 - caller.node == 57_600

    def test_opus_fills_a_gap_from_the_packet_behind_it(self, room: Room) -> None:
        caller = room.phone(Codec.OPUS)
        tap = room.switch.open_tap()
        room.gain(tap, caller)
        for number in range(40):
            packet = caller.packet(caller.coder.encode(tone(500, 160, start=160 * number)))
            if number != 20:
                caller.send(packet)
            room.wait(20)
        assert len(room.tapped) == 40
        assert loudness(np.frombuffer(room.tapped[20], np.int16), 500) > 1000

    @pytest.mark.parametrize("pause", [0, 1280], ids=["beside the audio", "in place of the audio"])
    def test_a_lost_key_is_no_gap_to_be_filled(self, room: Room, pause: int) -> None:
        """The packet behind it tells once more what was said before it."""
        caller = room.phone(Codec.OPUS)
        file, _ = room.switch.open_recorder()
        taps = [room.switch.open_tap(20, rate) for rate in (8000, 16_000)]
        for node in (file, *taps):
            room.gain(node, caller)
        for number in range(40):
            caller.say(tone(500, 160, 8000, start=160 * number))
            if number == 20:
                if pause:
                    caller.send(caller.event(5, pause, end=True))
                caller.event(5, pause, end=True)  # this one is lost
                caller.timestamp += pause * 6
                room.wait(pause / 8)
            room.wait(20)
        room.switch.close_node(file)
        left = room.recording()[:, 0].astype(int)
        assert abs(left).max() < 10_000
        if pause:
            assert abs(left[3460 : 3360 + pause]).max() < 200
            assert all(len(room.positions[tap]) == 40 + pause // 160 for tap in taps)

    def test_an_opus_clock_that_wraps_is_no_jump(self, room: Room) -> None:
        caller = room.phone(Codec.OPUS)
        caller.timestamp = 2**32 - 10 * 960
        file, _ = room.switch.open_recorder()
        room.gain(file, caller)
        converse(room, 30, {caller: 500})
        room.switch.close_node(file)
        assert loudness(room.recording()[800:4000, 0], 500) == pytest.approx(4000, rel=0.1)

    def test_a_change_of_codec_turns_a_relay_into_a_conversion_and_back(self, room: Room) -> None:
        caller, agent = room.phone(Codec.G722), room.phone(Codec.G722)
        room.gain(agent, caller)
        said = caller.packet(bytes(range(160)))
        caller.send(said)
        assert [packet.payload for packet in agent.heard] == [said.payload]
        room.switch.set_codec(agent.node, Codec.PCMA, 8, 101)
        caller.send(caller.packet(bytes(160)))
        assert len(agent.heard) == 1  # a conversion takes the jitter buffer's time
        room.wait(100)
        assert agent.heard[-1].payload_type == Codec.PCMA
        room.switch.set_codec(agent.node, Codec.G722, 9, 101)
        again = caller.packet(bytes(range(160)))
        caller.send(again)
        assert agent.heard[-1].payload == again.payload

    def test_a_phone_with_another_codec_does_not_fall_back_to_g711_unasked(self, room: Room) -> None:
        caller, agent = room.phone(Codec.G722), room.phone(Codec.G722)
        room.gain(agent, caller)
        caller.send(Packet(8, 1, 1, 1, bytes(160)))
        assert agent.heard == []
        assert room.switch.stats(caller.node)[3] == 1


class TestEventClocks:
    """telephone-event runs on the clock of the audio, or at 8000 where a phone knows nothing else."""

    def pressed(self, room: Room, clock: int) -> list[Packet]:
        caller = room.phone(Codec.OPUS)
        room.switch.set_codec(caller.node, Codec.OPUS, 96, 101, clock)
        room.switch.send_digit(caller.node, "5", 160)
        room.wait(400)
        return [packet for packet in caller.heard if packet.payload_type == 101]

    @pytest.mark.parametrize(("clock", "duration"), [(8000, 1280), (48000, 7680)])
    def test_what_we_press(self, room: Room, clock: int, duration: int) -> None:
        assert self.pressed(room, clock)[-1].payload[2:] == duration.to_bytes(2, "big")

    def test_what_is_relayed(self, room: Room) -> None:
        caller, agent = room.phone(Codec.OPUS), room.phone(Codec.OPUS)
        room.switch.set_codec(caller.node, Codec.OPUS, 96, 101, 48000)
        room.gain(agent, caller)
        caller.send(caller.event(5, 960))
        assert agent.heard[0].payload == b"\x05\x0a\x00\xa0"

    def events(self, phone: FarEnd) -> list[tuple[int, int, bool, bool]]:
        """Of the only press: timestamp and duration, both since its beginning, end and marker."""
        packets = [packet for packet in phone.heard if packet.payload_type == 101]
        assert all(ahead(b.sequence, a.sequence, 16) == 1 for a, b in pairwise(phone.heard))
        told = [TelephoneEvent.parse(packet.payload) for packet in packets]
        assert {event.code for event in told} == {5}
        begins = [ahead(packet.timestamp, packets[0].timestamp, 32) for packet in packets]
        return [
            (begin, begin + event.duration, event.end, packet.marker)
            for begin, event, packet in zip(begins, told, packets, strict=True)
        ]

    def check_segments(self, events: list[tuple[int, int, bool, bool]], whole: int) -> None:
        """RFC 4733 section 2.5.1.3."""
        begins = [begin for begin, *_ in events]
        assert begins == sorted(begins)
        assert set(begins) == {0xFFFF * number for number in range((whole - 1) // 0xFFFF + 1)}
        assert [sounded for _, sounded, *_ in events] == sorted(sounded for _, sounded, *_ in events)
        assert all((begin, begin + 0xFFFF, False, False) in events for begin in set(begins) - {max(begins)})
        assert [sounded for _, sounded, end, _ in events if end] == [whole] * 3
        assert [marker for *_, marker in events] == [True] + [False] * (len(events) - 1)

    @pytest.mark.parametrize("ms", [1_365, 1_366, 4_000, 8_000])
    def test_a_long_press_of_ours_has_segments(self, room: Room, ms: int) -> None:
        caller = room.phone(Codec.OPUS)
        room.switch.set_codec(caller.node, Codec.OPUS, 96, 101, 48000)
        room.switch.send_digit(caller.node, "5", ms)
        room.wait(ms + 300)
        self.check_segments(self.events(caller), 48 * ms)

    @pytest.mark.parametrize("ms", [1_300, 1_400, 4_000, 9_000])
    @pytest.mark.parametrize(("clock", "others"), [(8000, 48000), (48000, 8000), (48000, 48000), (8000, 8000)])
    def test_a_long_press_that_is_relayed_has_segments(self, room: Room, clock: int, others: int, ms: int) -> None:
        caller, agent = room.phone(Codec.OPUS), room.phone(Codec.OPUS)
        room.switch.set_codec(caller.node, Codec.OPUS, 96, 101, clock)
        room.switch.set_codec(agent.node, Codec.OPUS, 96, 101, others)
        room.gain(agent, caller)
        before, whole = 0, ms * clock // 1000
        for sounded in range(20 * clock // 1000, whole + 1, 20 * clock // 1000):
            if sounded - before > 0xFFFF:
                caller.send(caller.event(5, 0xFFFF))
                before += 0xFFFF
                caller.timestamp += 0xFFFF
            caller.send(caller.event(5, sounded - before, marker=sounded == 20 * clock // 1000))
            room.wait(20)
        for _ in range(3):
            caller.send(caller.event(5, whole - before, end=True))
        self.check_segments(self.events(agent), ms * others // 1000)

    def test_any_other_clock_is_refused(self, room: Room) -> None:
        caller = room.phone(Codec.OPUS)
        with pytest.raises(ValueError, match="8000 Hz"):
            room.switch.set_codec(caller.node, Codec.OPUS, 96, 101, 16000)


class TestVoicesInAMix:
    """What is left of a voice behind codec, jitter buffer and mix: decibels, segmental."""

    def mixed(self, room: Room, codec: Codec, said: Samples, rate: int) -> Samples:
        """What a listener at 8 kHz hears, or a tap at 16 kHz, with somebody else who is silent."""
        caller, listener = room.phone(codec), room.phone(Codec.L16)
        tap = room.switch.open_tap(20, rate)
        other = room.player(listener, tap)
        for hears in (listener.node, tap):
            room.gain(hears, caller)
        room.switch.play(other, bytes(320), True)
        for part in said.reshape(-1, 160):
            caller.say(part)
            room.wait(20)
        room.wait(100)
        return listener.sound() if rate == 8000 else np.frombuffer(b"".join(room.tapped), np.int16)[::2]

    @pytest.mark.parametrize("rate", [8000, 16000])
    @pytest.mark.parametrize(("codec", "decibels"), [(Codec.G722, 45), (Codec.OPUS, 7)])
    def test_keep_their_shape(self, room: Room, codec: Codec, decibels: float, rate: int) -> None:
        said = voice(16_000)
        heard = self.mixed(room, codec, said, rate)
        assert segmental_snr(said[1600:], heard[1600:], 1000) > decibels
