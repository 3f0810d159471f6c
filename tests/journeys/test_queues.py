"""In the queue: who does not take the call is passed over, the order is kept, and nobody is lost with a phone."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from itertools import pairwise

import pytest

from tests.journeys.conftest import at_work, calling, recorded, registering
from tests.journeys.floor import IP, Floor
from tests.partners.baresip_phone import BaresipPhone
from tests.partners.hotline import Hotline
from tests.partners.phone import PhoneSettings
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.sipp import SippAgent
from tests.partners.speech import speech
from tests.partners.story import told_of

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]

NEXT, ONE_BEFORE_YOU = "正在为您转接人工客服，请稍候。", "您前面还有1位客人，请稍候。"


@pytest.mark.parametrize(("queue", "first_phone", "status"), [
    ("busy", {"scenario": "uas_busy", "refusal": "486 Busy Here"}, 486),
    ("declined", {"scenario": "uas_busy", "refusal": "603 Decline"}, 603),
    ("silent", {"answer_after": 60.0}, 408),
    ("torn", {"answer_after": 60.0}, 408),
])
async def test_the_next_phone_rings_and_the_caller_keeps_the_place(
    hotline: Hotline, floor: Floor, queue: str, first_phone: dict[str, object], status: int
) -> None:
    desk = floor.desks[queue]
    first = SippAgent(ip=IP, port=desk.ports[0], **first_phone)  # type: ignore[arg-type]
    async with first, SippAgent(ip=IP, port=desk.ports[1]) as second, calling(hotline, desk.number) as caller:
        await first.rings()
        if queue == "torn":
            await first.unplug()
        await second.rings(15)
        await second.connected()
        assert bool(first.received("CANCEL")) == (queue == "silent")
        await told_of(hotline, caller, "queue.answered")  # the phone has its ACK a moment before
        await caller.hang_up()
        await caller.ended()
        await second.ended()
        story = await told_of(hotline, caller)
    assert story.one("queue.refused").details["status"] == status
    assert story.agents("queue.offered") == [desk.contact(0), desk.contact(1)]
    assert story.agents("queue.answered") == [desk.contact(1)]
    assert [told.details["position"] for told in story.all("queue.position")] == [1]


async def test_an_agent_who_does_not_answer_is_paused_and_the_next_is_rung(hotline: Hotline, floor: Floor) -> None:
    away, present = Pjsua2Phone(registering(hotline, "1002")), BaresipPhone(registering(hotline, "1001"))
    async with at_work(hotline, away), at_work(hotline, present), calling(hotline, floor.service) as caller:
        await away.rings()  # idle longest
        await present.rings(15)
        await present.answer()
        await present.connected()
        await away.ended()
        agents = {agent["id"]: agent["state"] for agent in await hotline.get("/api/agents")}
        assert (agents["1002"], agents["1001"]) == ("paused", "talking")
        await present.hang_up()  # the agent's hang-up ends the caller's call
        await caller.ended(10)
        story = await told_of(hotline, caller)
    assert story.one("queue.refused").details["signal"] == "no_answer"
    assert story.one("leg.ended").details["by"] == "agent"


async def test_two_wait_for_one_agent_in_their_order(hotline: Hotline, floor: Floor) -> None:
    desk = floor.desks["line"]
    # Customers without a tier: no one of them is preferred.
    numbers = ["13912345671", "13912345672", "13912345673"]
    first, second, third = (calling(hotline, desk.number, number=number) for number in numbers)
    settings = PhoneSettings("desk", ip=IP, port=desk.ports[0], answer_after=0.1)
    async with Pjsua2Phone(settings) as phone, AsyncExitStack() as line:
        await line.enter_async_context(first)
        assert (await phone.rings()).pai == "+86" + numbers[0]
        await phone.connected()
        for caller, announced in ((second, NEXT), (third, ONE_BEFORE_YOU)):
            await line.enter_async_context(caller)
            await caller.hears(recorded(announced), 15)
        await first.hang_up()
        await phone.ended()
        assert (await phone.rings()).pai == "+86" + numbers[1]
        await phone.connected()
        await third.hears(recorded(NEXT), 15)
        await phone.hang_up()
        await phone.ended()
        assert (await phone.rings()).pai == "+86" + numbers[2]
        await phone.connected()
        await third.hang_up()
        await phone.ended()
        for caller in (first, second, third):
            await caller.ended()
        stories = [await told_of(hotline, caller) for caller in (first, second, third)]
    positions = [[told.details["position"] for told in story.all("queue.position")] for story in stories]
    assert positions == [[1], [1], [2, 1]]
    for before, after in pairwise(stories):
        assert 0 <= after.one("queue.offered").at - before.one("agent.talked").at < 0.1
    assert [story.one("call.ended").details["by"] for story in stories] == ["caller", "hotline", "caller"]


async def test_the_caller_of_an_unplugged_phone_comes_before_all_who_wait(hotline: Hotline, floor: Floor) -> None:
    desk = floor.desks["unplugged"]
    # uas_agent serves one call; the second phone is rung again, so it is one that lasts.
    lasting = PhoneSettings("desk", ip=IP, port=desk.ports[1], answer_after=0.1)
    doomed = SippAgent(ip=IP, port=desk.ports[0])
    numbers = ["13912345671", "13912345672", "13912345673"]
    lost, other, waiting = (calling(hotline, desk.number, number=number) for number in numbers)
    async with doomed, Pjsua2Phone(lasting) as phone, lost:
        await doomed.connected()
        async with other, waiting:
            await phone.connected()
            await told_of(hotline, waiting, "queue.position")
            await doomed.unplug()
            await told_of(hotline, lost, "queue.entered", 2)
            await other.hang_up()
            await phone.ended()
            await phone.rings()
            await phone.rings()
            await phone.connected()
            lost.says(speech().pcm)
            await phone.hears(speech().pcm, 15)
            await waiting.hang_up()
            await waiting.ended()
        await lost.hang_up()
        await phone.ended()
        story = await told_of(hotline, lost)
    assert story.one("leg.ended").details["by"] == "network"
    assert [told.details["head"] for told in story.all("queue.entered")] == [False, True]
    assert story.agents("queue.answered") == [desk.contact(0), desk.contact(1)]
    assert (await told_of(hotline, other)).agents("queue.answered") == [desk.contact(1)]
    assert not (await told_of(hotline, waiting)).all("queue.answered")


async def test_a_caller_who_gives_up_while_a_phone_rings_stops_its_ringing(hotline: Hotline, floor: Floor) -> None:
    desk = floor.desks["relay"]
    async with SippAgent(ip=IP, port=desk.ports[0], answer_after=60) as agent, calling(hotline, desk.number) as caller:
        await agent.rings()
        await asyncio.sleep(0.2)
        await caller.hang_up()
        await agent.receives("CANCEL")
        await caller.ended()
        story = await told_of(hotline, caller)
    assert story.one("queue.left").details["why"] == "abandoned"
