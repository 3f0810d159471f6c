"""SIPp over TCP, and over TLS with socat in front of it: both are programs that we did not write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from telephony.sip.address import Address, Transport
from telephony.transport.tls import TlsFiles
from tests.partners.certificates import certificate
from tests.partners.process import until
from tests.partners.sipp import SippAgent, SippCaller
from tests.partners.sipp_phones import SippPhone
from tests.partners.tunnel import INSTALLED
from tests.telephony.conftest import PASSWORD, Switchboard, account, running
from tests.telephony.parties import nobodys_call
from tests.telephony.test_dialogs_sipp import HOTLINE, SLOW, serve


@dataclass
class Way:
    """An exchange that knows one transport, and how SIPp is told to use it."""

    board: Switchboard
    transport: Transport
    options: dict[str, Any]

    @property
    def server(self) -> tuple[str, int]:
        return "127.0.0.1", self.board.telephony.port


TUNNELLED = pytest.mark.skipif(not INSTALLED, reason="socat is not installed")


@pytest.fixture(params=[Transport.TCP, pytest.param(Transport.TLS, marks=TUNNELLED)])
async def way(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Way]:
    """Over TLS each side shows the same certificate and trusts no other."""
    transport: Transport = request.param
    shown = certificate(tmp_path, "hotline")
    listen, files = (Address("127.0.0.1", 0, transport),), TlsFiles(*shown, authorities=shown[0])
    options = {"tls": shown} if transport is Transport.TLS else {"over": "tcp"}
    async with running(listen=listen, tls=files, numbers=frozenset({HOTLINE, SLOW})) as board:
        board.serve = serve
        board.book.replace([replace(account("1001"), ha1_sha256="")])
        yield Way(board, transport, options)


@pytest.mark.parametrize(("scenario", "dialled"), [
    ("uac_answered", HOTLINE), ("uac_cancel_early", SLOW), ("uac_cancel", SLOW), ("uac_reinvite_hold", HOTLINE),
    ("uac_holds", HOTLINE), ("uac_update", HOTLINE), ("uac_late_offer", HOTLINE),
])
async def test_a_caller_plays_a_scenario_over_one_connection(way: Way, scenario: str, dialled: str) -> None:
    async with SippCaller(way.server, dialled, scenario=scenario, pause_ms=50, **way.options) as sipp:
        assert await sipp.ended(20) == 0
        answers = [message for message in sipp.messages if not message.sent]
    assert {answer.header("Via").split()[0] for answer in answers} == {f"SIP/2.0/{way.transport}"}
    contacts = {answer.header("Contact") for answer in answers} - {""}
    assert all(f";transport={way.transport.lower()}" in contact for contact in contacts)
    assert way.board.telephony.counters["connections"] == 1
    await way.board.leaves_nothing_behind()


async def test_a_phone_registers_and_is_gone_with_its_connection(way: Way) -> None:
    phones = way.board.telephony.phones
    told: list[list[Address | None]] = []
    phones.subscribe(lambda user, reachable: told.append([place.destination for place in phones.places(user)]))
    async with SippPhone(way.server, "1001", "guessed", outcome=401, **way.options) as phone:
        assert await phone.ended() == 0
    async with SippPhone(way.server, "1001", PASSWORD, **way.options) as phone:
        assert await phone.ended() == 0
        await until(lambda: len(told) == 2, what="the connection is closed")
    (connected,), gone = told
    assert connected is not None
    assert (connected.host, connected.transport, gone) == (phone.ip, way.transport, [])


async def test_a_phone_is_rung_and_hung_up(way: Way) -> None:
    async with SippAgent(ip="127.0.0.1", answer_after=0.05, **way.options) as sipp:
        phone = await way.board.telephony.ring(sipp.contact, call=nobodys_call(), shown=None)
        assert (await sipp.rings()).header("Via").startswith(f"SIP/2.0/{way.transport} ")
        await phone.hang_up()
        assert await sipp.ended() == 0
    await way.board.leaves_nothing_behind()
