"""Every phone partner against SIPp and against another make, judged by what is heard."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.partners.audio import correlation
from tests.partners.baresip_phone import BaresipPhone
from tests.partners.phone import PhonePartner, PhoneSettings
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.process import until
from tests.partners.sipp import CallRefused, Sipp, SippCaller
from tests.partners.speech import speech

SENTENCE = speech("misc/IT0011W0001").pcm
ANSWER = speech("aishell/BAC009S0150W0004").pcm

Make = Callable[..., Any]
MAKES = [Pjsua2Phone, BaresipPhone]
every_make = pytest.mark.parametrize("make", MAKES)


def calling(phone: PhonePartner, **options: Any) -> SippCaller:
    return SippCaller((phone.settings.ip, phone.settings.port), phone.settings.user, **options)


class Registrar(Sipp):
    """SIPp as a registrar that challenges with these algorithms, in this order (RFC 8760 section 2.4)."""

    def __init__(self, *algorithms: str) -> None:
        super().__init__("uas_registrar", ip="127.0.0.6")
        self.algorithms = algorithms

    def _keys(self) -> dict[str, str]:
        lines = [f'WWW-Authenticate: Digest realm="partners", nonce="7f3c0000beef", algorithm={algorithm}, qop="auth"'
                 for algorithm in self.algorithms]
        return {"challenges": "\r\n".join(lines)}

    def accepted_proof(self, user: str, password: str) -> str:
        """The algorithm of the right proof that was given (RFC 7616 section 3.4); empty for a wrong one."""
        register = self.received("REGISTER")[-1]
        said = {k: v.strip('"') for k, v in re.findall(r'(\w+)=("[^"]*"|[^\s,]+)', register.header("Authorization"))}
        algorithm = said.get("algorithm", "MD5")
        make = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm]

        def digest(*parts: str) -> str:
            return make(":".join(parts).encode()).hexdigest()

        secret, request = digest(user, said["realm"], password), digest("REGISTER", said["uri"])
        quality = [said["nc"], said["cnonce"], said["qop"]] if "qop" in said else []
        proof = digest(secret, said["nonce"], *quality, request)
        return algorithm if (said["username"], said["response"]) == (user, proof) else ""


@pytest.mark.parametrize(("make", "algorithms", "chosen"), [
    (Pjsua2Phone, ["MD5"], "MD5"),
    (Pjsua2Phone, ["SHA-256"], "SHA-256"),
    (Pjsua2Phone, ["SHA-256", "MD5"], "SHA-256"),
    (BaresipPhone, ["MD5"], "MD5"),
])
async def test_it_registers_with_digest(make: Make, algorithms: list[str], chosen: str) -> None:
    async with Registrar(*algorithms) as registrar:
        settings = PhoneSettings(user="1001", password="s3cret", registrar=(registrar.ip, registrar.port))
        async with make(settings) as phone:
            await phone.registered()
            assert registrar.accepted_proof("1001", "s3cret") == chosen
            assert f"{settings.ip}:{settings.port}" in registrar.received("REGISTER")[-1].header("Contact")


@pytest.mark.parametrize("order", [["SHA-256", "MD5"], ["MD5", "SHA-256"]])
async def test_baresip_gives_up_where_sha_256_is_offered_at_all(order: list[str]) -> None:
    """RFC 7616 section 3.7 lets a client choose what it knows; this one fails on what it does not."""
    async with Registrar(*order) as registrar:
        settings = PhoneSettings(password="s3cret", registrar=(registrar.ip, registrar.port))
        async with BaresipPhone(settings) as phone:
            with pytest.raises(RuntimeError, match="not implemented"):
                await phone.registered()


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
        await caller.said()
        await caller.hang_up()
        await phone.ended()
        assert await caller.ended() == 0
        assert abs(correlation(SENTENCE, phone.heard()).gain_db) < 1


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


@pytest.mark.parametrize("make", [Pjsua2Phone, BaresipPhone])
async def test_hold_is_a_reinvite_and_comes_back(make: Make) -> None:
    async with make(answer_after=0.0) as phone, calling(phone) as caller:
        await phone.connected()
        await caller.answered()
        await phone.hold()
        assert "a=sendonly" in (await caller.receives("INVITE")).text
        await asyncio.sleep(0.3)
        await phone.unhold()
        await until(lambda: len(caller.received("INVITE")) == 2, 5, "a second re-INVITE")
        assert "a=sendrecv" in caller.received("INVITE")[-1].text
        await asyncio.sleep(0.3)
        await phone.says(ANSWER)
        await caller.hears(ANSWER)


@pytest.mark.parametrize(("dialling", "answering"), [(Pjsua2Phone, BaresipPhone), (BaresipPhone, Pjsua2Phone)])
async def test_one_make_calls_the_other(dialling: Make, answering: Make) -> None:
    async with dialling(user="1002", ip="127.0.0.12") as one, answering(user="1001") as other:
        await one.call(other.settings.contact)
        assert (await other.rings()).from_user == "1002"
        await other.answer()
        await one.connected()
        await other.connected()
        await one.says(SENTENCE)
        await other.says(ANSWER)
        await other.hears(SENTENCE)
        await one.hears(ANSWER)
        await other.hang_up()
        await one.ended()
