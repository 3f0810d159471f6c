"""Far ends on real sockets, for the engines."""

from __future__ import annotations

import os
import select
import socket
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np

from media.engine import Codec, MediaConfig, MediaEngine, MediaEvent, Node
from media.native import NativeEngine
from media.reference import ReferenceEngine
from media.reference.rtp import Packet

ENGINES: dict[str, Callable[[MediaConfig], MediaEngine]] = {"native": NativeEngine, "reference": ReferenceEngine}
PATIENCE = 10.0
"""Seconds until a test gives up; nothing here takes a tenth of it on an idle machine."""

PCM = np.full(800, 4000, np.int16).tobytes()
"""A tenth of a second of one constant sample."""


class Softphone:
    """A leg of the engine and the phone at its far end, both at ``far``; the leg is bound on ``address``."""

    def __init__(
        self, engine: MediaEngine, codec: Codec = Codec.PCMA, address: str = "", *, far: str = "127.0.0.1"
    ) -> None:
        self.engine, self.far = engine, far
        self.socket = socket.socket(socket.AF_INET6 if ":" in far else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((far, 0))
        self.socket.settimeout(PATIENCE)
        self.leg = engine.open_leg(address or far)
        self.node = self.leg.node
        engine.set_codec(self.node, codec, payload_type=codec, digit_payload_type=101)
        self.address: tuple[str, int] = self.socket.getsockname()[:2]
        engine.set_remote(self.node, *self.address)
        self.codec, self.sequence = codec, 0

    def say(self, payload: bytes) -> None:
        packet = Packet(self.codec, self.sequence & 0xFFFF, 160 * self.sequence, 7, payload)
        self.sequence += 1
        self.socket.sendto(bytes(packet), (self.far, self.leg.port))

    def hear(self) -> Packet:
        packet = Packet.parse(self.socket.recv(2048))
        assert packet is not None
        return packet

    def hang_up(self) -> None:
        self.engine.close_node(self.node)
        self.socket.close()


class Ears:
    """The events of an engine, read as its user would."""

    def __init__(self, engine: MediaEngine) -> None:
        self.engine = engine
        self.events: list[MediaEvent] = []

    def wait_for(self, kind: type[MediaEvent], node: Node) -> MediaEvent:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for event in self.events:
                if isinstance(event, kind) and event.node == node:
                    self.events.remove(event)
                    return event
            readable, _, _ = select.select([self.engine.fileno()], [], [], 0.1)
            if readable:
                self.events += self.engine.drain()
        raise AssertionError(f"no {kind.__name__} of node {node}; there was {self.events}")


def until(holds: Callable[[], object]) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def recorded(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """Both channels of a recording, by the standard library's reader."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
