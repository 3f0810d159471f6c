"""Agents' phones of three makes, registered with digest: both parties are heard, by each other and in the recording."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.journeys.conftest import at_work, calling, registering
from tests.journeys.floor import Floor
from tests.partners.audio import contains
from tests.partners.baresip_phone import BaresipPhone
from tests.partners.hotline import Hotline
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.pyvoip_phone import PyVoipPhone
from tests.partners.rtp import PCMA
from tests.partners.story import told_of
from tests.partners.talk import both_ways

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]

Make = type[Pjsua2Phone] | type[BaresipPhone] | type[PyVoipPhone]


def used_digest(folder: Path) -> str | None:
    """The algorithm in the latest Authorization that the phone's own log shows; where it is not named it is MD5
    (RFC 7616 section 3.4)."""
    logs = "".join(path.read_text(errors="replace") for path in folder.glob("*.log"))
    sent = re.findall(r"^Authorization: Digest (.*)", logs, re.MULTILINE)
    named = re.search(r"algorithm=([\w-]+)", sent[-1]) if sent else None
    return (named[1] if named else "MD5") if sent else None


@pytest.mark.parametrize(("make", "user", "digest", "agent_codec"), [
    (Pjsua2Phone, "1001", "SHA-256", "PCMU"),
    (BaresipPhone, "1003", "MD5", "PCMA"),
    (PyVoipPhone, "1001", None, "PCMU"),  # it shows no message that it sends; MD5 is all it knows
])
async def test_both_parties_are_heard_whatever_the_make(
    hotline: Hotline, floor: Floor, make: Make, user: str, digest: str | None, agent_codec: str
) -> None:
    number = floor.experts if user == "1001" else floor.complaints
    # The caller knows A-law alone: towards a µ-law phone each side speaks its own codec.
    preparing = calling(hotline, number, payload_type=PCMA, formats="8 101")
    phone_of_agent = make(registering(hotline, user, codec=agent_codec))
    async with at_work(hotline, phone_of_agent) as phone, preparing as caller:
        assert used_digest(phone.folder) == digest
        await caller.answered()
        shown = await phone.rings()
        assert shown.from_user == shown.pai == "+8613800138000"
        await phone.answer()
        await phone.connected()
        question, answer = await both_ways(caller, phone)
        assert {packet.payload_type for packet in caller.line.ear.packets} == {PCMA}
        await caller.hang_up()
        await phone.ended()
        await caller.ended()
        story = await told_of(hotline, caller)
    caller_said, caller_heard = story.channels()
    assert contains(question, caller_said, 0.95)
    assert contains(answer, caller_heard)
    assert not contains(answer, caller_said, 0.5)
    assert not contains(question, caller_heard, 0.5)
    assert story.one("call.ended").details["by"] == "caller"
