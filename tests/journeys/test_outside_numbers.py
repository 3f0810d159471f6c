"""A caller is brought to an outside number: by the carrier that works, and with every cause kept."""

from __future__ import annotations

import pytest

from tests.journeys.conftest import calling
from tests.journeys.floor import IP, Floor
from tests.partners.hotline import Hotline
from tests.partners.sipp import SippAgent

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]


async def test_the_second_carrier_takes_the_call_when_the_first_takes_none(hotline: Hotline, floor: Floor) -> None:
    near, far = floor.outside.ports
    refusing = SippAgent(ip=IP, port=near, scenario="uas_busy", refusal="503 Service Unavailable")
    async with refusing, SippAgent(ip=IP, port=far) as carrier, calling(hotline, floor.outside.number) as caller:
        invite = await carrier.rings()
        assert invite.first_line.startswith("INVITE sip:02155501234@"), "as this carrier writes it"
        await carrier.connected()
        assert refusing.received("INVITE")[0].first_line.startswith("INVITE sip:+862155501234@")
        await carrier.hang_up()
        assert (await carrier.ended(), await caller.ended(), await refusing.ended()) == (0, 0, 0)
        bye = caller.received("BYE")[0]
        assert bye.header("Reason") == 'Q.850;cause=16;text="Normal call clearing"'
        sip_call_id = caller.received(200)[0].header("Call-ID")
    events = await hotline.events(sip_call_id=sip_call_id)
    tried = [event["details"].get("trunk") for event in events if event["kind"] == "outside.dialled"]
    assert tried == ["near", "far"]
    (ended,) = [event["details"] for event in events if event["kind"] == "outside.ended"]
    assert (ended["price"], ended["seconds"] > 0) == (0.6, True)
    code, ladder = await hotline.command("calls", await hotline.call_id(sip_call_id))
    assert code == 0
    for line in ("INVITE by near", "503 Service Unavailable", "INVITE by far"):
        assert line in ladder


async def test_what_the_called_party_says_is_in_the_call_record(hotline: Hotline, floor: Floor) -> None:
    near, _ = floor.outside.ports
    busy = SippAgent(ip=IP, port=near, scenario="uas_busy")
    async with busy as carrier, calling(hotline, floor.outside.number) as caller:
        assert await carrier.ended(10) == 0
        assert await caller.ended() == 0
        sip_call_id = caller.received(200)[0].header("Call-ID")
    (failed,) = await hotline.events(sip_call_id=sip_call_id, kind="call.not_answered")
    assert failed["details"] == {"status": 486, "cause": 17}
