"""Agents' own calls with telephones and carriers that we did not write: heard, refused, consulted, handed on."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from routing import State
from tests.partners.audio import RATE
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.sipp import SippAgent, SippCaller
from tests.partners.speech import speechlike
from tests.partners.talk import Party, says
from tests.server.desk import HOTLINE, OUTSIDE, PATIENCE, PRICE, Desk, desk

_unheard = itertools.count()
"""Seeds of sentences that nobody has heard yet."""


@asynccontextmanager
async def at_desk(here: Desk, user: str) -> AsyncIterator[Pjsua2Phone]:
    """While inside, the agent's phone is registered and the agent idle."""
    async with Pjsua2Phone(here.phone(user)) as phone:
        await phone.registered(PATIENCE)
        await here.becomes(user, State.IDLE)
        yield phone


async def talks(here: Desk, caller: SippCaller, agent: Pjsua2Phone) -> None:
    """The queue's caller has the agent."""
    await agent.rings(PATIENCE)
    await agent.answer()
    await agent.connected(PATIENCE)
    await here.tells("call.bridged")


async def hear_each_other(one: Party, other: Party) -> None:
    """Both speak at once."""
    await asyncio.gather(gets_through(one, other), gets_through(other, one))


async def gets_through(speaker: Party, listener: Party) -> None:
    """The listener hears a sentence that is new; said again where a busy machine has torn it."""
    sentence = speechlike(1.0, next(_unheard))
    async with asyncio.timeout(2 * PATIENCE):
        while True:
            await says(speaker, sentence)
            with suppress(TimeoutError):
                return await listener.hears(sentence, 3.0)


async def talks_on(here: Desk, party: Party, agent: Pjsua2Phone, user: str) -> None:
    """The party has this agent now, until the agent hangs up and has time for notes."""
    await hear_each_other(party, agent)
    assert here.state(user) is State.TALKING
    await agent.hang_up()
    assert await party.ended() == 0
    await here.becomes(user, State.WRAP_UP)


async def test_the_agent_hears_what_the_carrier_plays_before_the_answer(tmp_path: Path) -> None:
    carrier = SippAgent(scenario="uas_early", answer_after=60.0)
    async with carrier, desk(tmp_path, carrier) as here, at_desk(here, "1001") as agent:
        await agent.call(here.uri(OUTSIDE))
        await carrier.receives("PRACK", PATIENCE)
        await gets_through(carrier, agent)
        assert here.state("1001") is State.TALKING, "no queue offers a call"
        await agent.hang_up()
        [ended] = await here.tells("outside.ended")
        assert (ended.agent, ended.details["seconds"], ended.details["price"]) == ("1001", 0.0, 0.0)
        await here.becomes("1001", State.IDLE)
        assert here.log.events[-1].details.get("until") is None, "without a talk there are no notes to be written"


@pytest.mark.parametrize(("carrier_says", "phone_gets", "cause"), [
    ("486 Busy Here", 486, 17),
    ("480 Temporarily Unavailable\n      Reason: Q.850;cause=19", 480, 19),
    ("503 Service Unavailable\n      Reason: Q.850;cause=1", 404, 1),
    ("503 Service Unavailable", 503, 41),
    ("407 Proxy Authentication Required", 502, 38),
    ("302 Moved Temporarily", 480, 18),
])
async def test_why_nobody_answers_reaches_the_phone(
    tmp_path: Path, carrier_says: str, phone_gets: int, cause: int
) -> None:
    carrier = SippAgent(scenario="uas_busy", refusal=carrier_says)
    async with carrier, desk(tmp_path, carrier) as here, at_desk(here, "1001") as agent:
        await agent.call(here.uri(OUTSIDE))
        assert await agent.refused_with() == phone_gets
        assert f"Reason: Q.850;cause={cause};" in (agent.folder / "pjsip.log").read_text()
        await here.becomes("1001", State.IDLE)


async def test_who_consults_outside_hands_the_caller_over_and_the_tolls_are_counted(tmp_path: Path) -> None:
    expert = SippAgent(answer_after=0.05)
    async with expert, desk(tmp_path, expert) as here, at_desk(here, "1001") as agent:
        async with SippCaller(here.server, HOTLINE) as caller:
            await talks(here, caller, agent)
            await agent.hold()
            await agent.call(here.uri(OUTSIDE))
            await agent.connected(PATIENCE)
            await hear_each_other(expert, agent)
            await agent.hand_over()
            assert await agent.transferred() == 200
            await here.becomes("1001", State.WRAP_UP)
            await hear_each_other(caller, expert)
            assert not [told for told in here.events if told.kind == "outside.ended"], "the call goes on, and its price"
            await expert.hang_up()
            assert (await caller.ended(), await expert.ended()) == (0, 0)
            [ended] = await here.tells("outside.ended")
            assert (ended.agent, ended.details["price"]) == ("1001", PRICE)
            assert not caller.received("INVITE"), "the caller's phone is told nothing"
        [asked] = await here.tells("transfer.asked")
        assert asked.details["attended"] is True
        assert here.recorded(asked.call_id) > 2 * RATE


async def test_who_consults_by_a_queue_hands_the_caller_over_to_the_agent_that_was_found(tmp_path: Path) -> None:
    async with desk(tmp_path) as here, at_desk(here, "1001") as first, at_desk(here, "1003") as second:
        async with SippCaller(here.server, HOTLINE) as caller:
            await talks(here, caller, first)
            await first.hold()
            await first.call(here.uri("complaints"))
            await second.rings(PATIENCE)
            await second.answer()
            await first.connected(PATIENCE)
            await first.hand_over()
            assert await first.transferred() == 200
            await here.becomes("1001", State.WRAP_UP)
            await talks_on(here, caller, second, "1003")
        bridged = [told.agent for told in await here.tells("call.bridged") if told.call_id == asked_in(here)]
        assert bridged[-1] == "1003", "the record names whom the queue has found"


async def test_who_consults_comes_back_to_a_caller_who_has_waited(tmp_path: Path) -> None:
    expert = SippAgent(answer_after=0.05)
    async with (
        expert, desk(tmp_path, expert) as here, at_desk(here, "1001") as agent,
        SippCaller(here.server, HOTLINE) as caller,
    ):
        await talks(here, caller, agent)
        await agent.hold()
        await agent.call(here.uri(OUTSIDE))
        await agent.connected(PATIENCE)
        await agent.hang_up()
        assert await expert.ended() == 0
        await agent.ended(PATIENCE)
        await agent.unhold()
        await here.comes(lambda: not here.on_hold, "the end of the hold")
        await talks_on(here, caller, agent, "1001")


async def test_whom_an_agent_has_called_is_handed_on_and_the_agent_is_free(tmp_path: Path) -> None:
    customer = SippAgent(answer_after=0.05)
    async with (
        customer, desk(tmp_path, customer) as here, at_desk(here, "1001") as first, at_desk(here, "1003") as second
    ):
        await first.call(here.uri(OUTSIDE))
        await first.connected(PATIENCE)
        await customer.connected(PATIENCE)
        await first.transfer(here.uri("1003"))
        await second.rings(PATIENCE)
        await second.answer()
        assert await first.transferred() == 200
        await here.becomes("1001", State.WRAP_UP)
        await talks_on(here, customer, second, "1003")


async def test_an_agent_whom_a_queue_has_found_is_not_sent_to_another(tmp_path: Path) -> None:
    async with desk(tmp_path) as here, at_desk(here, "1001") as first, at_desk(here, "1003") as second:
        await first.call(here.uri("complaints"))
        await second.rings(PATIENCE)
        await second.answer()
        await first.connected(PATIENCE)
        await first.transfer(here.uri("service"))
        assert await first.transferred() == 603
        await first.hang_up()
        await second.ended(PATIENCE)
        await here.becomes("1001", State.IDLE)
        await here.becomes("1003", State.WRAP_UP)


def asked_in(here: Desk) -> str | None:
    """The call whose caller was to be handed over."""
    [asked] = [told.call_id for told in here.events if told.kind == "transfer.asked"]
    return asked
