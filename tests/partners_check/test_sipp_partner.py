"""SIPp callers and SIPp phones against each other, heard with our ears."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from tests.partners.audio import contains, correlation
from tests.partners.g711 import alaw
from tests.partners.rtp import PCMU
from tests.partners.sipp import CallRefused, SippAgent, SippCaller
from tests.partners.speech import speech

SENTENCE = speech("misc/IT0011W0001").pcm
ANSWER = speech("aishell/BAC009S0150W0004").pcm


def caller_of(agent: SippAgent, **options: object) -> SippCaller:
    return SippCaller((agent.ip, agent.port), agent.user, **options)  # type: ignore[arg-type]


async def test_both_hear_each_other_and_the_payload_is_the_codec_s() -> None:
    async with SippAgent() as agent, caller_of(agent, number="13912345678", asserted="+8613912345678") as caller:
        invite = await agent.rings()
        assert (invite.user("From"), invite.user("P-Asserted-Identity")) == ("13912345678", "+8613912345678")
        await caller.answered()
        await agent.connected()
        caller.says(SENTENCE)
        agent.says(ANSWER)
        await agent.hears(SENTENCE, at_least=0.97)
        await caller.hears(ANSWER, at_least=0.97)
        await caller.said()
        await asyncio.sleep(0.1)
        assert {ip for ip, _ in agent.line.ear.sources} == {"127.0.0.2"}
        payloads = b"".join(p.payload for p in agent.line.ear.packets)
        assert alaw(SENTENCE) in payloads, "A-law must arrive bit for bit"
        await caller.hang_up()
        assert await caller.ended() == 0
        assert await agent.ended() == 0
        assert caller.statuses == [180, 200]


async def test_hang_up_by_the_phone_and_by_the_clock() -> None:
    async with SippAgent(answer_after=0) as agent, caller_of(agent) as caller:
        await agent.connected()
        await agent.hang_up()
        assert (await agent.ended(), await caller.ended()) == (0, 0)
        assert caller.received("BYE")
    async with SippAgent() as agent, caller_of(agent, scenario="uac_answered", pause_ms=200) as caller:
        bye = await agent.receives("BYE")
        assert bye.at - agent.received("ACK")[0].at == pytest.approx(0.2, abs=0.1)
        assert (await agent.ended(), await caller.ended()) == (0, 0)


@pytest.mark.parametrize("scenario", ["uac_call", "uac_cancel"])
async def test_the_caller_gives_up_while_it_rings(scenario: str) -> None:
    for ringing in (SippAgent(scenario="uas_never"), SippAgent(answer_after=60)):
        async with ringing as agent, caller_of(agent, scenario=scenario, pause_ms=100) as caller:
            await caller.rings()
            if scenario == "uac_call":
                await caller.hang_up()
            assert await caller.ended() == 0
            assert await agent.ended() == 0
            assert caller.statuses == [180, 487]
            assert agent.received("CANCEL")


async def test_a_refusal_is_reported_with_its_status() -> None:
    async with SippAgent(scenario="uas_busy", refusal="603 Decline") as agent, caller_of(agent) as caller:
        with pytest.raises(CallRefused) as refused:
            await caller.answered()
        assert refused.value.status == 603
        assert (await caller.ended(), await agent.ended()) == (0, 0)


async def test_hold_and_resume_by_order_and_by_the_clock() -> None:
    async with SippAgent(answer_after=0) as agent, caller_of(agent) as caller:
        await agent.connected()
        for order, direction, acks in ((caller.hold, "sendonly", 2), (caller.unhold, "sendrecv", 3)):
            await order()
            await agent.comes(lambda acks=acks: len(agent.received("ACK")) == acks, 5, f"ACK {acks}")  # type: ignore[misc]
            assert f"a={direction}" in agent.received("INVITE")[-1].text
        await caller.hang_up()
        assert (await caller.ended(), await agent.ended()) == (0, 0)
    async with SippAgent() as agent, caller_of(agent, scenario="uac_reinvite_hold", pause_ms=50) as caller:
        assert (await caller.ended(), await agent.ended()) == (0, 0)
        assert len(agent.received("INVITE")) == 3


async def test_keys_pressed_by_our_mouth_and_by_sipp_itself() -> None:
    async with SippAgent(answer_after=0) as agent, caller_of(agent) as caller:
        await agent.connected()
        await caller.answered()
        for key in "10#*D":
            caller.press(key)
        await caller.said()
        await asyncio.sleep(0.1)
        assert agent.digits() == "10#*D"
    async with SippAgent(answer_after=0) as agent, \
            caller_of(agent, scenario="uac_dtmf", digits="27#", pause_ms=2500) as caller:
        assert (await caller.ended(8), await agent.ended()) == (0, 0)
        assert agent.digits() == "27#"


async def test_an_answer_that_is_never_acknowledged() -> None:
    async with SippAgent(answer_after=0) as agent, caller_of(agent, scenario="uac_noack") as caller:
        await asyncio.sleep(1.7)  # T1 is 500 ms: retransmissions after 0.5 and 1.5 s
        assert len(caller.received(200)) == 3
        assert not agent.received("ACK")


async def test_a_mu_law_caller_is_heard_too_and_a_torn_line_is_silent() -> None:
    async with SippAgent(answer_after=0, payload_type=PCMU) as agent, caller_of(agent, payload_type=PCMU) as caller:
        await caller.answered()
        caller.says(SENTENCE)
        await agent.hears(SENTENCE, at_least=0.97)
        assert correlation(SENTENCE, agent.heard()).gain_db == pytest.approx(0, abs=0.5)
        await caller.unplug()
        before = len(agent.line.ear.packets)
        await asyncio.sleep(0.1)
        assert len(agent.line.ear.packets) <= before + 1
        assert not contains(ANSWER, caller.heard())


@pytest.mark.parametrize("seed", range(4))
async def test_crossing_hang_ups_and_answers_leave_no_scenario_hanging(seed: int) -> None:
    chance = random.Random(seed)

    async def hang_up(partner: SippAgent | SippCaller, after: float) -> None:
        await asyncio.sleep(after)
        await partner.hang_up()

    async with SippAgent(answer_after=0) as agent, caller_of(agent) as caller:
        await agent.connected()
        await asyncio.gather(*(hang_up(partner, chance.uniform(0, 0.002)) for partner in (agent, caller)))
        assert (await caller.ended(), await agent.ended()) == (0, 0)
    async with SippAgent(answer_after=0.03) as agent, caller_of(agent) as caller:
        rang = (await caller.rings()).at
        await hang_up(caller, max(0, rang + chance.uniform(0.028, 0.032) - time.monotonic()))
        assert (await caller.ended(), await agent.ended()) == (0, 0)
