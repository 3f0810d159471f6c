"""RTCP (RFC 3550 section 6) on the wire: what a compound packet says, and the packets that make up one of ours."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, GOODBYE = 200, 201, 202, 203
_SECOND = 1_000_000_000


def looks_so(data: bytes) -> bool:
    """On a port that RTP shares, these packets are none of RTP's: payload types 64 to 95 (RFC 5761 section 4)."""
    return len(data) >= 2 and 192 <= data[1] <= 223


def ntp(at: int) -> int:
    """A moment as a sender report tells it (section 4): ours count from when this machine was started, which section
    6.4.1 leaves to us, since nobody needs to compare two streams of ours."""
    return at // _SECOND << 32 | (at % _SECOND << 32) // _SECOND


def middle(ntp_time: int) -> int:
    """The middle of an NTP timestamp: seconds in 65536ths, as report blocks count."""
    return ntp_time >> 16 & 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Block:
    """What a receiver says of one stream (section 6.4.1)."""

    ssrc: int
    fraction: int
    """Lost since the report before, in 256ths."""
    lost: int
    """Since the beginning; 24 bits with a sign."""
    highest: int
    """Sequence number, extended by the times that it wrapped."""
    jitter: int
    """In ticks of the stream's clock."""
    last_report: int = 0
    """The middle of our last sender report's time …"""
    delay: int = 0
    """… and how long ago that came."""

    SIZE = 24

    @classmethod
    def parse(cls, data: bytes) -> Block:
        ssrc, both, highest, jitter, last_report, delay = struct.unpack("!6I", data)
        lost = (both & 0xFFFFFF) - (both << 1 & 0x1000000)
        return cls(ssrc, both >> 24, lost, highest, jitter, last_report, delay)

    def __bytes__(self) -> bytes:
        both = self.fraction << 24 | self.lost & 0xFFFFFF
        return struct.pack("!6I", self.ssrc, both, self.highest, self.jitter, self.last_report, self.delay)


@dataclass(frozen=True, slots=True)
class Sender:
    """What a sender says of its own stream."""

    ntp_time: int
    timestamp: int
    packets: int
    octets: int

    SIZE = 20

    @classmethod
    def parse(cls, data: bytes) -> Sender:
        return cls(*struct.unpack("!QIII", data))

    def __bytes__(self) -> bytes:
        counts = [number & 0xFFFFFFFF for number in (self.timestamp, self.packets, self.octets)]
        return struct.pack("!QIII", self.ntp_time, *counts)


@dataclass(frozen=True, slots=True)
class Compound:
    """The part of a compound packet that concerns one stream of ours."""

    ssrc: int
    """Who reports."""
    sender: Sender | None
    about_us: Block | None
    bye: bool

    @classmethod
    def parse(cls, data: bytes, our_ssrc: int) -> Compound | None:
        """None when this is not valid by RFC 3550 appendix A.2: version 2 throughout, a report first and without
        padding, lengths that add up, and room for all that is promised."""
        ssrc, sender, about_us, bye = 0, None, None, False
        if not data or data[0] & 0x20:
            return None
        first = True
        while data:
            if len(data) < 4 or data[0] >> 6 != 2:
                return None
            count, kind, size = data[0] & 31, data[1], 4 + 4 * int.from_bytes(data[2:4], "big")
            packet, data = data[:size], data[size:]
            is_report = kind in (SENDER_REPORT, RECEIVER_REPORT)
            if len(packet) < size or (first and not is_report):
                return None
            if is_report:
                begin = 8 + (Sender.SIZE if kind == SENDER_REPORT else 0)
                if size < begin + count * Block.SIZE:
                    return None
                if first:
                    ssrc = int.from_bytes(packet[4:8], "big")
                    sender = Sender.parse(packet[8:begin]) if kind == SENDER_REPORT else None
                for at in range(begin, begin + count * Block.SIZE, Block.SIZE):
                    block = Block.parse(packet[at : at + Block.SIZE])
                    about_us = block if block.ssrc == our_ssrc else about_us
            if kind == GOODBYE:
                if size < 4 + 4 * count:
                    return None
                bye = bye or count > 0
            first = False
        return cls(ssrc, sender, about_us, bye)


def report(ssrc: int, sender: Sender | None, block: Block | None) -> bytes:
    """A sender report, or a receiver report of who sends nothing."""
    kind = RECEIVER_REPORT if sender is None else SENDER_REPORT
    body = b"".join(bytes(part) for part in (sender, block) if part is not None)
    return _packet(kind, int(block is not None), ssrc, body)


def name(ssrc: int, cname: str) -> bytes:
    """Who we are (section 6.5.1)."""
    items = bytes([1, len(cname)]) + cname.encode()
    return _packet(SOURCE_DESCRIPTION, 1, ssrc, items + bytes(4 - len(items) % 4))


def goodbye(ssrc: int) -> bytes:
    """That we leave (section 6.6)."""
    return _packet(GOODBYE, 1, ssrc, b"")


def _packet(kind: int, count: int, ssrc: int, body: bytes) -> bytes:
    return struct.pack("!BBHI", 0x80 | count, kind, (8 + len(body)) // 4 - 1, ssrc) + body
