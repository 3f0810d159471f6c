"""What a server does that is called more often than it can answer: simulated, with the clock passed in."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter, deque
from ipaddress import ip_network

import pytest

from calls.clock import SystemClock
from calls.errors import ConfigError
from telephony.overload import LoadLimits, Overload
from telephony.sip.address import Address, Transport
from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Answered, Failed
from telephony.transport.links import bind_all
from telephony.transport.shell import Shell
from telephony.transport.udp import Datagrams
from telephony.trunking import Trunk
from tests.telephony.conftest import running
from tests.telephony.softphone import Softphone

SERVED, REFUSED = 0.001, 0.00006
"""Seconds of work for a call that is taken, and for one that is refused."""
BATCH = 64
PATIENT = 0.5
"""A caller who has heard nothing for so long calls again (T1): what is answered later was work for nothing."""


def goodput(rate: float, overload: Overload, seconds: float = 8.0) -> tuple[float, float]:
    """Calls a second that were taken in time, and the longest that any taken call had waited. Arrivals are even; the
    server reads up to BATCH at a time."""
    now, emptied, arrived, taken, longest = 0.0, 0.0, 0, 0, 0.0
    waiting: deque[float] = deque()
    while now < seconds:
        while arrived / rate <= now:
            waiting.append(arrived / rate)
            arrived += 1
        if not waiting:
            now = arrived / rate
            continue
        overload.reading(0, now - max(waiting[0], emptied), now)
        batch = [waiting.popleft() for _ in range(min(BATCH, len(waiting)))]
        for came in batch:
            refused = overload.refuses(0, now)
            now += REFUSED if refused else SERVED
            if not refused and now - came < PATIENT:
                taken += 1
                longest = max(longest, now - came)
        overload.read()
        emptied = emptied if waiting else now
    return taken / seconds, longest


@pytest.mark.parametrize("times", [1.5, 2.0, 4.0])
def test_beyond_its_capacity_it_serves_nearly_as_many_as_at_its_best(times: float) -> None:
    capacity = 1 / SERVED
    taken, longest = goodput(times * capacity, Overload(LoadLimits()))
    assert taken > 0.8 * capacity if times > 2 else taken > 0.9 * capacity
    assert longest < 0.25, "nobody who was taken has called again meanwhile, nor is about to"


def test_once_it_is_known_that_there_are_too_many_nobody_waits_for_long() -> None:
    overload = Overload(LoadLimits())
    goodput(2 / SERVED, overload, 1.0)
    taken, longest = goodput(2 / SERVED, overload, 2.0)
    assert taken > 0.9 / SERVED
    assert longest < 0.02


def test_without_the_controller_it_would_serve_nobody_in_time() -> None:
    assert goodput(2 / SERVED, Overload(LoadLimits(behind=0)))[0] < 0.2 / SERVED, "but for those of the first second"


def test_within_its_capacity_nobody_is_refused() -> None:
    overload = Overload(LoadLimits())
    goodput(0.9 / SERVED, overload)
    assert overload.refused == 0


def test_a_burst_that_is_over_soon_is_taken_whole() -> None:
    overload = Overload(LoadLimits(behind=0.1))
    overload.reading(0, 0.08, 10.0)
    assert overload.refuses(0, 10.0) == 0
    overload.reading(0, 0.08, 10.09)
    assert overload.refuses(0, 10.09) == 0
    overload.reading(0, 0.0, 10.1)  # read in time: what was late before is over
    overload.reading(0, 0.08, 10.15)
    assert overload.refuses(0, 10.15) == 0
    overload.reading(0, 0.08, 10.2)
    overload.reading(1, 0.0, 10.24)  # that is another socket
    overload.reading(0, 0.08, 10.26)
    assert overload.refuses(0, 10.26) > 0


def test_single_late_messages_with_pauses_between_are_no_queue() -> None:
    overload = Overload(LoadLimits(behind=0.1))
    for now in (10.0, 10.2, 10.4, 20.0):
        overload.reading(0, 0.08, now)
        assert overload.refuses(0, now) == 0
        overload.read()


def test_after_a_queue_that_stood_only_the_late_are_refused_and_soon_nobody() -> None:
    overload = Overload(LoadLimits(behind=0.1))
    for now in (10.0, 10.1, 10.105):
        overload.reading(0, 0.02, now)
    assert overload.refuses(0, 10.105) > 0
    overload.reading(0, 0.001, 10.11)
    assert overload.refuses(0, 10.11) == 0, "who comes in time is taken"
    assert overload.refuses(0, 10.12) > 0, "who has waited while those before were taken is not"
    overload.read()
    assert overload.refuses(0, 10.13) == 0, "a call that comes over a stream was not in that queue"
    overload.reading(0, 0.02, 10.2)
    assert overload.refuses(0, 10.2) > 0, "and a queue that builds up again is cut at once"
    overload.reading(0, 0.001, 10.3)
    overload.reading(0, 0.02, 20.0)
    assert overload.refuses(0, 20.0) == 0, "long after, it may be a burst"


class Waits:
    """Notes how long the first message of each turn had waited."""

    def __init__(self) -> None:
        self.noted: asyncio.Queue[float] = asyncio.Queue()

    def reading(self, socket: int, waited: float, now: float) -> None:
        self.noted.put_nowait(waited)

    def read(self) -> None:
        pass


async def test_a_datagram_has_waited_for_as_long_as_we_were_at_work_since_it_came() -> None:
    (at,), sockets = bind_all([Address("127.0.0.1", 0)], 65_536)
    waits = Waits()
    shell = Shell(Endpoint(EndpointConfig(at.host)), SystemClock(), lambda event: None, Counter(), turns=waits)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        await shell.open(Datagrams(sockets[Transport.UDP]))
        phone.sendto(b"\r\n\r\n", (at.host, at.port))
        await waits.noted.get()
        phone.sendto(b"\r\n\r\n", (at.host, at.port))
        began = time.thread_time()
        while time.thread_time() - began < 0.05:
            pass
        assert await waits.noted.get() >= 0.05
        phone.sendto(b"\r\n\r\n", (at.host, at.port))
        time.sleep(0.2)  # noqa: ASYNC251 — the machine runs others
        assert await waits.noted.get() < 0.05
        await shell.close()


def test_no_more_calls_a_second_than_the_limit_and_one_second_of_them_at_once() -> None:
    overload = Overload(LoadLimits(calls_per_second=8))
    taken = [overload.refuses(0, 5.0) == 0 for _ in range(10)]
    assert taken == [True] * 8 + [False] * 2
    assert [overload.refuses(0, 5.0 + step / 8) == 0 for step in range(1, 17)] == [True] * 16
    assert overload.refuses(0, 7.0) > 0


def test_those_who_are_refused_are_asked_to_come_back_at_different_times() -> None:
    overload = Overload(LoadLimits(calls=1, retry_after=5))
    waits = [overload.refuses(1, 0.0) for _ in range(60)]
    assert {*waits} == {5, 6, 7, 8, 9, 10}


@pytest.mark.parametrize("wrong", [{"calls": -1}, {"calls_per_second": -1}, {"behind": 11}, {"retry_after": 0}])
def test_a_limit_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"\[limits\] {next(iter(wrong))}"):
        LoadLimits(**wrong)  # type: ignore[arg-type]


async def test_beyond_the_servers_limit_a_caller_gets_503_at_once_and_nothing_is_kept() -> None:
    async with running(load=LoadLimits(calls=1)) as board, Softphone() as first, Softphone("127.0.0.2") as second:
        call = first.calls("4008001234", board.address)
        await first.sees(Answered)
        second.calls("4008001234", board.address)
        failed = await second.sees(Failed)
        assert failed.response is not None
        assert (failed.status, failed.response.get("Retry-After").isdigit()) == (503, True)
        assert board.telephony.live()["dialogs"] == 1
        first.hangs_up(call)
        await board.leaves_nothing_behind()


@pytest.mark.parametrize("status", [480, 486, 503])
async def test_a_trunk_whose_channels_are_all_taken_is_told_as_it_wants(status: int) -> None:
    narrow = Trunk("carrier", (ip_network("127.0.0.2/32"),), channels_in=1, when_full=status)
    async with running(trunks=(narrow,)) as board, Softphone() as first, Softphone("127.0.0.2") as second:
        for _ in range(2):  # a channel that was let go can be had again
            call = first.calls("4008001234", board.address)
            await first.sees(Answered)
            second.calls("4008001234", board.address)
            failed = await second.sees(Failed)
            assert failed.response is not None
            assert (failed.status, bool(failed.response.get("Retry-After"))) == (status, status == 503)
            assert failed.response.get("Reason") == 'Q.850;cause=34;text="No circuit available"'
            first.hangs_up(call)
            while board.in_use()["calls"]:  # noqa: ASYNC110 — calls end unannounced
                await asyncio.sleep(0.002)
        await board.leaves_nothing_behind()
