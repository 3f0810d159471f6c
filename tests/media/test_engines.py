"""Both engines on loopback: sockets, threads and events."""

from __future__ import annotations

import select
import socket
from pathlib import Path

import numpy as np
import pytest

from media.engine import (
    Codec,
    DigitPressed,
    FirstPacket,
    MediaConfig,
    MediaEngine,
    PlayFinished,
    RtpSilence,
)
from media.g711 import alaw_decode
from media.native import NativeEngine
from media.pieces import Piece, PieceReader
from media.reference import rtcp
from tests.media.wire import PATIENCE, PCM, Ears, Softphone, until


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


@pytest.mark.parametrize("many", [2, 5, 40])
def test_packets_that_come_together_all_go_on_though_nothing_follows(engine: MediaEngine, many: int) -> None:
    phones = [Softphone(engine) for _ in range(12)]
    for caller, agent in zip(phones[::2], phones[1::2], strict=True):
        engine.set_gain(agent.node, caller.node, 1.0)
        engine.set_gain(caller.node, agent.node, 1.0)
    for caller, agent in zip(phones[::2], phones[1::2], strict=True):
        while True:  # until they are on one thread
            caller.say(b"\xd5" * 160)
            if select.select([agent.socket], [], [], 0.2)[0]:
                agent.hear()
                break
    for _ in range(3):  # the first before the agents' addresses are certain, when all that comes waits in one socket
        for _ in range(many):
            for phone in phones:
                phone.say(b"\xd5" * 160)
        for phone in phones:
            heard = [phone.hear().sequence for _ in range(many)]
            assert np.array_equal(np.diff(heard) & 0xFFFF, np.ones(many - 1))


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
        word = bytes([said % 128]) * 160  # no other for long
        caller.say(word)  # what waits goes out with what comes
        agent.hear()
        said += 1
        pieces = [*reader.waiting()]
        missing.extend(gap // 160 for gap, _ in pieces)
        return any(alaw_decode(word)[:8].tobytes() in pcm for _, pcm in pieces)

    until(caught_up)
    dropped = engine.tap_drops(tap)
    filled = len(missing) + sum(missing) - said  # with silence, where this process did not run for a fifth of a second
    assert 360 < dropped < 400 + filled  # four seconds wait, and a little in the socket
    assert missing[0] == 1  # what was read before
    assert sum(missing[:40]) == sum(missing) == dropped + 1  # the oldest, but for what the socket held
    theirs.close()
    caller.say(b"\xd5" * 160)
    until(lambda: engine.tap_drops(tap) == dropped + 1)
    engine.close_node(tap)


def test_what_waits_for_a_slow_reader_goes_on_when_nobody_speaks_any_more(engine: MediaEngine) -> None:
    caller = Softphone(engine)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    tap = engine.open_tap(ours.fileno())
    engine.set_gain(tap, caller.node, 1.0)
    ours.close()
    for _ in range(100):  # two seconds, of which hardly more than eight pieces fit into the socket
        caller.say(b"\xd5" * 160)
    theirs.setblocking(False)
    reader, said = PieceReader(theirs), bytearray()

    def caught_up() -> bool:
        said.extend(b"".join(pcm for _, pcm in reader.waiting()))
        return len(said) >= 100 * 320

    until(caught_up)
    assert engine.tap_drops(tap) == 0
    theirs.close()
    engine.close_node(tap)


def test_a_tap_needs_a_datagram_socket(engine: MediaEngine, tmp_path: Path) -> None:
    stream, other = socket.socketpair()
    with stream, other, pytest.raises(ValueError, match="datagram"):
        engine.open_tap(stream.fileno())
    with (tmp_path / "file").open("w") as file, pytest.raises(OSError):
        engine.open_tap(file.fileno())


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
