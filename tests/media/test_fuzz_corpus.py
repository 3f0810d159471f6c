"""What the fuzzers found worth keeping (tests/wire/fuzz), through both engines: neither falls, and both say the same.

``make fuzz`` lets libFuzzer look for more; media/core/fuzz/session.cpp reads the same bytes in the same way.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from media._core import Coder, Srtp, ticks
from media.engine import Codec
from media.reference.digits import DigitReceiver
from media.reference.rtp import Packet
from tests.media.room import SWITCHES

CORPUS = Path(__file__).parents[1] / "wire" / "fuzz"
CODECS = [*Codec]
LENGTHS, GAINS = (10, 20, 40), (0.0, 0.5, 1.0, 2.0)
KEY = bytes([7]) * 30
MS = 1_000_000


class Reader:
    """The fuzzer's bytes; behind their end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def bytes(self, count: int) -> bytes:
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def byte(self) -> int:
        return int.from_bytes(self.bytes(1), "big")

    def word(self) -> int:
        return self.byte() << 8 | self.byte()


class Session:
    """Four legs, a recorder, a tap and a player."""

    def __init__(self, switch: Any) -> None:
        self.switch, self.now = switch, 1_000 * MS
        switch.advance(self.now)
        self.legs = [switch.open_leg(0x1000 + n, 65_530, 0xFFFFFF00) for n in range(4)]
        for n, leg in enumerate(self.legs):
            switch.set_remote(leg, "127.0.0.1", 30_000 + n)
            switch.set_codec(leg, CODECS[n], CODECS[n], -1 if n == 3 else 101)
        self.recorder, _ = switch.open_recorder()
        self.tap, self.player = switch.open_tap(), switch.open_player()
        for hears, sounds in ((0, 1), (1, 0), (2, 3), (3, 2)):
            switch.set_gain(self.legs[hears], self.legs[sounds], 1)
        switch.set_gain(self.recorder, self.legs[0], 1)
        switch.set_gain(self.tap, self.legs[2], 1)
        switch.set_gain(self.legs[1], self.player, 1)

    def step(self, data: Reader) -> None:
        what = data.byte()
        n, kind = what & 3, what >> 2 & 7
        leg, switch = self.legs[n], self.switch
        more = 0 if kind < 4 else data.byte()
        if kind == 4:
            self.now += more * MS
            switch.advance(self.now)
        elif kind == 5:
            codec, ms = CODECS[(more & 7) % 6], LENGTHS[(more >> 3 & 7) % 3]
            switch.set_codec(leg, codec, codec, -1 if more & 0x40 else 101, 8000, ms, bool(more & 0x80))
        elif kind == 6:
            switch.set_gain(leg, self.legs[more & 3], GAINS[more >> 2 & 3])
        elif kind == 7 and more & 0x10:
            sample = (more * 100 + 0x8000) % 0x10000 - 0x8000
            switch.play(self.player, sample.to_bytes(2, "little", signed=True) * 400, False)
        elif kind == 7 and more & 0x20:
            switch.set_srtp(leg, "AES_CM_128_HMAC_SHA1_80" if more & 1 else "", KEY, KEY)
        elif kind == 7:
            switch.send_digit(leg, "0123456789*#ABCD"[more & 15], 100)
        else:
            switch.packet(leg, data.bytes(data.word() % 1500), "127.0.0.1", 30_000 + n, self.now)

    def run(self, data: bytes) -> tuple[Any, ...]:
        reader = Reader(data)
        while reader.rest:
            with suppress(ValueError):  # a refused command changes nothing
                self.step(reader)
        self.switch.advance(self.now + 600 * MS)
        stats = [self.switch.stats(leg)[:5] for leg in self.legs]
        out = self.switch
        taken = (out.take_sent(), out.take_tapped(), out.take_recorded(), out.take_events())
        # Whose turn comes first within a tick is nobody's business: what matters is the order at each node.
        return stats, *(sorted(rows, key=lambda row: row[:2] if isinstance(row[0], str) else row[0]) for rows in taken)


def corpus(target: str) -> list[Path]:
    return sorted((CORPUS / target).iterdir())


@pytest.mark.parametrize("file", corpus("session"), ids=lambda file: file.name)
def test_both_engines_say_the_same(file: Path) -> None:
    native, reference = (Session(make()).run(file.read_bytes()) for make in SWITCHES.values())
    assert native == reference


@pytest.mark.parametrize("file", corpus("digits"), ids=lambda file: file.name)
def test_a_packet_twice_is_one_key(file: Path) -> None:
    reader, receiver = Reader(file.read_bytes()), DigitReceiver()
    while len(reader.rest) >= 9:
        ssrc, timestamp = reader.byte() & 1, reader.word() << 16 | reader.word()
        packet = Packet(101, 0, timestamp, ssrc, reader.bytes(4))
        if receiver.receive(packet) is not None:
            assert receiver.receive(packet) is None


@pytest.mark.parametrize("file", corpus("coders"), ids=lambda file: file.name)
def test_decoders_bear_everything(file: Path) -> None:
    reader = Reader(file.read_bytes())
    codec = CODECS[reader.byte() % 6]
    coder = Coder(codec)
    while reader.rest:
        head = reader.word()
        payload = reader.bytes((head & 0x7FFF) % 1441)
        if not payload:
            continue
        assert ticks(codec, payload) >= 0
        if head & 0x8000:
            coder.recover(payload)
        assert len(coder.decode(payload)) <= 2 * 1440


@pytest.mark.parametrize("file", corpus("srtp"), ids=lambda file: file.name)
def test_srtp_takes_only_what_was_protected(file: Path) -> None:
    reader = Reader(file.read_bytes())
    suite, key = ("AEAD_AES_128_GCM", bytes([7]) * 28) if reader.byte() & 1 else ("AES_CM_128_HMAC_SHA1_32", KEY)
    send, receive = Srtp(suite, key, 0x1000), Srtp(suite, key)
    while reader.rest:
        how, size = reader.byte(), reader.word() % 1453
        packet = reader.bytes(size)
        protected = send.protect(packet) if how & 1 else None
        if protected is None:
            assert receive.unprotect(packet) is None
        else:
            assert receive.unprotect(protected) == packet


class Line:
    """One leg that echoes, and its far end's reports; as media/core/fuzz/rtcp.cpp reads the bytes."""

    OURS, THEIRS, PORT = 0x1000, 77, 30_000

    def __init__(self, switch: Any) -> None:
        self.switch, self.now = switch, 1_000 * MS
        switch.advance(self.now)
        self.leg = switch.open_leg(self.OURS, 65_530, 0xFFFFFF00)
        switch.set_remote(self.leg, "127.0.0.1", self.PORT)
        switch.set_gain(self.leg, self.leg, 1)

    def step(self, data: Reader) -> None:
        what, more = data.byte(), data.byte()
        kind = what & 3
        if kind == 0:
            self.now += more * 16 * MS
            self.switch.advance(self.now)
        elif kind == 1:
            self.report(data.bytes(more))
        elif kind == 2:
            self.well_formed(data, sender=bool(what & 4))
        elif what & 8:
            self.switch.set_remote(self.leg, "127.0.0.1", self.PORT, bool(what & 4))
        else:
            sequence = more << (what >> 4 & 7) & 0xFFFF
            packet = Packet(8, sequence, sequence * 160, self.THEIRS, bytes(160))
            self.switch.packet(self.leg, bytes(packet), "127.0.0.1", self.PORT, self.now)

    def well_formed(self, data: Reader, *, sender: bool) -> None:
        size = 52 if sender else 32
        numbers = bytes(data.byte() for _ in range(size - 8))
        block = size - 8 - 24
        head = struct.pack("!BBHI", 0x81, 200 if sender else 201, size // 4 - 1, self.THEIRS)
        self.report(head + numbers[:block] + self.OURS.to_bytes(4, "big") + numbers[block + 4 :])

    def report(self, data: bytes) -> None:
        self.switch.report(self.leg, data, "127.0.0.1", self.PORT + 1, self.now)

    def run(self, data: bytes) -> tuple[Any, ...]:
        reader = Reader(data)
        while reader.rest:
            self.step(reader)
        self.switch.advance(self.now + 8_000 * MS)
        return self.switch.stats(self.leg), self.switch.take_reports(), self.switch.take_sent()


@pytest.mark.parametrize("file", corpus("rtcp"), ids=lambda file: file.name)
def test_both_engines_understand_reports_alike(file: Path) -> None:
    native, reference = (Line(make()).run(file.read_bytes()) for make in SWITCHES.values())
    assert native == reference
    far = native[0][-1]
    assert far[5] >= far[6] >= 0, "no more can be lost than was expected"
