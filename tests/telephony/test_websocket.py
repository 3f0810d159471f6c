"""SIP over WebSocket, spoken by aiohttp's client: what a browser's telephone does, message by message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest

from calls.call import Call
from calls.errors import CallFailed
from telephony.sip.address import Address, Transport
from telephony.sip.auth import ClientCredentials, answer_challenges
from telephony.sip.message import Request, Response, parse
from telephony.transport.connections import Limits
from tests.partners.process import until
from tests.telephony.conftest import PASSWORD, Switchboard, running
from tests.telephony.sip.network import a_request
from tests.telephony.softphone import Softphone

PATIENCE = 5.0
HOTLINE = "4008001234"
VIA = "SIP/2.0/WS df7jal23ls0d.invalid;rport;branch=z9hG4bK"
CONTACT = "<sip:1001@df7jal23ls0d.invalid;transport=ws>"


class Browser:
    """A telephone on one WebSocket; it has no address of its own."""

    def __init__(self, wire: aiohttp.ClientWebSocketResponse) -> None:
        self.wire = wire
        self._sequence = 0

    async def says(self, method: str, **headers: str) -> None:
        self._sequence += 1
        fields = {"Via": f"{VIA}{self._sequence}", "From": "<sip:1001@hotline>;tag=browser", "Contact": CONTACT,
                  "To": "<sip:1001@hotline>", "CSeq": f"{self._sequence} {method}", "target": "sip:hotline"}
        await self.wire.send_str(a_request(method, **fields | headers).decode())

    async def hears(self) -> Request | Response:
        return parse((await self.wire.receive_str(timeout=PATIENCE)).encode())

    async def answers(self, request: Request, status: str, body: str = "") -> None:
        """Repeat what every response repeats; no Content-Length, which a WebSocket does not need."""
        copied = [(name, value) for name, value in request.fields if name in ("Via", "From", "Call-ID", "CSeq")]
        lines = [f"SIP/2.0 {status}", *(f"{name}: {value}" for name, value in copied),
                 f"To: {request.get('To')};tag=browser", f"Contact: {CONTACT}", "Content-Type: application/sdp"]
        await self.wire.send_str("\r\n".join(lines) + "\r\n\r\n" + body)

    async def registers(self) -> None:
        await self.says("REGISTER", Call_ID="r")
        challenge = await self.hears()
        assert isinstance(challenge, Response)
        assert challenge.status == 401
        request = parse(a_request("REGISTER", target="sip:hotline"))
        assert isinstance(request, Request)
        ((name, value),) = answer_challenges(request, challenge, ClientCredentials("1001", PASSWORD), "cnonce")
        await self.says("REGISTER", Call_ID="r", **{name: value})
        granted = await self.hears()
        assert isinstance(granted, Response)
        assert granted.status == 200


@asynccontextmanager
async def browser(board: Switchboard) -> AsyncIterator[Browser]:
    url = f"ws://127.0.0.1:{board.telephony.port}/any/path"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=("sip",)) as wire:
        assert wire.protocol == "sip"
        yield Browser(wire)


@pytest.fixture
async def board() -> AsyncIterator[Switchboard]:
    async with running(listen=(Address("127.0.0.1", 0, Transport.WS),)) as board:
        yield board


async def test_a_browsers_telephone_is_rung_and_the_call_ends_with_its_page(board: Switchboard) -> None:
    async with browser(board) as phone, Softphone() as other:
        await phone.registers()
        call = Call("call", "carrier", HOTLINE, None, "main", datetime.now(UTC))
        ringing = asyncio.create_task(board.telephony.ring("1001", call=call, shown=None))
        invite = await phone.hears()
        assert isinstance(invite, Request)
        assert (invite.method, invite.via.transport) == ("INVITE", "WS")
        assert invite.target == "sip:1001@df7jal23ls0d.invalid;transport=ws"
        assert invite.contacts[0].uri.param("transport") == "ws"
        await phone.answers(invite, "200 OK", other.offer().decode())
        ack = await phone.hears()
        assert isinstance(ack, Request)
        assert ack.method == "ACK"
        leg = await ringing
        await leg.hang_up()
        bye = await phone.hears()
        assert isinstance(bye, Request)
        assert bye.method == "BYE"
        await phone.answers(bye, "200 OK")
        await board.leaves_nothing_behind()
    await until(lambda: not board.telephony.phones.reachable("1001"), what="a closed page is no telephone any more")


async def test_who_is_rung_while_the_page_is_closed_is_unreachable_at_once(board: Switchboard) -> None:
    async with browser(board) as phone:
        await phone.registers()
        call = Call("call", "carrier", HOTLINE, None, "main", datetime.now(UTC))
        ringing = asyncio.create_task(board.telephony.ring("1001", call=call, shown=None))
        await phone.hears()
    with pytest.raises(CallFailed) as failed:
        await ringing
    assert failed.value.status == 503


async def test_a_ping_gets_its_pong(board: Switchboard) -> None:
    async with browser(board) as phone:
        await phone.wire.send_str("\r\n\r\n")
        assert await phone.wire.receive_str(timeout=PATIENCE) == "\r\n"


async def test_only_the_subprotocol_sip_is_spoken(board: Switchboard) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"ws://127.0.0.1:{board.telephony.port}", protocols=("chat",))
        assert refused.value.status == 400


async def test_a_silent_socket_is_closed() -> None:
    listen = (Address("127.0.0.1", 0, Transport.WS),)
    async with running(listen=listen, limits=Limits(first=0.1)) as board, browser(board) as phone:
        message = await phone.wire.receive(timeout=PATIENCE)
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
        assert board.telephony.counters["cut_silent"] == 1
