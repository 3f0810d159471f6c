"""An agent hands the caller on: to a colleague, to a queue, to nobody who answers. The caller is never lost."""

from __future__ import annotations

import asyncio

import pytest

from tests.journeys.conftest import at_work, calling, registering
from tests.journeys.floor import Floor
from tests.partners.audio import Pcm, contains
from tests.partners.baresip_phone import BaresipPhone
from tests.partners.hotline import Hotline
from tests.partners.phone import PhonePartner
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.sipp import SippCaller
from tests.partners.story import told_of
from tests.partners.talk import both_ways

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]


def uri(hotline: Hotline, target: str) -> str:
    return f"sip:{target}@127.0.0.1:{hotline.layout.sip_port}"


async def talks(hotline: Hotline, caller: SippCaller, agent: PhonePartner, joined: int = 1) -> tuple[Pcm, Pcm]:
    """The agent's phone is answered, and both speak as soon as the caller's call tells of so many who were joined with
    it: what is said in the moment before is heard by nobody. What the caller and what the agent said."""
    await agent.rings(20)
    await agent.answer()
    await agent.connected()
    await told_of(hotline, caller, "call.bridged", joined)
    return await both_ways(caller, agent)


async def state(hotline: Hotline, agent: str) -> str:
    return str(next(each["state"] for each in await hotline.get("/api/agents") if each["id"] == agent))


async def test_a_caller_is_handed_to_a_colleague_and_is_recorded_all_the_way(hotline: Hotline, floor: Floor) -> None:
    first, second = Pjsua2Phone(registering(hotline, "1001")), BaresipPhone(registering(hotline, "1003"))
    async with at_work(hotline, first), at_work(hotline, second), calling(hotline, floor.service) as caller:
        await talks(hotline, caller, first)
        await first.transfer(uri(hotline, "1003"))
        await second.rings(20)
        assert await state(hotline, "1003") == "ringing"
        await second.answer()
        await second.connected()
        assert await first.transferred() == 200
        await first.ended()
        await told_of(hotline, caller, "call.bridged", 2)
        question, answer = await both_ways(caller, second)
        assert await state(hotline, "1003") == "talking"
        assert await state(hotline, "1001") in ("wrap_up", "idle")
        await second.hang_up()
        assert await caller.ended() == 0
        assert not caller.received("INVITE")
        story = await told_of(hotline, caller)
    assert story.one("transfer.done").details["target"] == "1003"
    assert len(story.all("call.bridged")) == 2
    left, right = story.channels()
    assert abs(len(left) - len(right)) == 0
    assert contains(question, left, 0.8)
    assert contains(answer, right, 0.8)


async def test_a_colleague_who_does_not_want_leaves_the_caller_with_the_agent(hotline: Hotline, floor: Floor) -> None:
    first, second = Pjsua2Phone(registering(hotline, "1001")), Pjsua2Phone(registering(hotline, "1003"))
    async with at_work(hotline, first), at_work(hotline, second), calling(hotline, floor.service) as caller:
        await talks(hotline, caller, first)
        await first.transfer(uri(hotline, "1003"))
        await second.rings(20)
        await second.reject(486)
        assert await first.transferred() == 486
        await both_ways(caller, first)
        await first.transfer(uri(hotline, "1002"))  # is not there at all
        assert await first.transferred() == 486
        await both_ways(caller, first)
        await caller.hang_up()
        await first.ended()
        story = await told_of(hotline, caller)
    assert len(story.all("transfer.failed")) == 2


async def test_a_caller_is_handed_to_a_queue(hotline: Hotline, floor: Floor) -> None:
    first, second = Pjsua2Phone(registering(hotline, "1001")), Pjsua2Phone(registering(hotline, "1003"))
    async with at_work(hotline, first), calling(hotline, floor.service) as caller:
        await talks(hotline, caller, first)
        async with at_work(hotline, second):
            await first.transfer(uri(hotline, "complaints"))
            await talks(hotline, caller, second, joined=2)
            await first.ended()
            await caller.hang_up()
            await second.ended()
        story = await told_of(hotline, caller)
    assert [told.details["queue"] for told in story.all("queue.entered")] == ["service", "complaints"]


async def test_an_agent_who_leaves_before_the_target_refuses_does_not_strand_the_caller(
    hotline: Hotline, floor: Floor
) -> None:
    first, second = Pjsua2Phone(registering(hotline, "1001")), Pjsua2Phone(registering(hotline, "1003"))
    async with at_work(hotline, first), at_work(hotline, second), calling(hotline, floor.service) as caller:
        await talks(hotline, caller, first)
        await first.transfer(uri(hotline, "1003"))
        await second.rings(20)
        await first.hang_up()
        await first.ended()
        await second.reject(486)
        async with Pjsua2Phone(registering(hotline, "1002")) as third:  # rung as soon as it is there
            await talks(hotline, caller, third, joined=2)
            await third.hang_up()
            assert await caller.ended() == 0
            await third.unregister()
        story = await told_of(hotline, caller)
    assert [told.details.get("head", False) for told in story.all("queue.entered")] == [False, True]


async def test_a_caller_cannot_have_calls_made(hotline: Hotline, floor: Floor) -> None:
    """Whoever comes from a trunk and sends REFER would telephone at our expense."""
    async with at_work(hotline, Pjsua2Phone(registering(hotline, "1001"))) as agent:
        customer = Pjsua2Phone(registering(hotline, "2001"))
        async with customer as caller:
            await caller.registered(15)
            await caller.call(uri(hotline, floor.service))
            await agent.rings(20)
            await agent.answer()
            await caller.connected(20)
            await caller.transfer(uri(hotline, "13900000000"))
            assert await caller.transferred() == 603
            await asyncio.sleep(0)
            await agent.hang_up()
            await caller.ended(20)
            await caller.unregister()
