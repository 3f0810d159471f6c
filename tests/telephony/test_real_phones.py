"""Telephones that we did not write, registered over TCP and TLS: rung on their own connection, SRTP, call waiting."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from calls.call import Call
from calls.errors import CallFailed
from calls.phone import Phone
from telephony.leg import Leg
from telephony.sip.address import Address, Transport
from telephony.transport.tls import TlsFiles
from tests.partners.baresip_phone import BaresipPhone
from tests.partners.certificates import certificate
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.process import until
from tests.telephony.conftest import PASSWORD, Switchboard, account, running

MAKES: dict[str, type[BaresipPhone] | type[Pjsua2Phone]] = {"pjsua2": Pjsua2Phone, "baresip": BaresipPhone}
PATIENCE = 15.0


def ringing(board: Switchboard, within: float = PATIENCE) -> asyncio.Task[Phone]:
    call = Call("call", "carrier", "4008001234", None, "main", datetime.now(UTC))
    return asyncio.create_task(board.telephony.ring("1001", call=call, shown=None, answer_within=within))


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


@pytest.mark.parametrize("over", [Transport.UDP, Transport.TCP])
async def test_a_telephone_that_sleeps_is_not_rung_until_it_wakes_up(over: Transport) -> None:
    async with running(listen=(Address("127.0.0.1", 0, over),), ask_phones=0.3) as board:
        md5_alone(board)
        phones, server = board.telephony.phones, ("127.0.0.1", board.telephony.port)
        told: list[bool] = []
        phones.subscribe(lambda user, reachable: told.append(reachable))
        async with BaresipPhone(user="1001", password=PASSWORD, registrar=server, over=over.lower()) as phone:
            await phone.registered(PATIENCE)
            await until(lambda: board.telephony.counters["phones_answered"] > 0, PATIENCE, "an answer to OPTIONS")
            phone.falls_asleep()
            await until(lambda: not phones.reachable("1001"), PATIENCE, "nobody is there")
            with pytest.raises(CallFailed) as failed:
                await ringing(board)
            assert failed.value.status == 480
            phone.wakes_up()
            await until(lambda: phones.reachable("1001"), PATIENCE, "somebody is there again")
            call = ringing(board)
            await phone.rings(PATIENCE)
            await phone.answer()
            await (await call).hang_up()
        assert told[:3] == [True, False, True]
        await board.leaves_nothing_behind()


@pytest.mark.parametrize(("within", "reason"), [(PATIENCE, "no response at all"), (0.5, "nobody answered")])
async def test_a_telephone_that_falls_asleep_before_it_is_rung_is_given_up_soon_and_not_rung_again(
    within: float, reason: str
) -> None:
    async with running() as board:  # no question is asked as yet
        md5_alone(board)
        phones, server = board.telephony.phones, ("127.0.0.1", board.telephony.port)
        async with BaresipPhone(user="1001", password=PASSWORD, registrar=server) as phone:
            await phone.registered(PATIENCE)
            phone.falls_asleep()
            with pytest.raises(CallFailed) as failed:
                await ringing(board, within)
            assert failed.value.reason == reason
            assert not phones.reachable("1001")
            phone.wakes_up()
            await until(lambda: phones.reachable("1001"), PATIENCE, "an answer to OPTIONS, sent at once")
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
