"""A pjsua2 telephone that registers and is rung over TCP and over TLS."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from calls.call import Call
from telephony.sip.address import Address, Transport
from telephony.transport.tls import TlsFiles
from tests.partners.certificates import certificate
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.telephony.conftest import PASSWORD, running


@pytest.mark.parametrize("over", [Transport.TCP, Transport.TLS])
async def test_a_telephone_is_rung_on_the_connection_that_it_registered_on(over: Transport, tmp_path: Path) -> None:
    tls = TlsFiles(*certificate(tmp_path, "hotline"))
    async with running(listen=(Address("127.0.0.1", 0, over),), tls=tls) as board:
        phone = Pjsua2Phone(user="1001", password=PASSWORD, registrar=("127.0.0.1", board.telephony.port),
                            over=over.lower())
        async with phone:
            await phone.registered(15)
            call = Call("call", "carrier", "4008001234", None, "main", datetime.now(UTC))
            ringing = asyncio.create_task(board.telephony.ring("1001", call=call, shown=None))
            await phone.rings()
            await phone.answer()
            leg = await ringing
            await phone.hang_up()
            await leg.ended()
            assert board.telephony.counters["connections"] == 1
            await board.leaves_nothing_behind()
