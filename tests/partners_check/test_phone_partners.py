"""Every phone partner against SIPp and against another make, judged by what is heard."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.partners.audio import correlation
from tests.partners.phone import PhonePartner, PhoneSettings
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.sipp import CallRefused, Sipp, SippCaller
from tests.partners.speech import speech

SENTENCE = speech("misc/IT0011W0001").pcm
ANSWER = speech("aishell/BAC009S0150W0004").pcm

Make = Callable[..., Any]
MAKES = [Pjsua2Phone]
every_make = pytest.mark.parametrize("make", MAKES)


def calling(phone: PhonePartner, **options: Any) -> SippCaller:
    return SippCaller((phone.settings.ip, phone.settings.port), phone.settings.user, **options)


class Registrar(Sipp):
    """SIPp as a registrar that challenges with ``algorithm``."""

    def __init__(self, algorithm: str) -> None:
        super().__init__("uas_registrar", ip="127.0.0.6")
        self.algorithm = algorithm

    def _keys(self) -> dict[str, str]:
        return {"algorithm": self.algorithm}

    def proof_is_right(self, user: str, password: str) -> bool:
        """RFC 7616 section 3.4 with qop=auth (or without, as RFC 2069 had it)."""
        register = self.received("REGISTER")[-1]
        said = {k: v.strip('"') for k, v in re.findall(r'(\w+)=("[^"]*"|[^\s,]+)', register.header("Authorization"))}
        make = hashlib.sha256 if self.algorithm == "SHA-256" else hashlib.md5

        def digest(*parts: str) -> str:
            return make(":".join(parts).encode()).hexdigest()

        secret, request = digest(user, said["realm"], password), digest("REGISTER", said["uri"])
        quality = [said["nc"], said["cnonce"], said["qop"]] if "qop" in said else []
        return said["response"] == digest(secret, said["nonce"], *quality, request) and said["username"] == user


@pytest.mark.parametrize(("make", "algorithm"), [(Pjsua2Phone, "MD5"), (Pjsua2Phone, "SHA-256")])
async def test_it_registers_with_digest(make: Make, algorithm: str) -> None:
    async with Registrar(algorithm) as registrar:
        settings = PhoneSettings(user="1001", password="s3cret", registrar=(registrar.ip, registrar.port))
        async with make(settings) as phone:
            await phone.registered()
            assert registrar.proof_is_right("1001", "s3cret")
            assert f"{settings.ip}:{settings.port}" in registrar.received("REGISTER")[-1].header("Contact")


@every_make
async def test_it_shows_the_number_and_both_sides_are_heard(make: Make) -> None:
    async with make() as phone, calling(phone, number="13912345678", name="王小明",
                                        asserted="+8613912345678") as caller:
        shown = await phone.rings()
        assert (shown.from_user, shown.display_name, shown.pai) == ("13912345678", "王小明", "+8613912345678")
        await phone.answer()
        await phone.connected()
        await caller.answered()
        caller.says(SENTENCE)
        await phone.says(ANSWER)
        await caller.hears(ANSWER)
        await phone.hears(SENTENCE)
        assert abs(correlation(SENTENCE, phone.heard()).gain_db) < 1
        await caller.hang_up()
        await phone.ended()
        assert await caller.ended() == 0


@every_make
async def test_keys_go_both_ways(make: Make) -> None:
    async with make(answer_after=0.0) as phone, calling(phone) as caller:
        await caller.answered()
        await phone.connected()
        for key in "19#":
            caller.press(key)
        for key in "27*":
            await phone.press(key)
        await caller.said()
        await asyncio.sleep(1)
        assert phone.digits() == "19#"
        assert caller.digits() == "27*"
        await phone.hang_up()
        assert await caller.ended() == 0


@every_make
async def test_it_rejects_and_stops_ringing_when_the_caller_gives_up(make: Make) -> None:
    async with make() as phone:
        async with calling(phone) as caller:
            await phone.rings()
            await phone.reject(486)
            with pytest.raises(CallRefused, match="486"):
                await caller.answered()
            assert await caller.ended() == 0
            await phone.ended()
        async with calling(phone) as caller:
            await phone.rings()
            await caller.hang_up()
            await phone.ended()
            assert await caller.ended() == 0
            assert caller.statuses[-1] == 487


@every_make
async def test_an_unplugged_phone_says_nothing(make: Make) -> None:
    async with make(answer_after=0.0) as phone, calling(phone) as caller:
        await caller.answered()
        await phone.connected()
        await phone.unplug()
        before = len(caller.line.ear.packets)
        await asyncio.sleep(0.3)
        assert len(caller.line.ear.packets) <= before + 1
        assert not caller.received("BYE")
