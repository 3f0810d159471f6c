"""Scanners that we did not write against the exchange: they are banned, and the phone beside them is not."""

from __future__ import annotations

import pytest

from telephony.sip.offences import Offence
from tests.partners.baresip_phone import BaresipPhone
from tests.partners.phone import PhoneSettings
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.process import until
from tests.partners.scanners import sipsak, sipvicious
from tests.telephony.conftest import PASSWORD, Switchboard

SCANNER = "127.0.0.66"


def bans(board: Switchboard) -> list[tuple[str, Offence]]:
    defence = board.telephony.guarding.defence
    return [(ban.network, ban.offence) for ban in defence.bans(board.telephony.office.sip.now())]


def server(board: Switchboard) -> tuple[str, int]:
    return board.address.host, board.address.port


@pytest.mark.parametrize(("tool", "options"), [
    ("svmap", []), ("svwar", ["-e1000-1020", "--force", "--maximumtime=1"]),
])
async def test_sipvicious_is_banned_at_its_first_word(switchboard: Switchboard, tool: str, options: list[str]) -> None:
    said = await sipvicious(tool, server(switchboard), *options, ip=SCANNER)
    assert [offence for _, offence in bans(switchboard)] == [Offence.SCANNER], said  # svwar sends from where it likes
    assert "1001" not in said


async def test_sipsak_guessing_users_is_banned_for_that(switchboard: Switchboard) -> None:
    said = [
        await sipsak(server(switchboard), "-U", "-i", "-a", "guess", "-D", "1", "-vv", user=f"30{guess}", ip=SCANNER)
        for guess in range(7)
    ]
    assert bans(switchboard) == [(SCANNER, Offence.UNKNOWN_USER)], said
    assert "401 Unauthorized" in said[0]
    assert "SIP/2.0" not in said[-1]


async def test_a_flood_of_options_is_banned_and_never_told_who_we_are(switchboard: Switchboard) -> None:
    said = await flood(switchboard, SCANNER)
    assert bans(switchboard) == [(SCANNER, Offence.PROBE)], said
    silent = await sipsak(server(switchboard), "-D", "1", "-vvv", user="x", ip=SCANNER)
    assert "Hotline" not in said + silent
    assert "Server" not in said + silent


@pytest.mark.parametrize("make", [Pjsua2Phone, BaresipPhone])
async def test_a_phone_at_the_scanner_s_own_address_is_never_scored(
    switchboard: Switchboard, make: type[Pjsua2Phone] | type[BaresipPhone]
) -> None:
    settings = PhoneSettings("1001", PASSWORD, server(switchboard))
    for _ in range(3):  # each start fetches its challenge
        async with make(settings) as phone:
            await phone.registered(15)
            await phone.unregister()
            await until(lambda: not switchboard.telephony.phones.reachable("1001"), 10)
    assert bans(switchboard) == []
    async with make(settings) as phone:
        await phone.registered(15)
        await flood(switchboard, settings.ip)
        assert bans(switchboard) == [(settings.ip, Offence.PROBE)], "and not for what the phone did"
        await phone.unregister()
        await until(lambda: not switchboard.telephony.phones.reachable("1001"), 10, "the phone is still heard")


async def flood(board: Switchboard, ip: str) -> str:
    return await sipsak(server(board), "-F", "-e", "300", user="x", ip=ip)
