"""SIPp, which we did not write, registers: with the right password and the wrong one, and with credentials that were
good once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from telephony.sip.auth import Algorithm, digest
from telephony.sip.headers import Challenge
from tests.partners.sipp import SippPhone
from tests.telephony.conftest import PASSWORD, Switchboard, account


@pytest.fixture(autouse=True)
def md5_alone(switchboard: Switchboard) -> None:
    """SIPp gives up where SHA-256 is offered: its account has one hash, and so it is offered that one (RFC 8760)."""
    switchboard.book.replace([replace(account("1001"), ha1_sha256="")])


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
