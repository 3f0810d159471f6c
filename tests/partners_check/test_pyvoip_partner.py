"""pyVoIP rings only from its registrar's address, so SIPp plays both from one port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.partners.audio import levelled
from tests.partners.phone import PhoneSettings
from tests.partners.pyvoip_phone import PyVoipPhone
from tests.partners.rtp import PCMU
from tests.partners.sipp import CallRefused, SippCaller
from tests.partners.speech import speech
from tests.partners_check.test_phone_partners import Registrar

pytestmark = pytest.mark.journey  # a telephone, which is to have a processor when it needs one

SENTENCE = levelled(speech("misc/IT0011W0001").pcm)
ANSWER = speech("aishell/BAC009S0150W0004").pcm


@asynccontextmanager
async def registered(**options: Any) -> AsyncIterator[tuple[PyVoipPhone, SippCaller]]:
    """A registered phone, and a caller at its registrar's address."""
    async with Registrar("SHA-256", "MD5") as registrar:
        settings = PhoneSettings(user="1001", password="s3cret", registrar=(registrar.ip, registrar.port), **options)
        phone = PyVoipPhone(settings)
        await phone.__aenter__()
        try:
            await phone.registered()
            assert registrar.accepted_proof("1001", "s3cret") == "MD5"
            await registrar.ended()
            caller = SippCaller((settings.ip, settings.port), "1001", ip=registrar.ip, port=registrar.port,
                                payload_type=PCMU, formats="8 0 101", asserted="+8613912345678")
            yield phone, caller
        finally:
            await phone.__aexit__(None, None, None)


async def test_it_shows_the_number_hears_and_speaks_mu_law_and_hears_keys() -> None:
    async with registered() as (phone, preparing), preparing as caller:
        assert (await phone.rings()).pai == "+8613912345678"
        await phone.answer()
        await phone.connected()
        await caller.answered()
        caller.says(SENTENCE)
        await phone.says(ANSWER)
        await caller.hears(ANSWER)
        await phone.hears(SENTENCE)
        caller.press("4")
        caller.press("#")
        await asyncio.sleep(0.8)
        assert phone.digits() == "4#"
        await phone.hang_up()
        await phone.ended()
        assert await caller.ended() == 0


async def test_it_rejects_with_486() -> None:
    async with registered(reject_with=486) as (phone, preparing), preparing as caller:
        with pytest.raises(CallRefused, match="486"):
            await caller.answered()
        await phone.ended()


async def test_it_answers_a_cancel_but_not_the_invite() -> None:
    async with registered() as (phone, preparing), preparing as caller:
        await phone.rings()
        await caller.hang_up()
        await phone.ended()
        await asyncio.sleep(0.5)
        assert caller.received(200)[0].method == "CANCEL"
        assert 487 not in caller.statuses
