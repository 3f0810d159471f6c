"""Calls that move between media threads while people talk, on real sockets. What is heard decides."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from media import g711
from media.engine import MediaConfig
from media.native import NativeEngine
from media.reference.rtp import Packet
from tests.media.room import Samples, loudness, tone
from tests.media.wire import Softphone, descriptors, until

FRAME = 160


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[NativeEngine]:
    made = NativeEngine(MediaConfig(port_low=40_000, port_high=59_999, threads=getattr(request, "param", 2)))
    made.start()
    yield made
    made.close()


def payload(hertz: float, number: int) -> bytes:
    """The ``number``-th packet of a tone."""
    return g711.alaw_encode(tone(hertz, FRAME, start=FRAME * number))


def sound(packets: list[Packet]) -> Samples:
    return np.concatenate([g711.alaw_decode(packet.payload) for packet in packets])


def in_order(packets: list[Packet]) -> bool:
    """Nothing is missing or doubled: numbers and timestamps go on without a gap."""
    return all(
        (after.sequence - before.sequence) & 0xFFFF == 1 and (after.timestamp - before.timestamp) & 0xFFFFFFFF == FRAME
        for before, after in itertools.pairwise(packets)
    )


def waiting(phone: Softphone) -> list[Packet]:
    """What has come and was not heard yet."""
    found = []
    phone.socket.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            found.append(phone.hear())
    return found


class Pair:
    """Two phones in a call, which lives on one thread."""

    def __init__(self, engine: NativeEngine) -> None:
        self.engine = engine
        self.near, self.far = Softphone(engine), Softphone(engine)
        engine.set_gain(self.far.node, self.near.node, 1.0)

    @property
    def thread(self) -> int:
        return self.engine.thread(self.near.node)


def two_threads(engine: NativeEngine) -> tuple[Pair, Pair]:
    """A call on each."""
    first = Pair(engine)
    second = Pair(engine)
    if first.thread == second.thread:
        second = Pair(engine)
    assert first.thread != second.thread
    return first, second


def woken() -> int:
    """How often the media threads of this process went to sleep until now, and so were woken."""
    words = "voluntary_ctxt_switches:"
    tasks = [task for task in Path("/proc/self/task").iterdir() if (task / "comm").read_text().strip() == "media"]
    lines = [line for task in tasks for line in (task / "status").read_text().splitlines()]
    return sum(int(line.removeprefix(words)) for line in lines if line.startswith(words))


@pytest.mark.parametrize("engine", [1], indirect=True)
def test_many_commands_that_nobody_hears_wake_the_thread_a_few_times(engine: NativeEngine) -> None:
    caller, agent = engine.open_leg("127.0.0.1").node, engine.open_leg("127.0.0.1").node
    began, before = time.monotonic(), woken()
    for number in range(4000):
        engine.set_gain(agent, caller, number % 2)
    waited = time.monotonic() - began
    assert woken() - before <= 3 + waited / 0.005


def test_a_bridge_between_threads_is_heard_both_ways(engine: NativeEngine) -> None:
    caller, agent = Softphone(engine), Softphone(engine)
    assert engine.thread(caller.node) != engine.thread(agent.node)
    engine.set_gain(agent.node, caller.node, 1.0)
    engine.set_gain(caller.node, agent.node, 1.0)
    assert engine.thread(caller.node) == engine.thread(agent.node)
    for number in range(20):
        caller.say(payload(440, number))
        agent.say(payload(620, number))
    to_agent, to_caller = [agent.hear() for _ in range(20)], [caller.hear() for _ in range(20)]
    assert [packet.payload for packet in to_agent] == [payload(440, number) for number in range(20)]
    assert [packet.payload for packet in to_caller] == [payload(620, number) for number in range(20)]
    assert in_order(to_agent)
    assert in_order(to_caller)


@pytest.mark.parametrize("_", range(16))  # were there several sockets to wait in, the kernel's hash would choose them
def test_what_waits_for_a_leg_that_moves_is_taken_in_the_order_in_which_it_came(_: int) -> None:
    """The phone that was signalled comes first, and so nobody else is followed (NAT)."""
    engine = NativeEngine(MediaConfig(port_low=40_000, port_high=59_999, threads=2))
    caller, agent = Softphone(engine), Softphone(engine)
    engine.set_gain(agent.node, caller.node, 1.0)
    for number in range(3):  # nothing runs yet, so all of them wait
        caller.say(payload(440, number))
        stranger = Packet(8, 9 + number, 0, 9, b"\x99" * FRAME)
        agent.socket.sendto(bytes(stranger), ("127.0.0.1", caller.leg.port))
    engine.start()
    assert [agent.hear().payload for _ in range(3)] == [payload(440, number) for number in range(3)]
    until(lambda: engine.stats(caller.node).dropped_stranger == 3)
    engine.close()


def test_who_is_moved_in_the_middle_of_talk_hears_and_says_every_sample(engine: NativeEngine) -> None:
    """A caller with a prompt in the ear goes to and fro between calls on two threads."""
    calls = two_threads(engine)
    caller, prompt = Softphone(engine), engine.open_player()
    engine.set_gain(caller.node, prompt, 1.0)
    engine.play(prompt, tone(440, 90 * FRAME).tobytes())
    heard: list[Packet] = []
    threads: list[int] = []
    hears = itertools.cycle(calls)
    listening = next(hears)
    engine.set_gain(listening.near.node, caller.node, 1.0)
    for number in range(80):
        heard.append(caller.hear())  # which keeps time for us
        caller.say(payload(620, number))
        if number % 8 == 0:
            engine.set_gain(listening.near.node, caller.node, 0.0)
        if number % 8 == 7:  # long enough for what fades to have faded
            listening = next(hears)
            engine.set_gain(listening.near.node, caller.node, 1.0)
            threads.append(engine.thread(caller.node))
    assert {*threads} == {0, 1}
    assert in_order(heard)
    assert [packet.payload for packet in heard] == [payload(440, number) for number in range(80)]
    stats = engine.stats(caller.node)
    assert (stats.packets_in, stats.lost, stats.dropped_stranger) == (80, 0, 0)


def test_a_supervisor_comes_from_another_thread_and_goes(engine: NativeEngine) -> None:
    call, other = two_threads(engine)
    engine.set_gain(call.near.node, call.far.node, 1.0)
    supervisor = Softphone(engine)
    engine.set_gain(other.near.node, supervisor.node, 1.0)  # where he was before
    assert engine.thread(supervisor.node) == other.thread
    started = time.monotonic()
    for number in range(75):
        if number == 25:
            engine.set_gain(other.near.node, supervisor.node, 0.0)
            for party in (call.near, call.far):
                engine.set_gain(supervisor.node, party.node, 1.0)
        if number == 60:
            for party in (call.near, call.far):
                engine.set_gain(supervisor.node, party.node, 0.0)
        call.near.say(payload(440, number))
        call.far.say(payload(620, number))
        time.sleep(max(0.0, started + 0.02 * (number + 1) - time.monotonic()))
    assert engine.thread(supervisor.node) == call.thread
    for party, hertz in ((call.far, 440), (call.near, 620)):
        heard = [party.hear() for _ in range(75)]
        assert in_order(heard)
        assert [packet.payload for packet in heard] == [payload(hertz, number) for number in range(75)]
    packets = waiting(supervisor)
    assert in_order(packets)
    middle = sound(packets)[10 * FRAME : -10 * FRAME]
    assert all(3_000 < loudness(middle, hertz) < 4_500 for hertz in (440, 620))


def test_ten_thousand_calls_leave_nothing(engine: NativeEngine) -> None:
    before = descriptors()
    moved = 0
    for _ in range(10_000):
        legs = [engine.open_leg("127.0.0.1").node for _ in range(2)]
        moved += engine.thread(legs[0]) != engine.thread(legs[1])
        for listener, source in itertools.permutations(legs):
            engine.set_gain(listener, source, 1.0)
        for leg in legs:
            engine.close_node(leg)
    assert moved > 5_000
    assert engine.open_nodes() == 0
    until(lambda: descriptors() == before)


@pytest.mark.parametrize("engine", [3], indirect=True)
def test_any_commands_then_the_end_in_the_middle_of_them(engine: NativeEngine) -> None:
    chance = random.Random(4)
    before = descriptors()
    phones = [Softphone(engine) for _ in range(6)]
    players = [engine.open_player() for _ in range(3)]
    for player in players:
        engine.play(player, tone(440, 800).tobytes(), loop=True)
    for number in range(3_000):
        listener, source = chance.choice(phones).node, chance.choice([*(phone.node for phone in phones), *players])
        engine.set_gain(listener, source, chance.choice((0.0, 0.0, 1.0, 0.5)))
        chance.choice(phones).say(payload(440, number))
        if chance.random() < 0.2:
            leaving = phones.pop(chance.randrange(6))
            leaving.hang_up()
            phones.append(Softphone(engine))
        if chance.random() < 0.01:
            time.sleep(0.12)  # so that what fades has faded, and threads part
    engine.close()
    for phone in phones:
        phone.socket.close()
    assert engine.open_nodes() == 0
    assert descriptors() < before
    assert engine.events_lost() == 0
