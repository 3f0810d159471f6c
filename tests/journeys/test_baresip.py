"""An agent at baresip: holds, takes back, and hands the caller on to a colleague with another make of phone."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.journeys.conftest import at_work, calling, registering
from tests.journeys.floor import Floor
from tests.journeys.test_own_calls import becomes
from tests.journeys.test_transfers import uri
from tests.partners.audio import levelled
from tests.partners.baresip_phone import BaresipPhone
from tests.partners.hotline import Hotline
from tests.partners.phone import PhonePartner
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.process import until
from tests.partners.sipp import SippCaller
from tests.partners.speech import speech
from tests.partners.story import told_of

BACK, AGAIN = levelled(speech("misc/BAC009S0724W0121").pcm), levelled(speech("misc/IT0011W0001").pcm)
pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]


async def picks_up(agent: PhonePartner) -> None:
    await agent.rings(20)
    await agent.answer()
    await agent.connected()


def has_answered_a_question(phone: BaresipPhone) -> bool:
    """Whether its trace shows an OPTIONS and the response: before that no silence of its means anything."""
    trace = (phone.folder / "output.log").read_text(errors="replace")
    return len(re.findall(r"^CSeq: \d+ OPTIONS", trace, re.MULTILINE)) >= 2


def loudest(caller: SippCaller) -> int:
    """Of the last half second that the caller heard."""
    return int(np.abs(caller.heard()[-4000:].astype(np.int32)).max())


async def test_an_agent_at_baresip_holds_takes_back_and_hands_on(hotline: Hotline, floor: Floor) -> None:
    first, second = BaresipPhone(registering(hotline, "1003")), Pjsua2Phone(registering(hotline, "1001"))
    async with at_work(hotline, first), at_work(hotline, second), calling(hotline, floor.complaints) as caller:
        await picks_up(first)
        await until(lambda: loudest(caller) < 100, 15, "an agent who says nothing yet")
        await first.hold()
        await until(lambda: loudest(caller) > 500, 15, "music on hold")
        await first.unhold()
        await until(lambda: loudest(caller) < 100, 15, "the end of the music")
        await first.says(BACK)  # what baresip 1.0 hears after a hold, it does not write down
        await caller.hears(BACK, 20)
        await first.transfer(uri(hotline, "1001"))
        await picks_up(second)
        await first.ended(15)
        caller.says(AGAIN)
        await second.hears(AGAIN, 20)
        await caller.hang_up()
        await second.ended()
        story = await told_of(hotline, caller)
    assert story.one("transfer.done").details["target"] == "1001"


async def test_an_agent_whose_laptop_sleeps_is_offline_until_it_wakes_up(hotline: Hotline, floor: Floor) -> None:
    laptop, colleague = BaresipPhone(registering(hotline, "1002")), Pjsua2Phone(registering(hotline, "1001"))
    async with at_work(hotline, laptop), at_work(hotline, colleague):
        await until(lambda: has_answered_a_question(laptop), 15, "an answer to OPTIONS")
        laptop.falls_asleep()
        await becomes(hotline, "1002", "offline", 30)
        async with calling(hotline, floor.service) as first:
            await picks_up(colleague)
            laptop.wakes_up()
            async with calling(hotline, floor.service) as second:
                await picks_up(laptop)
                await second.hang_up()
                await laptop.ended()
                story = await told_of(hotline, second)
            await first.hang_up()
            await colleague.ended()
    assert story.agents("queue.answered") == ["1002"]
