"""A switch in virtual time, with far ends that send and hear RTP. Nothing here sleeps or opens a socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from media import _core, reference
from media.engine import Codec, MediaEvent
from media.native import event_of
from media.pieces import Piece
from media.reference.coders import coder, ticks
from media.reference.rtp import Packet, TelephoneEvent

Samples = npt.NDArray[np.int16]
MS = 1_000_000
SWITCHES: dict[str, Callable[[], Any]] = {"native": _core.Switch, "reference": reference.Switch}


class FarEnd:
    """One party's phone: what it says goes into its leg, what the leg sends it hears."""

    def __init__(self, room: Room, codec: Codec, digits: int | None) -> None:
        self.room, self.codec, self.digits = room, codec, digits
        self.coder = coder(codec)
        self.node: int = room.switch.open_leg(0x1000 + len(room.phones), 65_530, 0xFFFFFF00)
        self.address = (room.host, 30_000 + 2 * self.node)
        room.switch.set_codec(self.node, int(codec), int(codec), -1 if digits is None else digits)
        room.switch.set_remote(self.node, *self.address)
        self.sequence, self.timestamp, self.ssrc = 65_000 + self.node, 0xFFFF0000 + self.node, 77 + self.node
        self.heard: list[Packet] = []

    def packet(self, payload: bytes, *, marker: bool = False) -> Packet:
        """The next packet of this phone's stream, not yet sent."""
        made = Packet(int(self.codec), self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.ssrc, payload, marker)
        self.sequence += 1
        self.timestamp += ticks(self.codec, payload)
        return made

    def send(self, packet: Packet | bytes, source: tuple[str, int] | None = None) -> None:
        self.room.switch.packet(self.node, bytes(packet), *(source or self.address), self.room.now)
        self.room.collect()

    def arrived(self, data: bytes) -> Packet:
        packet = Packet.parse(data)
        assert packet is not None
        return packet

    def say(self, samples: Samples) -> None:
        """One packet."""
        self.send(self.packet(self.coder.encode(samples)))

    def event(self, key: int, duration: int, *, end: bool = False, marker: bool = False) -> Packet:
        """A telephone-event packet at the present timestamp."""
        assert self.digits is not None
        payload = bytes(TelephoneEvent(key, end, duration))
        made = Packet(self.digits, self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.ssrc, payload, marker)
        self.sequence += 1
        return made

    def audio(self) -> list[Packet]:
        return [packet for packet in self.heard if packet.payload_type == self.codec]

    def sound(self) -> Samples:
        """All audio heard so far, packet after packet."""
        ear = coder(self.codec)
        return np.concatenate([np.zeros(0, np.int16), *(ear.decode(p.payload) for p in self.audio())])


class Room:
    """The switch under test and everything that came out of it. Its phones are at ``host``."""

    def __init__(self, make: Callable[[], Any], host: str = "127.0.0.1") -> None:
        self.switch, self.host = make(), host
        self.phones: list[FarEnd] = []
        self.events: list[MediaEvent] = []
        self.tapped: list[bytes] = []
        self.positions: dict[int, list[int]] = {}
        """Of the pieces of each tap."""
        self.reading = True
        """Whoever listens to the taps takes what comes."""
        self.recorded: list[tuple[int, bytes]] = []
        self.now = 1_000 * MS
        self.switch.advance(self.now)

    def phone(self, codec: Codec = Codec.PCMA, digits: int | None = 101) -> FarEnd:
        self.phones.append(FarEnd(self, codec, digits))
        return self.phones[-1]

    def gain(self, listener: FarEnd | int, source: FarEnd | int, gain: float = 1.0) -> None:
        numbers = [end.node if isinstance(end, FarEnd) else end for end in (listener, source)]
        self.switch.set_gain(*numbers, gain)

    def player(self, *listeners: FarEnd | int) -> int:
        node: int = self.switch.open_player()
        for listener in listeners:
            self.gain(listener, node)
        return node

    def wait(self, ms: float) -> None:
        """In steps of a timer that is at most 100 ms late, which nobody may notice in what is sent."""
        until = self.now + round(ms * MS)
        self.collect()
        while self.now < until:
            self.now = min(self.now + 100 * MS, until)
            self.switch.advance(self.now)
            self.collect()

    def collect(self) -> None:
        for node, data, address, port in self.switch.take_sent():
            [phone] = [phone for phone in self.phones if phone.node == node]
            assert (address, port) == phone.address
            phone.heard.append(phone.arrived(data))
        for tap, datagram in self.switch.take_tapped() if self.reading else ():
            piece = Piece.parse(datagram)
            self.positions.setdefault(tap, []).append(piece.position)
            self.tapped.append(piece.pcm)
        self.recorded += [(start, block) for _, start, block in self.switch.take_recorded()]
        self.events += [event_of(told) for told in self.switch.take_events()]

    def recording(self) -> npt.NDArray[np.int16]:
        """Both channels side by side, as the file would hold them."""
        self.collect()
        end = max((start + len(block) // 4 for start, block in self.recorded), default=0)
        file = np.zeros((end, 2), np.int16)
        for start, block in self.recorded:
            frames = np.frombuffer(block, np.int16).reshape(-1, 2)
            file[start : start + len(frames)] = frames
        return file

    def of(self, kind: type[MediaEvent]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def tone(hertz: float, samples: int, level: int = 4000, start: int = 0) -> Samples:
    return (level * np.sin(2 * np.pi * hertz * (np.arange(samples) + start) / 8000)).astype(np.int16)


def converse(room: Room, frames: int, tones: dict[FarEnd, float]) -> None:
    """Every phone says its tone for so many packets of 20 ms."""
    for number in range(frames):
        for phone, hertz in tones.items():
            phone.say(tone(hertz, 160, start=160 * number))
        room.wait(20)


def loudness(sound: Samples, hertz: float) -> float:
    """The amplitude of one tone in a sound."""
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(sound)) / 8000)
    return float(2 * abs(np.mean(sound * wave))) if len(sound) else 0.0
