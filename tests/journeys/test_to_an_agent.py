"""A customer dials, is known, is understood, and is brought to an agent: the whole way, on real clients."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import at_work, calling, recorded, registering
from tests.partners.hotline import Hotline
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.talk import both_ways

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]


async def test_a_known_customer_says_what_is_wanted_and_talks_to_the_right_agent(hotline: Hotline) -> None:
    agent, customer = Pjsua2Phone(registering(hotline, "1001")), calling(hotline, "4008001234", number="13800138000")
    async with at_work(hotline, agent) as phone, customer as caller:
        await caller.answered()
        await caller.hears(recorded("请问有什么可以帮您？"), 15)
        caller.says(recorded("我要退款"))
        incoming = await phone.rings(20)
        assert incoming.from_user == incoming.pai == "+8613800138000"
        await phone.answer()
        await phone.connected()
        await both_ways(caller, phone)
        await caller.hang_up()
        await phone.ended()
        assert await caller.ended() == 0
