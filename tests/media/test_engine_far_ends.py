"""Both engines on loopback: addresses of both families, and whom a leg hears."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from itertools import count

import pytest

from media.engine import (
    MediaConfig,
    MediaEngine,
)
from media.reference.rtp import Packet
from tests.media.wire import ENGINES, Softphone, until
from tests.partners.process import free_ports


@pytest.mark.parametrize(("address", "written"), [
    ("::1", "0:0::0:1"), ("127.0.0.1", "::ffff:127.0.0.1"), ("127.0.0.1", "::FFFF:7f00:1"),
])
def test_an_address_is_the_same_however_it_is_written(engine: MediaEngine, address: str, written: str) -> None:
    phone = Softphone(engine, far=address)
    engine.set_remote(phone.node, written, phone.address[1], rtcp=(written, phone.address[1] + 1))
    engine.set_gain(phone.node, phone.node, 1.0)
    until(lambda: engine.stats(phone.node).announced == phone.address)
    phone.say(b"\x44" * 160)
    assert phone.hear().payload == b"\x44" * 160


@pytest.mark.parametrize(("bound", "there", "told"), [
    ("127.0.0.1", "2001:db8::5", "a leg bound on IPv4 cannot reach 2001:db8::5"),
    ("::1", "192.0.2.5", "a leg bound on IPv6 cannot reach 192.0.2.5"),
    ("::1", "::ffff:192.0.2.5", "a leg bound on IPv6 cannot reach ::ffff:192.0.2.5"),
    ("127.0.0.1", "phone.example", "'phone.example' is no address such as 192.0.2.10 or 2001:db8::10"),
])
def test_a_far_end_that_the_leg_cannot_reach_is_refused(
    engine: MediaEngine, bound: str, there: str, told: str
) -> None:
    leg = engine.open_leg(bound).node
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        engine.set_remote(leg, there, 4000)
    with pytest.raises(ValueError, match=re.escape(there)):
        engine.set_remote(leg, bound, 4000, rtcp=(there, 4001))
    assert engine.stats(leg).announced is None


def test_ports_of_the_two_families_are_not_each_others() -> None:
    """A port of IPv6 that is bound on every address leaves the same port of IPv4 free."""
    for make in ENGINES.values():
        low = free_ports(2)
        engine = make(MediaConfig(port_low=low, port_high=low + 1))
        ports = [engine.open_leg(address).port for address in ("::", "0.0.0.0")]
        engine.close()
        assert ports == [low, low]


@pytest.mark.parametrize("far", ["127.0.0.1", "::1"])
def test_only_the_phone_that_was_signalled_is_heard(engine: MediaEngine, far: str) -> None:
    caller, agent, other = (Softphone(engine, far=far) for _ in range(3))
    engine.set_gain(agent.node, caller.node, 1.0)
    for number in range(5):
        caller.say(bytes([number]) * 160)
        other.socket.sendto(b"\x80\x08\x00\x09" + bytes(8) + b"\x99" * 160, (far, caller.leg.port))
    assert [agent.hear().payload[0] for _ in range(5)] == [0, 1, 2, 3, 4]
    engine.set_remote(caller.node, *other.address)  # the call goes on at another phone
    agent.socket.settimeout(0.02)
    numbers = count()

    def heard() -> bool:
        number = next(numbers)  # where what it sent before was heard first, one packet again and again is no new stream
        other.socket.sendto(bytes(Packet(8, number, 160 * number, 8, b"\x77" * 160)), (far, caller.leg.port))
        with suppress(TimeoutError):
            return agent.hear().payload == b"\x77" * 160
        return False

    until(heard)


class TestStrangers:
    """Who else sends to a leg's port is counted and not heard, also while the far side talks."""

    @pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
    def test_between_the_packets_of_a_call(self, engine: MediaEngine, address: str) -> None:
        caller, agent = Softphone(engine, address=address), Softphone(engine)
        engine.set_gain(agent.node, caller.node, 1.0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.5", 0))
            for number in range(20):
                caller.say(bytes([number]) * 160)
                assert agent.hear().payload[0] == number
                forged = Packet(8, number + 1, 160 * (number + 1), 7, b"\x99" * 160)
                other.sendto(bytes(forged), ("127.0.0.1", caller.leg.port))
                until(lambda wanted=number + 1: engine.stats(caller.node).dropped_stranger == wanted)  # type: ignore[misc]
        assert engine.stats(caller.node).packets_in == 20

    def test_nothing_is_lost_or_turned_round_when_the_kernel_begins_to_sort(self, engine: MediaEngine) -> None:
        for _ in range(10):  # for each, the kernel's hash decides which socket the first packets come to
            caller, agent = Softphone(engine), Softphone(engine)
            engine.set_gain(agent.node, caller.node, 1.0)
            until(lambda leg=caller.node: engine.stats(leg).announced)  # type: ignore[misc]
            for number in range(50):
                caller.say(bytes([number]) * 160)
            assert [agent.hear().payload[0] for _ in range(50)] == [*range(50)]

    def test_at_another_of_our_addresses(self, engine: MediaEngine) -> None:
        caller, agent = Softphone(engine, address="0.0.0.0"), Softphone(engine)
        engine.set_gain(agent.node, caller.node, 1.0)
        for number in range(4):  # 127.0.0.1 is what the kernel would answer from
            packet = Packet(8, number, 160 * number, 7, bytes([number]) * 160)
            caller.socket.sendto(bytes(packet), (f"127.0.0.{1 + number % 2}", caller.leg.port))
            assert agent.hear().payload[0] == number

    def test_the_far_side_moves_and_comes_back(self, engine: MediaEngine) -> None:
        caller, agent, elsewhere = Softphone(engine), Softphone(engine), Softphone(engine)
        engine.set_gain(agent.node, caller.node, 1.0)
        ends = [caller.socket, elsewhere.socket]
        for number in range(6):
            end = ends[number % 2]
            engine.set_remote(caller.node, *end.getsockname())
            packet = Packet(8, number, 160 * number, 7, bytes([number]) * 160)
            until(lambda end=end: engine.stats(caller.node).announced == end.getsockname())  # type: ignore[misc]
            end.sendto(bytes(packet), ("127.0.0.1", caller.leg.port))
            assert agent.hear().payload[0] == number
        assert engine.stats(caller.node).dropped_stranger == 0
