"""Why there was no audio: one case each, made by packets where a switch can make it, and by counters where not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from media.diagnosis import Cause, Diagnosis, unheard, unhearing
from media.engine import FarSide, LegStats
from media.native import leg_stats
from media.reference import rtcp
from media.reference.rtp import Packet
from tests.media.room import FarEnd, Room

NOTHING = LegStats(0, 0, 0, 0, 0, 0.0, -1, announced=("192.0.2.9", 4000), source=("192.0.2.9", 4000))
TALKING = LegStats(500, 500, 0, 0, 0, 0.0, 12.0, announced=("192.0.2.9", 4000), source=("192.0.2.9", 4000))
QUIET = np.zeros(160, np.int16)


def stats(phone: FarEnd) -> LegStats:
    return leg_stats(phone.room.switch.stats(phone.node))


def of(diagnosis: Diagnosis | None) -> tuple[Cause, str, str]:
    assert diagnosis is not None
    assert set(map(type, diagnosis.evidence.values())) <= {int, str}
    return diagnosis.cause, diagnosis.chinese, diagnosis.english


def test_a_line_that_is_well_has_no_diagnosis() -> None:
    assert unheard(TALKING) is None
    assert unhearing(TALKING) is None
    assert unhearing(replace(TALKING, far=FarSide(reports=9, heard=8, expected=500, lost=9))) is None


def test_nothing_came_at_all(room: Room) -> None:
    caller = room.phone()
    cause, chinese, english = of(unheard(stats(caller)))
    assert cause is Cause.NOTHING_CAME
    place = f"127.0.0.1:{caller.address[1]}"
    assert place in chinese
    assert place in english


@pytest.mark.parametrize(("host", "elsewhere", "named"), [
    ("127.0.0.1", "127.0.0.8", "127.0.0.8:4444"),
    ("2001:db8::1", "2001:db8:1::1", "[2001:db8:1::1]:4444"),  # apart in the upper half alone
    ("2001:db8::1", "2001:db8::2", "[2001:db8::2]:4444"),
])
def test_it_comes_from_elsewhere(room: Room, host: str, elsewhere: str, named: str) -> None:
    room.host = host
    caller = room.phone()
    room.wait(2_500)  # nobody else is followed any more
    for _ in range(3):
        caller.send(caller.packet(b"\xd5" * 160), (elsewhere, 4444))
    cause, chinese, english = of(unheard(stats(caller)))
    assert cause is Cause.OTHER_ADDRESS
    assert named in chinese
    assert "refused (3 packets)" in english


def test_another_stream_beside_the_one_that_is_heard(room: Room) -> None:
    caller = room.phone()
    for number in range(61):
        caller.say(QUIET)
        assert number > 20 or unheard(stats(caller)) is None
        for sequence in (2 * number, 2 * number + 1):
            caller.send(Packet(8, sequence, 0, 9 + sequence % 2, b"\xd5" * 160))
        room.wait(20)
    cause, chinese, english = of(unheard(stats(caller)))
    assert cause is Cause.OTHER_STREAM
    assert "61 packets of one were heard, 121 of others" in english
    assert "121" in chinese


def test_another_payload_type(room: Room) -> None:
    caller = room.phone()
    for _ in range(3):
        caller.send(b"\x80\x12" + bytes(caller.packet(b"\xd5" * 20))[2:])
    cause, _, english = of(unheard(stats(caller)))
    assert cause is Cause.OTHER_TYPE
    assert "payload type 18" in english


def test_a_key_that_does_not_fit(room: Room) -> None:
    caller = room.phone()
    room.switch.set_srtp(caller.node, "AES_CM_128_HMAC_SHA1_80", bytes(30), bytes(30))
    caller.say(QUIET)
    assert of(unheard(stats(caller)))[0] is Cause.OTHER_KEY


def test_no_rtp(room: Room) -> None:
    caller = room.phone()
    caller.send(b"GET / HTTP/1.1\r\n\r\n")
    assert of(unheard(stats(caller)))[0] is Cause.NOT_RTP


def test_it_is_there_and_sends_nothing(room: Room) -> None:
    caller = room.phone()
    room.switch.report(caller.node, rtcp.report(9, None, None), caller.address[0], caller.address[1] + 1, room.now)
    assert of(unheard(stats(caller)))[0] is Cause.SENDS_NOTHING


def test_it_sends_and_nothing_arrives(room: Room) -> None:
    caller = room.phone()
    report = rtcp.report(9, rtcp.Sender(1 << 40, 0, 500, 80_000), None)
    room.switch.report(caller.node, report, caller.address[0], caller.address[1] + 1, room.now)
    cause, chinese, _ = of(unheard(stats(caller)))
    assert cause is Cause.LOST_ON_THE_WAY
    assert "500" in chinese


def test_on_hold() -> None:
    assert of(unheard(NOTHING, held=True))[0] is Cause.ON_HOLD
    assert unheard(replace(TALKING, last_packet_age_ms=60_000), held=True) is None


def test_it_stopped(room: Room) -> None:
    caller = room.phone()
    caller.say(QUIET)
    assert unheard(stats(caller)) is None
    room.wait(12_000)
    cause, _, english = of(unheard(stats(caller)))
    assert cause is Cause.STOPPED
    assert "stopped 12 s before the end, after 1 packets" in english


def test_the_far_side_hears_nothing(room: Room) -> None:
    caller, agent = room.phone(), room.phone()
    room.gain(caller, agent)
    for _ in range(60):
        agent.say(QUIET)
        room.wait(20)
    assert unhearing(stats(caller)) is None, "it has not said so"
    room.switch.report(caller.node, rtcp.report(9, None, None), caller.address[0], caller.address[1] + 1, room.now)
    cause, chinese, english = of(unhearing(stats(caller)))
    assert cause is Cause.HEARS_NOTHING
    assert "60" in chinese
    assert f"60 packets to 127.0.0.1:{caller.address[1]}" in english


@pytest.mark.parametrize("lost", [200, 300])
def test_half_of_one_direction_is_lost(lost: int) -> None:
    incoming = replace(TALKING, packets_in=500 - lost, lost=lost)
    outgoing = replace(TALKING, far=FarSide(reports=9, heard=9, expected=500, lost=lost))
    found = {diagnosis.cause for diagnosis in (unheard(incoming), unhearing(outgoing)) if diagnosis}
    assert found == ({Cause.HALF_LOST} if lost == 300 else set())
