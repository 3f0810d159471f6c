"""Who is calling: found from what the trunk says, greeted by name, and shown on the agent's phone."""

from __future__ import annotations

import asyncio

import pytest

from tests.journeys.conftest import calling, recorded
from tests.journeys.floor import IP, Floor
from tests.partners.audio import contains
from tests.partners.hotline import Hotline
from tests.partners.sipp import SippAgent
from tests.partners.story import told_of

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]

GENERAL = "您好，欢迎致电客服热线。"


@pytest.mark.parametrize(("sent", "shown", "identity", "customer"), [
    ({"number": "13800138000"}, "+8613800138000", "one", 1),
    ({"number": "013800138001"}, "+8613800138001", "one", 2),
    ({"number": "008613800138002"}, "+8613800138002", "one", 3),
    ({"number": "+8613800138003"}, "+8613800138003", "one", 4),
    ({"number": "01065551234"}, "+861065551234", "one", 2),
    ({"number": "13912345678", "asserted": "+8613800138000"}, "+8613800138000", "one", 1),
    ({"number": None, "asserted": "13800138004"}, "+8613800138004", "one", 5),
    ({"number": "13800138006"}, "+8613800138006", "several", None),
    ({"number": "13912345678"}, "+8613912345678", "none", None),
    ({"number": None}, None, "withheld", None),
    ({"number": "13800138000", "headers": ["Privacy: id"]}, None, "withheld", None),
])
async def test_the_number_finds_the_customer_and_is_shown_to_the_agent(
    hotline: Hotline, floor: Floor, sent: dict[str, object], shown: str | None, identity: str, customer: int | None
) -> None:
    desk = floor.desks["identity"]
    async with SippAgent(ip=IP, port=desk.ports[0]) as agent, calling(hotline, desk.number, **sent) as caller:
        invite = await agent.rings()
        assert invite.user("From") == (shown or "anonymous")
        assert invite.user("P-Asserted-Identity") == (shown or "")
        assert (invite.header("Privacy") == "id") == (shown is None)
        await agent.connected()
        await caller.hang_up()
        await caller.ended()
        await agent.ended()
        identified = (await told_of(hotline, caller)).one("caller.identified")
    assert (identified.details["identity"], identified.details["customer"]) == (identity, customer)


async def test_a_known_customer_is_greeted_by_name_and_any_other_in_general(hotline: Hotline) -> None:
    async def is_greeted(greeting: str, **sent: object) -> None:
        async with calling(hotline, "4008001234", **sent) as caller:
            await caller.answered()
            await caller.hears(recorded(greeting), 15)
            await caller.hears(recorded("欢迎致电客服热线。" if greeting != GENERAL else GENERAL), 15)
            for other in {"王先生，", "欧阳先生，"} - {greeting}:
                assert not contains(recorded(other), caller.heard(), 0.8)
            await caller.hang_up()
            await caller.ended()

    await asyncio.gather(
        is_greeted("王先生，", number="13800138000"), is_greeted("欧阳先生，", number="13800138002"),
        is_greeted(GENERAL, number="13912345678"), is_greeted(GENERAL, number=None),
        is_greeted(GENERAL, number="13800138006"),
    )
