"""Ear and mouth beside SIPp: SIPp signals, its SDP points here, and this socket carries the audio.

``Mouth`` and ``Ear`` are plain state (packets out, packets in, time passed in); ``Line`` is the socket and the thread
that paces them. A thread, so that a busy test loop does not make the caller stutter.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from tests.partners import g711
from tests.partners.audio import FRAME, RATE, Pcm
from tests.partners.process import PREFERENCE

PCMU, PCMA, L16 = 0, 8, 97
G711 = {PCMU, PCMA}
EVENT = 101
"""Payload type of telephone-event in the scenarios' SDP."""
EVENTS = (EVENT, 96)
"""Payload types that are heard as telephone-event: SIPp itself sends it under 96."""
KEYS = "0123456789*#ABCD"
TICK = 0.02


@dataclass(frozen=True, slots=True)
class Coding:
    """Bytes for samples and back."""

    encode: Callable[[Pcm], bytes]
    decode: Callable[[bytes], Pcm]


def _linear(pcm: Pcm) -> bytes:
    return pcm.astype(">i2").tobytes()


def _from_linear(data: bytes) -> Pcm:
    return np.frombuffer(data, ">i2").astype(np.int16)


CODINGS = {PCMU: Coding(g711.ulaw, g711.from_ulaw), PCMA: Coding(g711.alaw, g711.from_alaw),
           L16: Coding(_linear, _from_linear)}
"""By the payload type that our server offers them under."""
_QUIET = {number: coding.encode(np.zeros(FRAME, np.int16)) for number, coding in CODINGS.items()}


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet (RFC 3550 section 5.1) as it arrived. ``at`` is ``time.monotonic()``."""

    at: float
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    @classmethod
    def parse(cls, data: bytes, at: float) -> Self | None:
        """None when it is no RTP version 2."""
        if len(data) < 12 or data[0] >> 6 != 2:
            return None
        flags, kind, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
        body = data[12 + 4 * (flags & 15) :]
        if flags & 0x10 and len(body) >= 4:  # header extension
            body = body[4 + 4 * struct.unpack_from("!H", body, 2)[0] :]
        if flags & 0x20 and body:  # padding
            body = body[: -body[-1]]
        return cls(at, kind & 0x7F, bool(kind & 0x80), sequence, timestamp, ssrc, body)


class Ear:
    """What one party hears: packets in order of arrival, as audio, as keys."""

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.sources: set[tuple[str, int]] = set()
        self.codings = {number: CODINGS[number] for number in G711}
        """By the payload type that they come under."""

    def hear(self, data: bytes, at: float, source: tuple[str, int]) -> None:
        packet = Packet.parse(data, at)
        if packet is not None:
            self.packets.append(packet)
            self.sources.add(source)

    def heard(self) -> Pcm:
        """Everything so far, placed by RTP timestamps; what did not come is silence.

        A new SSRC, or a timestamp that jumps by more than two seconds from where the arrival time puts it, begins
        anew at its arrival time.
        """
        placed: list[tuple[int, Pcm]] = []
        base, origin, ssrc = 0, 0, -1
        first = 0.0
        for packet in list(self.packets):
            if packet.payload_type not in self.codings:
                continue
            arrived = round((packet.at - (first := first or packet.at)) * RATE)
            offset = base + _signed(packet.timestamp - origin)
            if packet.ssrc != ssrc or abs(offset - arrived) > 2 * RATE:
                base, origin, ssrc = arrived, packet.timestamp, packet.ssrc
                offset = base
            placed.append((offset, self.codings[packet.payload_type].decode(packet.payload)))
        start = min((offset for offset, _ in placed), default=0)
        pcm = np.zeros(max((offset + len(part) for offset, part in placed), default=0) - start, dtype=np.int16)
        for offset, part in placed:
            pcm[offset - start : offset - start + len(part)] = part
        return pcm

    def keys(self) -> str:
        """The keys pressed by the far side (RFC 4733): one for each event, whatever was lost or repeated."""
        presses = {(p.ssrc, p.timestamp): p.payload[0] for p in list(self.packets)
                   if p.payload_type in EVENTS and len(p.payload) >= 4}
        return "".join(KEYS[code] for code in presses.values() if code < len(KEYS))

    def first_sound(self, after: float = 0.0, above: int = 300) -> float | None:
        """When the first audible packet after the moment ``after`` arrived (``time.monotonic()``); None if none yet.

        ``above`` is the peak sample value that counts as sound.
        """
        for packet in list(self.packets):
            if packet.at > after and packet.payload_type in self.codings:
                pcm = self.codings[packet.payload_type].decode(packet.payload)
                if np.abs(pcm.astype(int)).max(initial=0) > above:
                    return packet.at
        return None


def _signed(difference: int) -> int:
    """A 32-bit timestamp difference as a signed number."""
    return (difference + 2**31) % 2**32 - 2**31


class Mouth:
    """What one party says, a packet every 20 ms: speech or silence, keys in between (RFC 4733)."""

    def __init__(self, payload_type: int = PCMA, ssrc: int = 0x5EED) -> None:
        self.payload_type = payload_type
        self.ssrc = ssrc
        self.silent = False
        """Send nothing at all, as a phone that is on hold or behind a broken line."""
        self.spoken_at: float | None = None
        """When the last packet with speech went out (``time.monotonic()``)."""
        self.bursts: list[bytes] = []
        """Every audio payload sent, for comparison bit by bit."""
        self._speech: deque[bytes] = deque()
        self._keys: deque[list[bytes]] = deque()
        self._key_began = 0
        self._sequence, self._timestamp = 1000, 160_000

    def say(self, pcm: Pcm) -> None:
        """Queue speech behind what is waiting; the last packet is filled with silence."""
        padded = np.concatenate([pcm, np.zeros(-len(pcm) % FRAME, dtype=np.int16)])
        encode = CODINGS[self.payload_type].encode
        self._speech.extend(encode(padded[at : at + FRAME]) for at in range(0, len(padded), FRAME))

    def hush(self) -> None:
        """Drop what is still waiting to be said."""
        self._speech.clear()

    def press(self, key: str, duration_ms: int = 160) -> None:
        """Queue a key: packets every 20 ms with growing duration, the end three times (RFC 4733 section 2.5.1.4)."""
        code, steps = KEYS.index(key), max(1, duration_ms // 20)
        press = [struct.pack("!BBH", code, 10, FRAME * step) for step in range(1, steps + 1)]
        end = struct.pack("!BBH", code, 0x80 | 10, FRAME * steps)
        self._keys.append([*press, end, end, end])

    @property
    def idle(self) -> bool:
        """Nothing is waiting to be sent."""
        return not self._speech and not self._keys

    def packet(self, now: float) -> bytes | None:
        """The packet of this tick; None when silent."""
        self._timestamp += FRAME
        if self._keys:
            return self._key_packet()
        if self.silent:
            return None
        if self._speech:
            self.spoken_at = now
        payload = self._speech.popleft() if self._speech else _QUIET[self.payload_type]
        self.bursts.append(payload)
        return self._wrap(self.payload_type, self._timestamp, payload)

    def _key_packet(self) -> bytes:
        key = self._keys[0]
        begins = not self._key_began
        self._key_began = self._key_began or self._timestamp
        packet = self._wrap(EVENT, self._key_began, key.pop(0), marker=begins)
        if not key:
            self._keys.popleft()
            self._key_began = 0
        return packet

    def _wrap(self, kind: int, timestamp: int, payload: bytes, *, marker: bool = False) -> bytes:
        self._sequence = (self._sequence + 1) & 0xFFFF
        head = struct.pack("!BBHII", 0x80, kind | marker << 7, self._sequence, timestamp & 0xFFFFFFFF, self.ssrc)
        return head + payload


class Line:
    """A UDP socket with an ear, and a mouth that speaks once ``connect`` has told it where to."""

    def __init__(self, ip: str, payload_type: int = PCMA) -> None:
        self.ear, self.mouth = Ear(), Mouth(payload_type)
        self._socket = _even_port(ip)
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self.remote: tuple[str, int] | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"line {self.address[1]}", daemon=True)
        self._thread.start()

    def connect(self, ip: str, port: int) -> None:
        """Speak to this address from now on."""
        self.remote = (ip, port)

    def close(self) -> None:
        self._closing = True
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), PREFERENCE)
        tick = time.monotonic()
        while not self._closing:
            ready, _, _ = select.select([self._socket], [], [], max(0.0, tick - time.monotonic()))
            now = time.monotonic()
            if ready:
                data, source = self._socket.recvfrom(2048)
                self.ear.hear(data, now, source[:2])
            if now >= tick:
                tick += TICK
                self._speak(now)

    def _speak(self, now: float) -> None:
        if self.remote is None:
            return
        packet = self.mouth.packet(now)
        if packet is not None:
            # When the far side has closed its port a telephone goes on talking.
            with contextlib.suppress(ConnectionRefusedError):
                self._socket.sendto(packet, self.remote)


def _even_port(ip: str) -> socket.socket:
    """RTP lies on even ports (RFC 3550 section 11)."""
    while True:
        found = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
        found.bind((ip, 0))
        if found.getsockname()[1] % 2 == 0:
            return found
        found.close()
