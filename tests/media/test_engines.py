"""Both engines on loopback: sockets, threads, files, and that nothing is left over."""

from __future__ import annotations

import errno
import gc
import re
import select
import signal
import socket
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit

import numpy as np
import pytest

from media.engine import (
    Codec,
    DigitPressed,
    FirstPacket,
    MediaConfig,
    MediaEngine,
    PlayFinished,
    RecorderClosed,
    RecorderTrouble,
    RtpSilence,
)
from media.native import NativeEngine
from media.pieces import Piece, PieceReader
from media.reference import rtcp
from media.reference.rtp import Packet
from tests.media.wire import ENGINES, PATIENCE, Ears, Softphone, descriptors, threads, until

PCM = np.full(800, 4000, np.int16).tobytes()


@pytest.fixture(params=[("native", 1), ("native", 2), ("reference", 1)], ids=lambda made: f"{made[0]}-{made[1]}")
def engine(request: pytest.FixtureRequest) -> Iterator[MediaEngine]:
    name, threads = request.param
    made = ENGINES[name](MediaConfig(port_low=21_000, port_high=21_999, threads=threads, silence_after=1.0))
    made.start()
    yield made
    made.close()


def read(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """Both channels of a recording, by the standard library's reader."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)


@pytest.mark.parametrize(("near", "far"), [("127.0.0.1", "127.0.0.1"), ("::1", "127.0.0.1"), ("::1", "::1")])
def test_two_phones_talk(engine: MediaEngine, near: str, far: str) -> None:
    caller, agent = Softphone(engine, far=near), Softphone(engine, Codec.PCMU, far=far)
    engine.set_gain(agent.node, caller.node, 1.0)
    engine.set_gain(caller.node, agent.node, 1.0)
    for number in range(20):
        caller.say(bytes([number | 0x80]) * 160)
        assert agent.hear().payload_type == Codec.PCMU
        agent.say(bytes([number | 0x80]) * 160)
        assert caller.hear().payload_type == Codec.PCMA
    assert Ears(engine).wait_for(FirstPacket, caller.node) == FirstPacket(caller.node, *caller.address)
    stats = engine.stats(caller.node)
    assert (stats.packets_in, stats.packets_out, stats.lost) == (20, 20, 0)
    assert 0 <= stats.last_packet_age_ms < 1000 * PATIENCE
    caller.hang_up()
    agent.hang_up()
    assert engine.open_nodes() == 0


@pytest.mark.parametrize(("address", "written"), [
    ("::1", "0:0::0:1"), ("127.0.0.1", "::ffff:127.0.0.1"), ("127.0.0.1", "::FFFF:7f00:1"),
])
def test_an_address_is_the_same_however_it_is_written(engine: MediaEngine, address: str, written: str) -> None:
    phone = Softphone(engine, far=address)
    engine.set_remote(phone.node, written, phone.address[1], rtcp=(written, phone.address[1] + 1))
    engine.set_gain(phone.node, phone.node, 1.0)
    until(lambda: engine.stats(phone.node).announced == phone.address)
    phone.say(b"\x44" * 160)
    assert phone.hear().payload == b"\x44" * 160


@pytest.mark.parametrize(("bound", "there", "told"), [
    ("127.0.0.1", "2001:db8::5", "a leg bound on IPv4 cannot reach 2001:db8::5"),
    ("::1", "192.0.2.5", "a leg bound on IPv6 cannot reach 192.0.2.5"),
    ("::1", "::ffff:192.0.2.5", "a leg bound on IPv6 cannot reach ::ffff:192.0.2.5"),
    ("127.0.0.1", "phone.example", "'phone.example' is no address such as 192.0.2.10 or 2001:db8::10"),
])
def test_a_far_end_that_the_leg_cannot_reach_is_refused(
    engine: MediaEngine, bound: str, there: str, told: str
) -> None:
    leg = engine.open_leg(bound).node
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        engine.set_remote(leg, there, 4000)
    with pytest.raises(ValueError, match=re.escape(there)):
        engine.set_remote(leg, bound, 4000, rtcp=(there, 4001))
    assert engine.stats(leg).announced is None


def test_ports_of_the_two_families_are_not_each_others() -> None:
    """A port of IPv6 that is bound on every address leaves the same port of IPv4 free."""
    for make in ENGINES.values():
        engine = make(MediaConfig(port_low=21_990, port_high=21_991))
        ports = [engine.open_leg(address).port for address in ("::", "0.0.0.0")]
        engine.close()
        assert ports == [21_990, 21_990]


@pytest.mark.parametrize("far", ["127.0.0.1", "::1"])
def test_only_the_phone_that_was_signalled_is_heard(engine: MediaEngine, far: str) -> None:
    caller, agent, other = (Softphone(engine, far=far) for _ in range(3))
    engine.set_gain(agent.node, caller.node, 1.0)
    for number in range(5):
        caller.say(bytes([number]) * 160)
        other.socket.sendto(b"\x80\x08\x00\x09" + bytes(8) + b"\x99" * 160, (far, caller.leg.port))
    assert [agent.hear().payload[0] for _ in range(5)] == [0, 1, 2, 3, 4]
    engine.set_remote(caller.node, *other.address)  # the call goes on at another phone
    agent.socket.settimeout(0.02)

    def heard() -> bool:
        other.socket.sendto(bytes(Packet(8, 7, 7, 8, b"\x77" * 160)), (far, caller.leg.port))
        with suppress(TimeoutError):
            return agent.hear().payload == b"\x77" * 160
        return False

    until(heard)


class TestStrangers:
    """Who else sends to a leg's port is counted and not heard, also while the far side talks."""

    @pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
    def test_between_the_packets_of_a_call(self, engine: MediaEngine, address: str) -> None:
        caller, agent = Softphone(engine, address=address), Softphone(engine)
        engine.set_gain(agent.node, caller.node, 1.0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.5", 0))
            for number in range(20):
                caller.say(bytes([number]) * 160)
                assert agent.hear().payload[0] == number
                forged = Packet(8, number + 1, 160 * (number + 1), 7, b"\x99" * 160)
                other.sendto(bytes(forged), ("127.0.0.1", caller.leg.port))
                until(lambda wanted=number + 1: engine.stats(caller.node).dropped_stranger == wanted)  # type: ignore[misc]
        assert engine.stats(caller.node).packets_in == 20

    def test_nothing_is_lost_or_turned_round_when_the_kernel_begins_to_sort(self, engine: MediaEngine) -> None:
        for _ in range(10):  # for each, the kernel's hash decides which socket the first packets come to
            caller, agent = Softphone(engine), Softphone(engine)
            engine.set_gain(agent.node, caller.node, 1.0)
            until(lambda leg=caller.node: engine.stats(leg).announced)  # type: ignore[misc]
            for number in range(50):
                caller.say(bytes([number]) * 160)
            assert [agent.hear().payload[0] for _ in range(50)] == [*range(50)]

    def test_at_another_of_our_addresses(self, engine: MediaEngine) -> None:
        caller, agent = Softphone(engine, address="0.0.0.0"), Softphone(engine)
        engine.set_gain(agent.node, caller.node, 1.0)
        for number in range(4):  # 127.0.0.1 is what the kernel would answer from
            packet = Packet(8, number, 160 * number, 7, bytes([number]) * 160)
            caller.socket.sendto(bytes(packet), (f"127.0.0.{1 + number % 2}", caller.leg.port))
            assert agent.hear().payload[0] == number

    def test_the_far_side_moves_and_comes_back(self, engine: MediaEngine) -> None:
        caller, agent, elsewhere = Softphone(engine), Softphone(engine), Softphone(engine)
        engine.set_gain(agent.node, caller.node, 1.0)
        ends = [caller.socket, elsewhere.socket]
        for number in range(6):
            end = ends[number % 2]
            engine.set_remote(caller.node, *end.getsockname())
            packet = Packet(8, number, 160 * number, 7, bytes([number]) * 160)
            until(lambda end=end: engine.stats(caller.node).announced == end.getsockname())  # type: ignore[misc]
            end.sendto(bytes(packet), ("127.0.0.1", caller.leg.port))
            assert agent.hear().payload[0] == number
        assert engine.stats(caller.node).dropped_stranger == 0


def test_a_prompt_plays_in_real_time(engine: MediaEngine) -> None:
    caller = Softphone(engine)
    prompt = engine.open_player()
    engine.set_gain(caller.node, prompt, 1.0)
    engine.play(prompt, PCM)
    engine.finish(prompt)
    packets = [caller.hear() for _ in range(5)]
    assert {packet.payload for packet in packets} == {packets[0].payload}
    assert Ears(engine).wait_for(PlayFinished, prompt) == PlayFinished(prompt, 800)


def test_keys_both_ways(engine: MediaEngine) -> None:
    caller, agent = Softphone(engine), Softphone(engine)
    engine.send_digit(agent.node, "*", 60)
    for _ in range(5):
        packet = agent.hear()
        caller.socket.sendto(bytes(packet), ("127.0.0.1", caller.leg.port))
    assert Ears(engine).wait_for(DigitPressed, caller.node) == DigitPressed(caller.node, "*")


def test_silence_is_told(engine: MediaEngine) -> None:
    caller = Softphone(engine)
    caller.say(b"\xd5" * 160)
    event = Ears(engine).wait_for(RtpSilence, caller.node)
    assert isinstance(event, RtpSilence)
    assert event.seconds >= 1.0


@pytest.mark.parametrize("kind", [socket.SOCK_SEQPACKET, socket.SOCK_DGRAM])
def test_a_tap_gets_what_the_caller_says_and_never_holds_anybody_up(
    engine: MediaEngine, kind: socket.SocketKind
) -> None:
    caller, agent = Softphone(engine), Softphone(engine)
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    theirs.settimeout(PATIENCE)
    tap = engine.open_tap(ours.fileno())
    ours.close()  # the tap has its own
    engine.set_gain(tap, caller.node, 1.0)
    engine.set_gain(agent.node, caller.node, 1.0)
    caller.say(b"\xd5" * 160)
    assert Piece.parse(theirs.recv(1000)) == Piece(0, np.full(160, 8, np.int16).tobytes())
    for _ in range(600):  # nobody reads the tap now
        caller.say(b"\xd5" * 160)
        agent.hear()
    theirs.setblocking(False)
    reader, missing, said = PieceReader(theirs), list[int](), 601

    def caught_up() -> bool:
        nonlocal said
        caller.say(b"\xd5" * 160)  # what waits goes out with what comes
        agent.hear()
        said += 1
        missing.extend(gap // 160 for gap, _ in reader.waiting())
        return len(missing) + sum(missing) == said

    until(caught_up)
    dropped = engine.tap_drops(tap)
    assert 360 < dropped < 400  # four seconds wait, and a little in the socket
    assert missing[0] == 1  # what was read before
    assert sum(missing[:40]) == sum(missing) == dropped + 1  # the oldest, but for what the socket held
    theirs.close()
    caller.say(b"\xd5" * 160)
    until(lambda: engine.tap_drops(tap) == dropped + 1)
    engine.close_node(tap)


def test_a_tap_needs_a_datagram_socket(engine: MediaEngine, tmp_path: Path) -> None:
    stream, other = socket.socketpair()
    with stream, other, pytest.raises(ValueError, match="datagram"):
        engine.open_tap(stream.fileno())
    with (tmp_path / "file").open("w") as file, pytest.raises(OSError):
        engine.open_tap(file.fileno())


class TestRecordings:
    """Files."""

    def test_both_sides_are_on_disk_when_it_is_closed(self, engine: MediaEngine, tmp_path: Path) -> None:
        caller = Softphone(engine)
        recorder = engine.open_recorder(str(tmp_path / "call.wav"))
        prompt = engine.open_player()
        engine.set_gain(recorder.left, caller.node, 1.0)
        for listener in (caller.node, recorder.right):
            engine.set_gain(listener, prompt, 1.0)
        engine.play(prompt, PCM)
        engine.finish(prompt)
        for _ in range(5):
            caller.hear()
            caller.say(b"\x2a" * 160)
        ears = Ears(engine)
        ears.wait_for(PlayFinished, prompt)
        until(lambda: engine.stats(caller.node).packets_in == 5)
        engine.close_node(recorder.right)
        closed = ears.wait_for(RecorderClosed, recorder.left)
        file = read(tmp_path / "call.wav")
        assert isinstance(closed, RecorderClosed)
        assert closed.frames == len(file)
        assert np.count_nonzero(file[:, 1]) == 800
        assert 700 <= np.count_nonzero(file[:, 0]) <= 800  # a packet that was late by scheduling overlaps the next
        first = np.flatnonzero(file.any(axis=0))
        assert first.tolist() == [0, 1]

    def test_it_is_a_sound_file_from_the_first_moment(self, engine: MediaEngine, tmp_path: Path) -> None:
        engine.open_recorder(str(tmp_path / "call.wav"))
        assert len(read(tmp_path / "call.wav")) == 0
        until(lambda: len(read(tmp_path / "call.wav")) > 800)
        assert (tmp_path / "call.wav").stat().st_size >= 44 + 4 * 800

    def test_a_folder_that_is_missing(self, engine: MediaEngine, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="nowhere"):
            engine.open_recorder(str(tmp_path / "nowhere" / "call.wav"))
        assert engine.open_nodes() == 0

    def test_a_full_disk_troubles_the_recording_and_nothing_else(self, engine: MediaEngine, tmp_path: Path) -> None:
        caller, agent = Softphone(engine), Softphone(engine)
        engine.set_gain(agent.node, caller.node, 1.0)
        path, ears = tmp_path / "call.wav", Ears(engine)
        recorder = engine.open_recorder(str(path))
        limits = getrlimit(RLIMIT_FSIZE)
        setrlimit(RLIMIT_FSIZE, (4_000, limits[1]))  # what a full disk is to everybody's writes
        try:
            trouble = ears.wait_for(RecorderTrouble, recorder.left)
            caller.say(b"\xd5" * 160)
            assert agent.hear().payload == b"\xd5" * 160
        finally:
            setrlimit(RLIMIT_FSIZE, limits)
        assert isinstance(trouble, RecorderTrouble)
        assert trouble.reason == "File too large"
        until(lambda: len(read(path)) > 8_000)
        engine.close_node(recorder.left)
        ears.wait_for(RecorderClosed, recorder.left)
        assert not any(isinstance(event, RecorderTrouble) for event in ears.events)

    @pytest.mark.parametrize("name", ENGINES)
    def test_it_is_readable_after_kill_9(self, name: str, tmp_path: Path) -> None:
        path = tmp_path / "call.wav"
        source = f"""
import time
from media.engine import MediaConfig
from tests.media.wire import ENGINES
engine = ENGINES[{name!r}](MediaConfig(port_low=22_000, port_high=22_999))
engine.start()
recorder = engine.open_recorder({str(path)!r})
player = engine.open_player()
engine.set_gain(recorder.right, player, 1.0)
engine.play(player, b"\\x10\\x10" * 80_000)
print("recording", flush=True)
time.sleep(60)
"""
        process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"recording\n"
            until(lambda: len(read(path)) > 4_000)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        file = read(path)
        sounding = np.flatnonzero(file[:, 1])
        assert set(file[sounding, 1]) == {0x1010}
        assert sounding[-1] - sounding[0] + 1 == len(sounding) > 3_000
        assert not file[:, 0].any()


class TestNothingIsLeftOver:
    """Ports, descriptors, threads."""

    def test_two_thousand_calls(self, engine: MediaEngine) -> None:
        cycles = 2_000 if isinstance(engine, NativeEngine) else 200
        before = descriptors()
        for number in range(cycles):
            legs = [engine.open_leg("127.0.0.1") for _ in range(2)]
            player = engine.open_player()
            engine.set_gain(legs[0].node, legs[1].node, 1.0)
            engine.set_gain(legs[1].node, player, 1.0)
            engine.play(player, PCM, loop=number % 2 == 0)
            for node in (legs[0].node, player, legs[1].node):
                engine.close_node(node)
        assert engine.open_nodes() == 0
        until(lambda: descriptors() == before)

    def test_the_port_range_can_be_used_up_and_used_again(self) -> None:
        for make in ENGINES.values():
            engine = make(MediaConfig(port_low=22_001, port_high=22_011))
            engine.start()
            legs = [engine.open_leg("127.0.0.1") for _ in range(5)]
            assert sorted(leg.port for leg in legs) == [22_002, 22_004, 22_006, 22_008, 22_010]
            with pytest.raises(OSError, match="used up") as caught:
                engine.open_leg("127.0.0.1")
            assert caught.value.errno == errno.EADDRINUSE
            engine.close_node(legs[2].node)
            until(lambda engine=engine: can_open(engine))  # type: ignore[misc]
            engine.close()

    def test_an_address_that_is_not_ours(self, engine: MediaEngine) -> None:
        with pytest.raises(OSError):
            engine.open_leg("192.0.2.1")

    def test_close_in_the_middle_of_everything(self, tmp_path: Path) -> None:
        gc.collect()
        before = descriptors(), threads()
        for name, make in ENGINES.items():
            engine = make(MediaConfig(port_low=23_000, port_high=23_999))
            engine.start()
            phones = [Softphone(engine) for _ in range(4)]
            player = engine.open_player()
            recorder = engine.open_recorder(str(tmp_path / f"{name}.wav"))
            for phone in phones:
                engine.set_gain(phone.node, player, 1.0)
                engine.set_gain(recorder.left, phone.node, 1.0)
            engine.play(player, PCM, loop=True)
            phones[0].hear()
            engine.close()
            engine.close()
            assert engine.open_nodes() == 0
            assert any(isinstance(event, RecorderClosed) for event in engine.drain())
            assert len(read(tmp_path / f"{name}.wav")) > 0
            with pytest.raises(RuntimeError, match="closed"):
                engine.open_leg("127.0.0.1")
            for phone in phones:
                phone.socket.close()
        until(lambda: (descriptors(), threads()) == before)  # the kernel clears away an ended thread in its own time

    def test_an_engine_that_was_never_started(self) -> None:
        before = descriptors()
        for make in ENGINES.values():
            engine = make(MediaConfig())
            engine.open_leg("127.0.0.1")
            engine.close()
        assert descriptors() == before


def can_open(engine: MediaEngine) -> bool:
    try:
        engine.open_leg("127.0.0.1")
    except OSError:
        return False
    return True


class TestReports:
    """RTCP on real sockets; ``tests/media/test_reports.py`` holds what it says."""

    REPORT = rtcp.report(7, None, None)

    def test_on_the_port_above(self, engine: MediaEngine) -> None:
        caller, agent = Softphone(engine), Softphone(engine)
        engine.set_gain(agent.node, caller.node, 1.0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as beside:
            beside.bind(("127.0.0.1", 0))
            beside.settimeout(PATIENCE)
            engine.set_remote(agent.node, *agent.socket.getsockname(), rtcp=beside.getsockname())
            caller.say(b"\xd5" * 160)
            agent.hear()
            beside.sendto(self.REPORT, ("127.0.0.1", agent.leg.port + 1))
            until(lambda: engine.stats(agent.node).far.reports == 1)
            beside.sendto(b"\x80\xc8\x00\x06" + bytes(8), ("127.0.0.1", agent.leg.port + 1))
            until(lambda: engine.stats(agent.node).far.reports_refused == 1)
            engine.close_node(agent.node)
            told = rtcp.Compound.parse(beside.recv(2048), 7)
        assert told is not None
        assert told.bye
        assert told.sender is not None
        assert (told.sender.packets, told.sender.octets) == (1, 160)

    def test_on_the_port_of_the_audio(self, engine: MediaEngine) -> None:
        caller, agent = Softphone(engine), Softphone(engine)
        engine.set_gain(agent.node, caller.node, 1.0)
        engine.set_remote(agent.node, *agent.socket.getsockname(), rtcp_mux=True)
        caller.say(b"\xd5" * 160)
        agent.hear()
        agent.socket.sendto(self.REPORT, ("127.0.0.1", agent.leg.port))
        until(lambda: engine.stats(agent.node).far.reports == 1)
        engine.close_node(agent.node)
        told = rtcp.Compound.parse(agent.socket.recv(2048), 7)
        assert told is not None
        assert told.bye
        assert engine.stats(caller.node).dropped_malformed == 0


def test_events_make_the_descriptor_readable_until_they_are_taken(engine: MediaEngine) -> None:
    player = engine.open_player()
    engine.stop(player)
    assert select.select([engine.fileno()], [], [], PATIENCE)[0]
    assert engine.drain() == [PlayFinished(player, 0)]
    assert select.select([engine.fileno()], [], [], 0)[0] == []
    assert engine.drain() == []


def test_the_relay_says_how_long_it_took() -> None:
    engine = NativeEngine(MediaConfig())
    engine.start()
    caller, agent = Softphone(engine), Softphone(engine)
    engine.set_gain(agent.node, caller.node, 1.0)
    for _ in range(50):
        caller.say(b"\xd5" * 160)
        agent.hear()
    until(lambda: sum(engine.relay_latency().counts) == 50)
    assert engine.relay_latency().max_us > 0
    assert engine.scheduling() in ("fifo", "nice", "normal")
    assert engine.events_lost() == 0
    engine.close()


@pytest.mark.parametrize("threads", [0, 65])
def test_so_many_threads_are_not_possible(threads: int) -> None:
    with pytest.raises(ValueError, match="1…64"):
        NativeEngine(MediaConfig(threads=threads))
