"""SRTP (RFC 3711, RFC 7714): what a leg sends only its far end can read, and only its far end is heard."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from media._core import Srtp
from media.engine import Codec, DigitPressed, SrtpKeys, SrtpSuite
from media.reference import rtcp
from media.reference.rtp import Packet
from tests.media.reports import beside, stats
from tests.media.room import FarEnd, Room, converse, loudness, tone

SUITES = [*SrtpSuite]


def key_of(suite: SrtpSuite, seed: int) -> bytes:
    return bytes((seed + 7 * n) & 0xFF for n in range(suite.key_size))


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class SecuredEnd(FarEnd):
    """A far end that speaks and hears SRTP."""

    def __init__(self, room: Room, suite: SrtpSuite, digits: int | None = 101) -> None:
        super().__init__(room, Codec.PCMA, digits)
        room.phones.append(self)
        self.suite = suite
        self.ours, self.theirs = key_of(suite, 1 + self.node), key_of(suite, 101 + self.node)
        self.mouth, self.ear = Srtp(suite, self.theirs, self.ssrc), Srtp(suite, self.ours)
        self.on_the_wire: list[bytes] = []
        self.secure()

    def secure(self) -> None:
        self.room.switch.set_srtp(self.node, self.suite, self.ours, self.theirs)

    def send(self, packet: Packet | bytes, source: tuple[str, int] | None = None) -> None:
        data = self.mouth.protect(bytes(packet))
        assert data is not None
        self.on_the_wire.append(data)
        super().send(data, source)

    def arrived(self, data: bytes) -> Packet:
        clear = self.ear.unprotect(data)
        assert clear is not None, "not protected, or by another key"
        return super().arrived(clear)


@pytest.mark.parametrize("suite", SUITES)
def test_a_relay_between_a_protected_and_a_plain_leg(room: Room, suite: SrtpSuite) -> None:
    caller, agent = SecuredEnd(room, suite), room.phone()
    room.gain(agent, caller)
    room.gain(caller, agent)
    packet = caller.packet(bytes(range(160)))
    caller.send(packet)
    agent.send(agent.packet(bytes(range(100, 260 - 4)) + b"tail"))
    assert agent.heard[0].payload == packet.payload
    assert caller.heard[0].payload[-4:] == b"tail"
    assert packet.payload not in caller.on_the_wire[0]


@pytest.mark.parametrize("suite", SUITES)
def test_a_mix_and_its_digits(room: Room, suite: SrtpSuite) -> None:
    caller, agent, supervisor = SecuredEnd(room, suite), SecuredEnd(room, suite), room.phone()
    for listener in (caller, agent, supervisor):
        for source in (caller, agent, supervisor):
            if listener is not source:
                room.gain(listener, source)
    converse(room, 30, {caller: 500, agent: 900, supervisor: 1300})
    assert loudness(caller.sound()[800:4000], 900) > 3000
    assert loudness(supervisor.sound()[800:4000], 500) > 3000
    caller.send(caller.event(5, 160))
    room.wait(300)
    assert [event.key for event in room.of(DigitPressed)] == ["5"]
    assert any(packet.payload_type == 101 for packet in agent.heard)


def test_forged_plain_and_replayed_packets_are_refused_and_counted(room: Room) -> None:
    caller, agent = SecuredEnd(room, SrtpSuite.AES_CM_128_HMAC_SHA1_80), room.phone()
    room.gain(agent, caller)
    caller.say(tone(500, 160))
    [first] = caller.on_the_wire
    forged = bytes([*first[:-1], first[-1] ^ 1])
    wrong = Srtp(caller.suite, key_of(caller.suite, 77), caller.ssrc).protect(bytes(caller.packet(bytes(160))))
    assert wrong is not None
    for data in (first, forged, wrong, bytes(caller.packet(bytes(160))), b"", b"\x80", bytes(1500)):
        room.switch.packet(caller.node, data, *caller.address, room.now)
    room.collect()
    assert len(agent.heard) == 1
    assert room.switch.stats(caller.node)[2] == 7


def test_a_stranger_without_the_key_is_not_followed(room: Room) -> None:
    caller, agent = SecuredEnd(room, SrtpSuite.AEAD_AES_128_GCM), room.phone()
    room.gain(caller, agent)
    room.switch.packet(caller.node, bytes(caller.packet(bytes(160))), "127.0.0.9", 4000, room.now)
    agent.say(tone(500, 160))
    assert len(caller.heard) == 1  # `collect` sees that it went to the signalled address


def test_order_and_loss_on_the_line_harm_nothing(room: Room) -> None:
    caller, agent = SecuredEnd(room, SrtpSuite.AES_CM_128_HMAC_SHA1_80), room.phone()
    room.gain(agent, caller)
    packets = [caller.mouth.protect(bytes(caller.packet(bytes([number]) * 160))) for number in range(8)]
    for number in (0, 2, 1, 5, 4, 7, 4):
        data = packets[number]
        assert data is not None
        room.switch.packet(caller.node, data, *caller.address, room.now)
    room.collect()
    assert [packet.payload[0] for packet in agent.heard] == [0, 2, 1, 5, 4, 7]


def test_a_hold_goes_on_where_the_counters_were(room: Room) -> None:
    caller, agent = SecuredEnd(room, SrtpSuite.AES_CM_128_HMAC_SHA1_80), SecuredEnd(room, SrtpSuite.AEAD_AES_256_GCM)
    room.gain(agent, caller)
    for number in range(1, 3):  # past the sequence number's wrap, where SRTP begins to count rollovers
        for _ in range(600):
            caller.say(tone(500, 160))
        caller.secure()
        agent.secure()
        assert len(agent.heard) == 600 * number
    room.switch.packet(caller.node, caller.on_the_wire[-1], *caller.address, room.now)
    room.collect()
    assert len(agent.heard) == 1200


def test_streams_without_number_take_no_memory_and_the_live_one_is_not_forgotten(room: Room) -> None:
    caller, agent = SecuredEnd(room, SrtpSuite.AES_CM_128_HMAC_SHA1_80), room.phone()
    room.gain(agent, caller)
    caller.say(tone(500, 160))
    for ssrc in range(1_000, 7_000):
        if ssrc == 2_000:
            before = resident()
        speaks, tells = (Srtp(caller.suite, caller.theirs, number) for number in (ssrc, ssrc + 50_000))
        packet = speaks.protect(bytes(Packet(8, 1, 1, ssrc, bytes(160))))
        report = tells.protect_rtcp(rtcp.report(ssrc + 50_000, None, None))
        assert packet is not None
        assert report is not None
        room.switch.packet(caller.node, packet, *caller.address, room.now)
        room.switch.report(caller.node, report, *beside(caller), room.now)
        if ssrc % 100 == 0:
            caller.say(tone(500, 160))
    assert resident() - before < 1 << 20
    assert stats(caller).dropped_other_stream >= 5_999
    assert len(agent.heard) == 61
    for data in caller.on_the_wire:
        room.switch.packet(caller.node, data, *caller.address, room.now)
    room.collect()
    assert len(agent.heard) == 61
    assert stats(caller).dropped_unprotected == 61, "each of them came before"


def test_new_keys_and_back_to_plain(room: Room) -> None:
    caller, agent = SecuredEnd(room, SrtpSuite.AES_CM_128_HMAC_SHA1_80), room.phone()
    room.gain(agent, caller)
    caller.say(tone(500, 160))
    caller.theirs = key_of(caller.suite, 55)
    caller.mouth = Srtp(caller.suite, caller.theirs, caller.ssrc)
    caller.secure()
    caller.say(tone(500, 160))
    assert len(agent.heard) == 2
    room.switch.set_srtp(caller.node, "", b"", b"")
    room.switch.packet(caller.node, bytes(caller.packet(bytes(160))), *caller.address, room.now)
    room.collect()
    assert len(agent.heard) == 3


@pytest.mark.parametrize(
    ("suite", "key", "problem"),
    [("AES_CM_128_HMAC_SHA1_80", b"short", "30 bytes"), ("F8_128_HMAC_SHA1_80", bytes(30), "unknown")],
)
def test_what_cannot_be_a_key(room: Room, suite: str, key: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        room.switch.set_srtp(room.phone().node, suite, key, key)


def test_keys_are_not_shown() -> None:
    keys = SrtpKeys(SrtpSuite.AES_CM_128_HMAC_SHA1_80, send=b"secret" * 5, receive=b"secret" * 5)
    assert "secret" not in repr(keys)
