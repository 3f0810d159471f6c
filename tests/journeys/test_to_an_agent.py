"""A customer dials, is known, is understood, and is brought to an agent: the whole way, on real clients."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import recorded
from tests.partners.hotline import Hotline
from tests.partners.phone import PhoneSettings
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.sipp import SippCaller
from tests.partners.speech import speech

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]


async def test_a_known_customer_says_what_is_wanted_and_talks_to_the_right_agent(hotline: Hotline) -> None:
    server = ("127.0.0.1", hotline.layout.sip_port)
    agent = PhoneSettings("1001", hotline.passwords["1001"], server)
    caller_says, agent_says = speech().pcm, speech("misc/BAC009S0724W0121").pcm
    async with Pjsua2Phone(agent) as phone, SippCaller(server, "4008001234", number="13800138000") as caller:
        await phone.registered()
        await caller.answered()
        await caller.hears(recorded("请问有什么可以帮您？"), 15)
        caller.says(recorded("我要退款"))
        incoming = await phone.rings(20)
        assert incoming.from_user == incoming.pai == "+8613800138000"
        await phone.answer()
        await phone.connected()
        caller.says(caller_says)
        await phone.hears(caller_says, 15)
        await phone.says(agent_says)
        await caller.hears(agent_says, 15)
        await caller.hang_up()
        await phone.ended()
        assert await caller.ended() == 0
    assert await hotline.idle() == dict.fromkeys(await hotline.live(), 0.0)
