"""A process with nothing in it but the native media engine, for ``bench.media``.

``Host`` lives in the child of a one-worker process pool; its functions here are what the parent runs there.
"""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.load.rtp import Address, Bridged, build
from media.engine import Codec, MediaConfig, Node
from media.native import NativeEngine

CALLERS, AGENTS, SUPERVISORS = "127.0.0.2", "127.0.0.3", "127.0.0.4"
FIRST_PORT = 20_000
GATEWAY_PORTS = 16
"""So many for the calls of each side, as behind a gateway: what far ends cost is not the engine's."""
FRAME = bytes(320)
TAP_MS = 40
"""As telephony taps a caller for the recogniser."""
_TIMESTAMP = 35
"""SO_TIMESTAMPNS, which the socket module does not name."""


def far_end(ip: str, number: int) -> Address:
    """Where call ``number`` comes from and goes to."""
    return ip, FIRST_PORT + 2 * (number % GATEWAY_PORTS)


@dataclass(frozen=True, slots=True)
class Spent:
    """Processor time of the engine's process, in seconds, by thread name and in all."""

    threads: dict[str, float]
    at: float

    @property
    def total(self) -> float:
        return sum(self.threads.values())


class Host:
    """An engine with ``calls`` bridged A-law calls, each recorded (stereo) and with one recogniser tap; the first
    ``supervised`` of them are three-party mixes."""

    def __init__(self, calls: int, supervised: int = 0, threads: int = 1) -> None:
        _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        self.folder = Path(tempfile.mkdtemp(prefix="hotline-bench-", dir="/var/tmp"))
        self.engine = NativeEngine(MediaConfig(port_low=10_000, port_high=59_999, threads=threads))
        self.engine.start()
        self.taps: list[Node] = []
        self._readers: list[socket.socket] = []
        self.lines = [self._call(number, number < supervised) for number in range(calls)]
        self._sink = self._start_sink()

    def _call(self, number: int, supervised: bool) -> Bridged:
        caller, agent = self._leg(CALLERS, number), self._leg(AGENTS, number)
        legs = [caller, agent, *([self._leg(SUPERVISORS, number)] if supervised else [])]
        for listener in legs:
            for source in legs:
                if listener is not source:
                    self.engine.set_gain(listener[0], source[0], 1.0)
        recorder = self.engine.open_recorder(str(self.folder / f"{number}.wav"))
        self.engine.set_gain(recorder.left, caller[0], 1.0)
        self.engine.set_gain(recorder.right, agent[0], 1.0)
        self._tap(caller[0])
        ends = [end for _, *pair in legs for end in pair]
        return Bridged(*ends)

    def _leg(self, ip: str, number: int) -> tuple[Node, Address, Address]:
        """The node, the far end's address and ours."""
        leg = self.engine.open_leg("127.0.0.1")
        far = far_end(ip, number)
        self.engine.set_codec(leg.node, Codec.PCMA, payload_type=8, digit_payload_type=101)
        self.engine.set_remote(leg.node, *far)
        return leg.node, far, ("127.0.0.1", leg.port)

    def _tap(self, source: Node) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        tap = self.engine.open_tap(ours.fileno(), piece_ms=TAP_MS)
        ours.close()
        self.engine.set_gain(tap, source, 1.0)
        self.taps.append(tap)
        self._readers.append(theirs)

    def _start_sink(self) -> subprocess.Popen[bytes]:
        numbers = [reader.fileno() for reader in self._readers]
        sink = subprocess.Popen([build("tapsink")], pass_fds=numbers, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        os.sched_setaffinity(sink.pid, {max(os.sched_getaffinity(os.getppid()))})
        assert sink.stdin is not None
        sink.stdin.write((" ".join(map(str, numbers)) + "\n").encode())
        sink.stdin.flush()
        for reader in self._readers:
            reader.close()
        return sink

    def spent(self) -> Spent:
        threads: dict[str, float] = {}
        for task in Path("/proc/self/task").iterdir():
            name = (task / "comm").read_text().strip()
            used = int((task / "schedstat").read_text().split()[0]) / 1e9
            threads[name] = threads.get(name, 0.0) + used
        return Spent(threads, time.monotonic())

    def close(self) -> tuple[int, int]:
        """How many pieces the taps' readers got, and how many they were too slow for."""
        drops = sum(map(self.engine.tap_drops, self.taps))
        self.engine.close()
        told, _ = self._sink.communicate()
        shutil.rmtree(self.folder)
        return json.loads(told)["pieces"], drops


_host: Host | None = None


def pin(cores: set[int]) -> None:
    """All threads of this process that are made from now on run on ``cores``."""
    os.sched_setaffinity(0, cores)


def opened(calls: int, supervised: int = 0, threads: int = 1) -> tuple[list[Bridged], str]:
    """Open an engine with calls; what ``rtp.run`` needs to feed them, and how its thread is scheduled."""
    global _host  # noqa: PLW0603 - this process is the engine's
    _host = Host(calls, supervised, threads)
    return _host.lines, _host.engine.scheduling()


def spent() -> Spent:
    """Processor time until now."""
    assert _host is not None
    _host.engine.drain()
    return _host.spent()


def busy(seconds: float) -> int:
    """Python burns its core; how many rounds it made."""
    until, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        rounds += 1
    return rounds


def prompts(count: int) -> list[float]:
    """From ``play`` to the first packet at the far end, in milliseconds, ``count`` times."""
    assert _host is not None
    engine, starts = _host.engine, []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.setsockopt(socket.SOL_SOCKET, _TIMESTAMP, 1)
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(1)
        leg = engine.open_leg("127.0.0.1")
        engine.set_codec(leg.node, Codec.PCMA, payload_type=8, digit_payload_type=None)
        engine.set_remote(leg.node, *ear.getsockname())
        for number in range(count):
            player = engine.open_player()
            engine.set_gain(leg.node, player, 1.0)
            time.sleep(0.03 + 0.001 * (number % 17))  # each begins at another moment of the engine's tick
            while select.select([ear], [], [], 0)[0]:  # the end of the prompt before
                ear.recv(2048)
            began = time.time_ns()
            engine.play(player, FRAME * 3)
            _, control, _, _ = ear.recvmsg(2048, 64)
            seconds, nanoseconds = struct.unpack("ll", control[0][2])
            starts.append((seconds * 10**9 + nanoseconds - began) / 1e6)
            engine.close_node(player)
        engine.close_node(leg.node)
    return starts


def leg_kb(count: int) -> float:
    """Resident memory that ``count`` further legs take, each in KB, without recording buffers."""
    assert _host is not None
    before = _resident_kb()
    nodes = [_host._leg(CALLERS, 10_000 + number)[0] for number in range(count)]
    for caller, agent in zip(nodes[::2], nodes[1::2], strict=True):
        _host.engine.set_gain(agent, caller, 1.0)
        _host.engine.set_gain(caller, agent, 1.0)
    time.sleep(0.2)  # the media thread takes what it needs for them in its own time, and tells nobody
    used = _resident_kb() - before
    for node in nodes:
        _host.engine.close_node(node)
    return used / count


def _resident_kb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1024


def closed() -> tuple[int, int]:
    """Close the engine; see ``Host.close``."""
    assert _host is not None
    return _host.close()


def cycles(count: int) -> tuple[float, int]:
    """``count`` calls set up and torn down: the growth of memory in KB and of descriptors after the first tenth."""
    assert _host is not None
    marks: list[tuple[float, int]] = []
    for number in range(count):
        if number in (count // 10, count - 1):
            _host.engine.drain()
            time.sleep(0.5)  # the kernel and the media thread clear away what was closed, and tell nobody
            marks.append((_resident_kb(), len(os.listdir("/proc/self/fd"))))
        _cycle(_host.engine)
    (memory, descriptors), (memory_after, descriptors_after) = marks
    return memory_after - memory, descriptors_after - descriptors


_PROMPT = np.full(1600, 4000, np.int16).tobytes()


def _cycle(engine: NativeEngine) -> None:
    caller, agent = (engine.open_leg("127.0.0.1").node for _ in range(2))
    player = engine.open_player()
    for leg in (caller, agent):
        engine.set_codec(leg, Codec.PCMA, payload_type=8, digit_payload_type=101)
        engine.set_remote(leg, "127.0.0.1", 9)
    engine.set_gain(caller, agent, 1.0)
    engine.set_gain(agent, caller, 1.0)
    engine.set_gain(caller, player, 1.0)
    engine.play(player, _PROMPT)
    for node in (caller, player, agent):
        engine.close_node(node)
    engine.drain()
