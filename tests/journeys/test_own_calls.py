"""Agents call for themselves: a colleague, a queue, an outside number; they consult, and are called by a click."""

from __future__ import annotations

import asyncio

import pytest

from tests.journeys.conftest import at_work, calling, registering
from tests.journeys.floor import IP, Floor
from tests.journeys.test_transfers import state, talks, uri
from tests.partners.audio import contains
from tests.partners.hotline import Hotline
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.sipp import SippAgent
from tests.partners.story import latest, told_of
from tests.partners.talk import both_ways

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]


def phone(hotline: Hotline, user: str) -> Pjsua2Phone:
    return Pjsua2Phone(registering(hotline, user))


async def becomes(hotline: Hotline, agent: str, wanted: str, within: float = 10) -> None:
    async with asyncio.timeout(within):
        while await state(hotline, agent) != wanted:  # noqa: ASYNC110 — the API is asked, it does not tell
            await asyncio.sleep(0.05)


async def test_an_agent_calls_a_colleague(hotline: Hotline) -> None:
    async with at_work(hotline, phone(hotline, "1001")) as agent, at_work(hotline, phone(hotline, "1003")) as colleague:
        await agent.call(uri(hotline, "1003"))
        shown = await colleague.rings(15)
        assert shown.from_user == "1001"
        assert (await state(hotline, "1001"), await state(hotline, "1003")) == ("talking", "ringing")
        [live] = (await hotline.get("/api/calls"))["live"]
        assert (live["caller"], live["called"], live["agent"], live["stage"]) == ("1001", "1003", "1001", "dialling")
        await colleague.answer()
        await agent.connected()
        question, answer = await both_ways(agent, colleague)
        assert (await state(hotline, "1001"), await state(hotline, "1003")) == ("talking", "talking")
        await colleague.hang_up()
        await agent.ended()
        story = await latest(hotline, "1001")
        assert (await state(hotline, "1001"), await state(hotline, "1003")) == ("idle", "idle")
    assert story.one("call.bridged")
    called, calling_agent = story.channels()
    assert contains(answer, called, 0.8)
    assert contains(question, calling_agent, 0.8)
    code, listed = await hotline.command("calls", story.call_id)
    assert code == 0
    assert "dials" in listed


async def test_a_busy_colleague_is_told_as_busy(hotline: Hotline) -> None:
    async with at_work(hotline, phone(hotline, "1001")) as agent, at_work(hotline, phone(hotline, "1003")) as colleague:
        await agent.call(uri(hotline, "1003"))
        await colleague.rings(15)
        await colleague.reject(486)
        assert await agent.refused_with() == 486
        await agent.call(uri(hotline, "1002"))  # whose phone is nowhere
        assert await agent.refused_with() == 486


async def test_an_agent_calls_an_outside_number(hotline: Hotline, floor: Floor) -> None:
    near, far = floor.outside.ports
    refusing = SippAgent(ip=IP, port=near, scenario="uas_busy", refusal="503 Service Unavailable")
    async with refusing, SippAgent(ip=IP, port=far) as carrier, at_work(hotline, phone(hotline, "1001")) as agent:
        await agent.call(uri(hotline, "02155501234"))
        invite = await carrier.rings()
        assert invite.first_line.startswith("INVITE sip:02155501234@")
        await agent.connected()
        await carrier.connected()
        assert await state(hotline, "1001") == "talking"
        await agent.hang_up()
        assert (await carrier.ended(), await refusing.ended()) == (0, 0)
        story = await latest(hotline, "1001")
    assert story.one("call.invited").details["called"] == "+8621****1234"
    assert story.one("outside.ended").details["price"] == 0.6
    assert story.one("outside.ended").agent == "1001", "it counts against the agent's own limits"
    assert story.one("call.ended").details["status"] == 200


async def test_nobody_dials_what_is_not_allowed(hotline: Hotline) -> None:
    async with at_work(hotline, phone(hotline, "1001")) as agent:
        await agent.call(uri(hotline, "+12025550123"))
        assert await agent.refused_with() == 403
        await agent.call(uri(hotline, "nobody"))
        assert await agent.refused_with() == 404
        story = await latest(hotline, "1001")
        assert story.one("call.not_answered").details["status"] == 404
        assert await state(hotline, "1001") == "idle"


async def test_a_customers_phone_does_not_dial_outside(hotline: Hotline) -> None:
    async with phone(hotline, "2001") as customer:
        await customer.registered(15)
        for target in ("02155501234", "1001", "complaints"):
            await customer.call(uri(hotline, target))
            assert await customer.refused_with() == 404
        await customer.unregister()


@pytest.mark.parametrize("here", [False, True], ids=["in-the-callers-call", "in-the-consultation"])
async def test_a_colleague_is_consulted_and_has_the_caller(hotline: Hotline, floor: Floor, here: bool) -> None:
    first, second = phone(hotline, "1001"), phone(hotline, "1003")
    async with at_work(hotline, first), at_work(hotline, second), calling(hotline, floor.service) as caller:
        early = await talks(hotline, caller, first)
        await first.hold()
        await first.call(uri(hotline, "1003"))
        await second.rings(20)
        await second.answer()
        await first.connected()
        between_agents = await both_ways(first, second)
        await (first.hand_over_here() if here else first.hand_over())
        assert await first.transferred() == 200
        await first.ended()
        await first.ended()
        await becomes(hotline, "1001", "idle")
        assert await state(hotline, "1003") == "talking"
        await told_of(hotline, caller, "call.bridged", 2)
        late = await both_ways(caller, second)
        [live] = (await hotline.get("/api/calls"))["live"]
        assert (live["agent"], live["stage"]) == ("1003", "talking")
        await second.hang_up()
        assert await caller.ended() == 0
        assert not caller.received("INVITE")
        story = await told_of(hotline, caller)
        await becomes(hotline, "1003", "idle")
        consulted = await latest(hotline, "1001")
    assert story.one("transfer.asked").details["attended"] is True
    assert story.agents("call.bridged")[-1] == "1003"
    assert len(story.all("recording.sealed")) == 1
    said, heard = story.channels()
    # Hung up as soon as nine tenths were heard.
    assert all(contains(question, said, 0.8) and contains(answer, heard, 0.8) for question, answer in (early, late))
    assert not any(contains(sentence, channel, 0.5) for sentence in between_agents for channel in (said, heard))
    assert consulted.one("call.ended").details["reason"] == "transferred"
    assert consulted.one("recording.sealed").details["seconds"] < story.one("recording.sealed").details["seconds"]


async def test_a_caller_is_brought_to_whom_the_agent_still_rings(hotline: Hotline, floor: Floor) -> None:
    """REFER with Replaces while the consulted colleague still rings: a blind transfer, which may fail as such."""
    first, second = phone(hotline, "1001"), phone(hotline, "1003")
    async with at_work(hotline, first), at_work(hotline, second), calling(hotline, floor.service) as caller:
        await talks(hotline, caller, first)
        for answered in (False, True):
            await first.call(uri(hotline, "1003"))
            await second.rings(20)
            await first.hand_over()
            await second.ended()
            assert await first.refused_with() == 480, "the consultation is over"
            shown = await second.rings(20)
            assert shown.from_user == "+8613800138000", "it is the caller who rings now"
            if not answered:
                await second.reject(486)
                assert await first.transferred() == 486
                await second.ended()
                await both_ways(caller, first)
        await second.answer()
        assert await first.transferred() == 200
        await first.ended()
        await told_of(hotline, caller, "call.bridged", 2)
        await both_ways(caller, second)
        await second.hang_up()
        assert await caller.ended() == 0
        story = await told_of(hotline, caller)
    assert story.agents("call.bridged")[-1] == "1003"
    assert len(story.all("transfer.failed")) == 1


async def test_a_click_rings_the_agent_and_then_the_colleague(hotline: Hotline) -> None:
    async with at_work(hotline, phone(hotline, "1001")) as agent, at_work(hotline, phone(hotline, "1003")) as colleague:
        status, answer = await hotline.ask("POST", "/api/agents/1001/calls", {"to": "1003"})
        assert status == 202
        await agent.rings(15)
        assert not [told for told in colleague.events if told.event == "incoming"]
        await agent.answer()
        await colleague.rings(15)
        status, problem = await hotline.ask("POST", "/api/agents/1001/calls", {"to": "1003"})
        assert (status, "talking" in problem["problem"]) == (409, True)
        await colleague.answer()
        await colleague.connected()
        question, reply = await both_ways(agent, colleague)
        await agent.hang_up()
        await colleague.ended()
        story = await latest(hotline, "1001")
    assert story.call_id == answer["id"]
    assert story.one("call.invited").details["trunk"] == "desktop"
    called, calling_agent = story.channels()
    assert contains(reply, called, 0.8)
    assert contains(question, calling_agent, 0.8)


async def test_a_click_that_cannot_be_done_is_refused(hotline: Hotline) -> None:
    for agent, body, status in (("1009", {"to": "1003"}, 404), ("1003", {"to": "1001"}, 409), ("1001", {}, 400)):
        assert (await hotline.ask("POST", f"/api/agents/{agent}/calls", body))[0] == status
