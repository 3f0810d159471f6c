"""INVITE with Replaces from telephones that others wrote: a ringing call is picked up, a talk moves from one telephone
to the next, and the caller notices nothing but another voice."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import at_work, calling, registering
from tests.journeys.floor import Floor
from tests.journeys.test_own_calls import becomes
from tests.journeys.test_transfers import state, uri
from tests.partners.audio import contains
from tests.partners.hotline import Hotline
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.story import latest, told_of
from tests.partners.talk import both_ways

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]


async def comes_for(taker: Pjsua2Phone, hotline: Hotline, dialog: str) -> None:
    """The phone calls in for the place of another one, and has it."""
    await taker.takes(uri(hotline, taker.settings.user), dialog)
    await taker.connected()


async def test_a_call_is_picked_up_and_moves_from_phone_to_phone(hotline: Hotline, floor: Floor) -> None:
    rung, picking, third = (Pjsua2Phone(registering(hotline, user)) for user in ("1001", "1002", "1002"))
    async with at_work(hotline, rung), at_work(hotline, picking), calling(hotline, floor.service) as caller:
        await rung.rings(15)  # idle longest
        await comes_for(picking, hotline, await rung.dialog())
        assert await rung.refused_with() == 487, "it has stopped ringing"
        await told_of(hotline, caller, "call.bridged", 1)
        talks = [await both_ways(caller, picking)]
        assert (await state(hotline, "1001"), await state(hotline, "1002")) == ("idle", "talking")
        async with third:  # of the same agent, who goes into another room
            await third.registered(15)
            await comes_for(third, hotline, await picking.dialog())
            await picking.ended()
            await told_of(hotline, caller, "call.bridged", 2)
            talks.append(await both_ways(caller, third))
            assert (await state(hotline, "1001"), await state(hotline, "1002")) == ("idle", "talking")
            await comes_for(rung, hotline, await third.dialog())
            await third.ended()
            await third.unregister()
        await told_of(hotline, caller, "call.bridged", 3)
        talks.append(await both_ways(caller, rung))
        await becomes(hotline, "1002", "idle")
        assert await state(hotline, "1001") == "talking"
        [live] = (await hotline.get("/api/calls"))["live"]
        assert (live["agent"], live["stage"]) == ("1001", "talking")
        await rung.hang_up()
        assert await caller.ended() == 0
        assert not caller.received("INVITE")
        story = await told_of(hotline, caller)
        await becomes(hotline, "1001", "idle")
    assert story.agents("queue.offered") == ["1001", "1002"]
    assert story.agents("queue.answered") == ["1002"]
    assert story.agents("call.bridged")[1:] == ["1002", "1001"]
    assert [told.details["taken"] for told in story.all("transfer.asked")] == [True, True]
    assert len(story.all("recording.sealed")) == 1
    said, heard = story.channels()
    assert all(contains(question, said, 0.8) and contains(answer, heard, 0.8) for question, answer in talks)


async def test_whom_an_agent_has_called_goes_on_at_another_phone(hotline: Hotline) -> None:
    agent, desk, mobile = (Pjsua2Phone(registering(hotline, user)) for user in ("1001", "1003", "1003"))
    async with at_work(hotline, agent), at_work(hotline, desk):
        await agent.call(uri(hotline, "1003"))
        await desk.rings(15)
        await desk.answer()
        await agent.connected()
        talks = [await both_ways(agent, desk)]
        async with mobile:
            await mobile.registered(15)
            await comes_for(mobile, hotline, await desk.dialog())
            await desk.ended()
            talks.append(await both_ways(agent, mobile))
            assert (await state(hotline, "1001"), await state(hotline, "1003")) == ("talking", "talking")
            await mobile.hang_up()
            await agent.ended()
            await mobile.unregister()
        story = await latest(hotline, "1001")
        assert (await state(hotline, "1001"), await state(hotline, "1003")) == ("idle", "idle")
    assert story.one("transfer.asked").details["taken"]
    assert story.one("transfer.done").details["target"] == "1003"
    assert len(story.all("recording.sealed")) == 1
    called, calling_agent = story.channels()
    assert all(contains(question, calling_agent, 0.8) and contains(answer, called, 0.8) for question, answer in talks)
