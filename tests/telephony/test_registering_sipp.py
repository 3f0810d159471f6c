"""SIPp, which we did not write, registers: with the right password and the wrong one, and with credentials that were
good once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from calls.call import Call
from storage import Database
from telephony.sip.auth import Algorithm, digest
from telephony.sip.headers import Challenge
from telephony.store import PhoneStore
from tests.partners.sipp import SippAgent
from tests.partners.sipp_phones import SippPhone
from tests.telephony.conftest import PASSWORD, Switchboard, account, running

MD5_ALONE = replace(account("1001"), ha1_sha256="")
"""SIPp gives up where SHA-256 is offered: its account has one hash, and so it is offered that one (RFC 8760)."""


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with running() as board:
        board.book.replace([MD5_ALONE])
        yield board


def stale(phone: SippPhone, which: int = 0) -> bool:
    """Whether the 401 says that the credentials were right and only the nonce was not."""
    return Challenge.parse(phone.received(401)[which].header("WWW-Authenticate")).param("stale") == "true"


def server(board: Switchboard) -> tuple[str, int]:
    return board.address.host, board.address.port


async def test_the_right_password_registers_and_the_wrong_one_does_not(switchboard: Switchboard) -> None:
    async with SippPhone(server(switchboard), "1001", "guessed", outcome=401) as phone:
        assert await phone.ended() == 0
        assert (stale(phone, 0), stale(phone, 1)) == (False, False)
    assert not switchboard.telephony.phones.reachable("1001")
    async with SippPhone(server(switchboard), "1001", PASSWORD) as phone:
        assert await phone.ended() == 0
        assert switchboard.telephony.phones.reachable("1001")


async def test_who_listens_in_on_a_registration_cannot_repeat_it(switchboard: Switchboard) -> None:
    async with SippPhone(server(switchboard), "1001", PASSWORD, expires=0) as phone:
        assert await phone.ended() == 0
        heard = next(m for m in phone.messages if m.sent and "Authorization" in m.text).header("Authorization")
    async with SippPhone(server(switchboard), "1001", PASSWORD, credentials=f"Authorization: {heard}") as replay:
        assert await replay.ended() == 0
        assert stale(replay), "refused, though the password was right; then the new nonce is answered"
    assert switchboard.telephony.counters["register_200"] == 2


@pytest.mark.parametrize("nonce", ["dcd98b7102dd2f0e8b11d0f600bfb0c0", "A" * 44])
async def test_a_nonce_of_before_the_restart_is_stale_and_no_wrong_password(
    switchboard: Switchboard, nonce: str
) -> None:
    uri = f"sip:{switchboard.address}"
    response = digest(Algorithm.MD5, account("1001").ha1_md5, "REGISTER", uri, nonce)
    old = f'Digest username="1001", realm="hotline", nonce="{nonce}", uri="{uri}", response="{response}"'
    async with SippPhone(server(switchboard), "1001", PASSWORD, credentials=f"Authorization: {old}") as phone:
        assert await phone.ended() == 0
        assert stale(phone)
    assert switchboard.telephony.phones.reachable("1001")


async def test_after_a_restart_a_phone_rings_that_has_not_registered_again(database: Database) -> None:
    store = PhoneStore(database)
    await store.save(MD5_ALONE)
    async with running(store) as before:
        before.book.replace([MD5_ALONE])
        async with SippPhone(server(before), "1001", PASSWORD) as phone:
            assert await phone.ended() == 0
        async with asyncio.timeout(10):
            while not await store.load_bindings(0.0):  # noqa: ASYNC110 — written by a task of its own
                await asyncio.sleep(0.01)
    async with running(store) as after, SippAgent("1001", ip=phone.ip, port=phone.port) as rung:
        call = Call("restarted", "carrier", "4008001234", None, "main", datetime.now(UTC))
        answered = await after.telephony.ring("1001", call=call, shown=None)
        await rung.connected()
        await answered.hang_up()
        assert await rung.ended() == 0


async def test_a_phone_that_registered_through_a_proxy_is_rung_through_it(switchboard: Switchboard) -> None:
    async with SippAgent("1001", ip="127.0.0.13") as edge:
        through = f"Path: <sip:{edge.ip}:{edge.port};lr>"
        async with SippPhone(server(switchboard), "1001", PASSWORD, credentials=through, extra=through) as phone:
            assert await phone.ended() == 0
            assert f"{edge.ip}:{edge.port};lr" in phone.received(200)[0].header("Path")
        call = Call("proxied", "carrier", "4008001234", None, "main", datetime.now(UTC))
        answered = await switchboard.telephony.ring("1001", call=call, shown=None)
        invite = await edge.rings()
        assert invite.header("Route") == f"<sip:{edge.ip}:{edge.port};lr>"
        assert invite.first_line == f"INVITE sip:1001@{phone.ip}:{phone.port} SIP/2.0"
        await answered.hang_up()
        assert await edge.ended() == 0
