"""Telephones that we did not write, registered over TCP and TLS: rung on their own connection, SRTP, call waiting."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from calls.call import Call
from calls.phone import Phone
from telephony.leg import Leg
from telephony.sip.address import Address, Transport
from telephony.transport.tls import TlsFiles
from tests.partners.baresip_phone import BaresipPhone
from tests.partners.certificates import certificate
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.telephony.conftest import PASSWORD, Switchboard, account, running

MAKES: dict[str, type[BaresipPhone] | type[Pjsua2Phone]] = {"pjsua2": Pjsua2Phone, "baresip": BaresipPhone}
PATIENCE = 15.0


def ringing(board: Switchboard) -> asyncio.Task[Phone]:
    call = Call("call", "carrier", "4008001234", None, "main", datetime.now(UTC))
    return asyncio.create_task(board.telephony.ring("1001", call=call, shown=None, answer_within=PATIENCE))


def md5_alone(board: Switchboard) -> None:
    """baresip gives up where SHA-256 is offered."""
    board.book.replace([replace(account("1001"), ha1_sha256="")])


@pytest.mark.parametrize(("make", "over", "srtp"), [
    ("pjsua2", Transport.TCP, False), ("pjsua2", Transport.TLS, True),
    ("baresip", Transport.TCP, False), ("baresip", Transport.TLS, True),
])
async def test_a_telephone_is_rung_on_the_connection_that_it_registered_on(
    make: str, over: Transport, srtp: bool, tmp_path: Path
) -> None:
    tls = TlsFiles(*certificate(tmp_path, "hotline"))
    async with running(listen=(Address("127.0.0.1", 0, over),), tls=tls, secured=srtp) as board:
        md5_alone(board)
        server = ("127.0.0.1", board.telephony.port)
        phone = MAKES[make](user="1001", password=PASSWORD, registrar=server, over=over.lower(), srtp=srtp)
        async with phone:
            await phone.registered(PATIENCE)
            call = ringing(board)
            await phone.rings(PATIENCE)
            await phone.answer()
            leg = await call
            assert isinstance(leg, Leg)
            assert (leg.talking.keys is not None) == srtp
            await phone.hang_up()
            await leg.ended()
            assert board.telephony.counters["connections"] == 1
            await board.leaves_nothing_behind()


@pytest.mark.parametrize("make", MAKES)
async def test_a_second_call_waits_at_the_telephone_and_is_taken(make: str) -> None:
    async with running() as board:
        md5_alone(board)
        phone = MAKES[make](user="1001", password=PASSWORD, registrar=("127.0.0.1", board.telephony.port))
        async with phone:
            await phone.registered(PATIENCE)
            legs: list[Leg] = []
            for _ in range(2):
                call = ringing(board)
                await phone.rings(PATIENCE)
                await phone.answer()
                leg = await call
                assert isinstance(leg, Leg)
                legs.append(leg)
                await phone.connected(PATIENCE)
            assert [leg.hangup for leg in legs] == [None, None], "the first call is still there"
            for leg in legs:
                await leg.hang_up()
                await phone.ended(PATIENCE)
            await board.leaves_nothing_behind()
