"""A phone that sends no response at all to an INVITE is not there, however short it rings: its agent is offline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from calls.call import Call
from calls.caller import Caller, Identity
from calls.clock import SystemClock
from calls.errors import CallFailed
from calls.events import Event
from routing import Router
from routing.agents import Agent, State
from routing.queues import Queue
from telephony.sip.address import Address
from telephony.sip.events import Cancelled, Invited, Requested, Responded
from telephony.sip.tables import NON_INVITE_CLIENT
from tests.partners.process import until
from tests.telephony.conftest import PASSWORD, Switchboard, account, running
from tests.telephony.parties import nobodys_call
from tests.telephony.softphone import PATIENCE, T1, Softphone

SHORT = 5 * T1
"""Of ringing: longer than a repeat needs, and far from the 16 T1 after which a silence speaks for itself."""


@dataclass
class Sleep:
    """Keeps a telephone from hearing anything, or only the next so many datagrams."""

    asleep: bool = False
    loses: int = 0

    def hears(self, data: bytes, source: Address, now: float) -> bool:
        lost, self.loses = self.loses > 0, max(0, self.loses - 1)
        return not (self.asleep or lost)

    def says(self, data: bytes, to: Address) -> bool:
        return True


@asynccontextmanager
async def registered(board: Switchboard, user: str, ip: str) -> AsyncIterator[tuple[Softphone, Sleep]]:
    async with Softphone(ip, user) as phone:
        sleep = Sleep()
        phone.sip.config = replace(phone.sip.config, guard=sleep)
        phone.registers(board.address, PASSWORD)
        assert (await phone.sees(Responded)).response.status == 200
        yield phone, sleep


async def is_rung(board: Switchboard, within: float = SHORT) -> CallFailed:
    with pytest.raises(CallFailed) as failed:
        await board.telephony.ring("1001", call=nobodys_call(), shown=None, answer_within=within)
    return failed.value


async def test_a_phone_that_sleeps_is_asked_and_rung_again_when_it_wakes_up(switchboard: Switchboard) -> None:
    phones = switchboard.telephony.phones
    async with registered(switchboard, "1001", "127.0.0.5") as (phone, sleep):
        sleep.asleep = True
        assert (await is_rung(switchboard)).status == 408
        assert not phones.reachable("1001")
        sleep.asleep = False
        assert (await phone.sees(Requested)).request.method == "OPTIONS"
        await until(lambda: phones.reachable("1001"), PATIENCE, "an answer")


async def test_a_phone_that_is_given_up_for_its_silence_is_asked_once(switchboard: Switchboard) -> None:
    async with registered(switchboard, "1001", "127.0.0.5") as (_, sleep):
        sleep.asleep = True
        assert (await is_rung(switchboard, within=PATIENCE)).reason == "no response at all"
        waiting = switchboard.telephony.office.sip.endpoint._core.transactions.values()
        assert [one.request.method for one in waiting if one.table is NON_INVITE_CLIENT] == ["OPTIONS"]


async def test_one_lost_packet_says_nothing(switchboard: Switchboard) -> None:
    phones, told = switchboard.telephony.phones, list[bool]()
    async with registered(switchboard, "1001", "127.0.0.5") as (phone, sleep):
        phones.subscribe(lambda user, reachable: told.append(reachable))
        sleep.loses = 1
        assert (await is_rung(switchboard)).status == 408
        await phone.sees(Invited)
        await phone.sees(Cancelled)
        assert (phones.reachable("1001"), told) == (True, [])


async def test_a_ring_too_short_for_a_repeat_only_asks() -> None:
    async with running(t1=5.0) as board, registered(board, "1001", "127.0.0.5") as (phone, sleep):
        sleep.loses = 1
        assert (await is_rung(board, within=T1)).status == 408
        assert board.telephony.phones.reachable("1001")
        assert (await phone.sees(Requested)).request.method == "OPTIONS"


async def test_its_agent_is_offline_and_the_caller_goes_on_at_the_head(switchboard: Switchboard) -> None:
    switchboard.book.replace([account("1001"), account("1002")])
    queue = Queue("service", skills=("service",), ring_seconds=1)
    agents = [Agent(user, f"坐席{user}", user, {"service": 3}) for user in ("1001", "1002")]
    log: list[Event] = []
    router = Router(switchboard.telephony, log, SystemClock(), [queue], agents)
    switchboard.telephony.phones.subscribe(router.phone_changed)
    call = Call("call", "carrier", "4008001234", None, "main", datetime.now(UTC))
    async with registered(switchboard, "1001", "127.0.0.5") as (_, sleep):
        async with registered(switchboard, "1002", "127.0.0.6") as (colleague, _), \
                router.waiting(call, Caller(Identity.NONE), "service") as ticket:
            sleep.asleep = True
            found = asyncio.create_task(ticket.agent())
            invited = await colleague.sees(Invited)
            assert (ticket.position, router.book.seats["1001"].state) == (1, State.OFFLINE)
            colleague.answers(invited.call, invited.request.body)
            assert (await found)[1].agent == "1002"
        assert [event.agent for event in log if event.kind == "queue.offered"] == ["1001", "1002"]
        sleep.asleep = False
        await until(lambda: router.book.seats["1001"].state is State.IDLE, PATIENCE, "an agent who is back")
    await router.close()
