"""One user at several telephones: those that it prefers (q) ring first, the others after them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from calls.errors import CallFailed
from calls.phone import Phone
from telephony.sip.events import Cancelled, Invited, Responded
from tests.telephony.conftest import PASSWORD, Switchboard
from tests.telephony.parties import nobodys_call
from tests.telephony.softphone import Softphone


async def at_its_places(board: Switchboard, stack: AsyncExitStack, *preferences: float) -> list[Softphone]:
    """User 1001 at as many telephones as there are preferences."""
    phones = []
    for number, q in enumerate(preferences):
        phone = await stack.enter_async_context(Softphone(f"127.0.0.{11 + number}", "1001"))
        phone.registers(board.address, PASSWORD, q=q)
        assert (await phone.sees(Responded)).response.status == 200
        phones.append(phone)
    return phones


def rung(board: Switchboard, within: float = 60) -> asyncio.Task[Phone]:
    ringing = board.telephony.ring("1001", call=nobodys_call(), shown=None, answer_within=within)
    return asyncio.create_task(ringing)


async def test_equally_preferred_ones_ring_together_and_the_next_when_all_have_refused(
    switchboard: Switchboard,
) -> None:
    async with AsyncExitStack() as stack:
        mobile, desk, second = await at_its_places(switchboard, stack, 0.3, 0.8, 0.8)
        ringing = rung(switchboard)
        at_desk, at_second = await desk.sees(Invited), await second.sees(Invited)
        desk.rejects(at_desk.call, 486)
        assert not mobile.saw(Invited)
        second.rejects(at_second.call, 480)
        at_mobile = await mobile.sees(Invited)
        mobile.answers(at_mobile.call, at_mobile.request.body)
        await (await ringing).hang_up()
        assert not desk.saw(Cancelled)
        await switchboard.leaves_nothing_behind()


async def test_each_has_an_equal_share_of_the_time(switchboard: Switchboard) -> None:
    async with AsyncExitStack() as stack:
        mobile, desk = await at_its_places(switchboard, stack, 0.5, 1)
        ringing = rung(switchboard, within=0.6)
        await desk.sees(Invited)
        await desk.sees(Cancelled)
        await mobile.sees(Invited)
        await mobile.sees(Cancelled)
        with pytest.raises(CallFailed) as failed:
            await ringing
        assert failed.value.status == 408
        await switchboard.leaves_nothing_behind()


async def test_who_declines_for_all_is_rung_nowhere_else(switchboard: Switchboard) -> None:
    async with AsyncExitStack() as stack:
        mobile, desk, second = await at_its_places(switchboard, stack, 0.3, 0.8, 0.8)
        ringing = rung(switchboard)
        at_desk = await desk.sees(Invited)
        await second.sees(Invited)
        desk.rejects(at_desk.call, 603)
        await second.sees(Cancelled)
        with pytest.raises(CallFailed) as failed:
            await ringing
        assert failed.value.status == 603
        assert not mobile.saw(Invited)
        await switchboard.leaves_nothing_behind()
