"""RTP packets (RFC 3550 section 5.1) and telephone-events (RFC 4733) as values."""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAX_PAYLOAD = 1440
"""What fits into an Ethernet frame: 180 ms of G.711."""
EVENT_SIZE = 4
LONGEST_EVENT = 0xFFFF
"""In ticks of its clock; what is longer takes several segments."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet; header extensions and contributing sources are read over."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    @classmethod
    def parse(cls, data: bytes) -> Packet | None:
        """None when this is no RTP version 2 packet or promises more than it holds."""
        if len(data) < 12 or data[0] >> 6 != 2:
            return None
        begin, end = 12 + 4 * (data[0] & 15), len(data)
        if data[0] & 0x10:  # header extension, section 5.3.1
            if begin + 4 > end:
                return None
            begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4], "big")
        if begin > end:
            return None
        if data[0] & 0x20:  # padding: the last byte counts itself
            padding = data[-1]
            if padding == 0 or begin + padding > end:
                return None
            end -= padding
        _, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
        return cls(second & 0x7F, sequence, timestamp, ssrc, data[begin:end], bool(second & 0x80))

    def __bytes__(self) -> bytes:
        second = self.marker << 7 | self.payload_type
        return struct.pack("!BBHII", 0x80, second, self.sequence, self.timestamp, self.ssrc) + self.payload


@dataclass(frozen=True, slots=True)
class TelephoneEvent:
    """The payload of RFC 4733 section 2.3: which key, whether it has been let go, how many samples it lasted."""

    code: int
    end: bool
    duration: int

    @classmethod
    def parse(cls, payload: bytes) -> TelephoneEvent:
        code, flags, duration = struct.unpack_from("!BBH", payload)
        return cls(code, bool(flags & 0x80), duration)

    @classmethod
    def convert(cls, payload: bytes, from_ratio: int, to_ratio: int) -> bytes:
        """Durations count in the clock of each side's own telephone-event (section 2.3.5)."""
        events = [*struct.iter_unpack("!BBH", payload)]
        return b"".join(
            struct.pack("!BBH", code, flags, min(duration * to_ratio // from_ratio, LONGEST_EVENT))
            for code, flags, duration in events
        )

    def __bytes__(self) -> bytes:
        return struct.pack("!BBH", self.code, self.end << 7 | 10, self.duration)  # volume: -10 dBm0


def ahead(a: int, b: int, bits: int) -> int:
    """How far counter ``a`` is ahead of ``b``, modulo its width; negative when it is behind."""
    half = 1 << (bits - 1)
    return ((a - b + half) & (2 * half - 1)) - half
