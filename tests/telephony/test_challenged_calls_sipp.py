"""SIPp calls as a phone of the house: its INVITE is signed rightly, wrongly, as once before, or with an old nonce."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from telephony.incoming import IncomingCall
from telephony.sip.auth import Algorithm, digest
from telephony.sip.headers import Challenge
from tests.partners.sipp_phones import SippOwnCall, SippPhone
from tests.telephony.conftest import PASSWORD, Switchboard, account, running
from tests.telephony.parties import HOTLINE


async def answer_and_hang_up(incoming: IncomingCall) -> None:
    await incoming.phone.answer()
    await incoming.phone.hang_up()


class Desk:
    """A phone that is registered as 1001, and may call."""

    def __init__(self, board: Switchboard, phone: SippPhone) -> None:
        self.board, self._phone = board, phone

    async def calls(self, password: str = PASSWORD, credentials: str = "") -> SippOwnCall:
        """Play a whole call with these credentials at first, and that password when challenged."""
        call = SippOwnCall(("127.0.0.1", self.board.address.port), HOTLINE, "1001", password, ip=self._phone.ip,
                           port=self._phone.port, credentials=credentials)
        async with call:
            assert await call.ended() == 0
        return call


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with running() as board:
        board.book.replace([replace(account("1001"), ha1_sha256="")])
        board.serve = answer_and_hang_up
        async with SippPhone(("127.0.0.1", board.address.port), "1001", PASSWORD) as phone:
            assert await phone.ended() == 0
        yield Desk(board, phone)
        await board.leaves_nothing_behind()


def finals(call: SippOwnCall) -> list[int]:
    """How its INVITEs were answered in the end."""
    return [status for status in call.statuses if status >= 200]


def stale(call: SippOwnCall) -> bool:
    """Whether the first 407 says that the credentials were right and only the nonce was not."""
    return Challenge.parse(call.received(407)[0].header("Proxy-Authenticate")).param("stale") == "true"


async def test_the_right_password_calls_and_the_wrong_one_does_not(desk: Desk) -> None:
    assert finals(await desk.calls()) == [407, 200]
    refused = await desk.calls("guessed")
    assert (finals(refused), stale(refused)) == ([407, 407], False)
    assert len(desk.board.incoming) == 1


async def test_who_listens_in_on_a_call_cannot_make_another(desk: Desk) -> None:
    first = await desk.calls()
    signed = next(message.header("Proxy-Authorization") for message in first.messages
                  if message.sent and message.header("Proxy-Authorization"))
    replayed = await desk.calls(credentials=f"Proxy-Authorization: {signed}")
    assert (finals(replayed), stale(replayed)) == ([407, 200], True)
    heard_only = await desk.calls("guessed", credentials=f"Proxy-Authorization: {signed}")
    assert finals(heard_only) == [407, 407]
    assert len(desk.board.incoming) == 2


async def test_a_nonce_of_before_the_restart_is_stale_and_no_wrong_password(desk: Desk) -> None:
    nonce, uri = "dcd98b7102dd2f0e8b11d0f600bfb0c0", f"sip:{HOTLINE}@{desk.board.address}"
    response = digest(Algorithm.MD5, account("1001").ha1_md5, "INVITE", uri, nonce)
    old = f'Digest username="1001", realm="hotline", nonce="{nonce}", uri="{uri}", response="{response}"'
    call = await desk.calls(credentials=f"Proxy-Authorization: {old}")
    assert (finals(call), stale(call)) == ([407, 200], True)
