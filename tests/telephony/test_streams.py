"""Connections: what is served on them, and who is cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from telephony.sip.address import Address, Transport
from telephony.sip.defence import Ban
from telephony.sip.events import Acknowledged, Answered, Ended, Invited
from telephony.sip.headers import NameAddr
from telephony.sip.message import Request, parse
from telephony.sip.offences import Offence
from telephony.sip.uri import Uri
from telephony.transport.connections import Limits
from tests.partners.process import until
from tests.telephony.conftest import PASSWORD, Switchboard, running
from tests.telephony.sip.network import a_request
from tests.telephony.softphone import Softphone

TCP = Transport.TCP
BOTH = (Address("127.0.0.1", 0), Address("127.0.0.1", 0, TCP))
HOTLINE = "4008001234"
PATIENCE = 5.0


@asynccontextmanager
async def listening(**limits: Any) -> AsyncIterator[Switchboard]:
    async with running(listen=BOTH, limits=Limits(**limits)) as board:
        yield board


@asynccontextmanager
async def stream(board: Switchboard, ip: str = "127.0.0.2") -> AsyncIterator[tuple[asyncio.StreamReader, Any]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", board.telephony.port, local_addr=(ip, 0))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def closed(reader: asyncio.StreamReader) -> bool:
    """Wait for the end of the stream."""
    try:
        async with asyncio.timeout(PATIENCE):
            while await reader.read(65536):
                pass
    except ConnectionResetError:
        pass
    return True


def options(branch: str = "a", **headers: str) -> bytes:
    via = f"SIP/2.0/TCP 127.0.0.2:5060;branch=z9hG4bK{branch}"
    return a_request("OPTIONS", Via=via, target=f"sip:{HOTLINE}@127.0.0.1", Call_ID=branch, **headers)


async def test_responses_come_back_on_the_connection_and_a_ping_gets_its_pong() -> None:
    async with listening() as board, stream(board) as (reader, writer):
        writer.write(b"\r\n\r\n" + options("a")[:20])
        async with asyncio.timeout(PATIENCE):
            assert await reader.readexactly(2) == b"\r\n"
            writer.write(options("a")[20:] + options("b"))
            for branch in "ab":
                answer = parse(await reader.readuntil(b"\r\n\r\n"))
                assert answer.call_id == branch
                assert not isinstance(answer, Request)
                assert answer.status == 200
        await board.leaves_nothing_behind()


@pytest.mark.parametrize(("sent", "limits", "counter"), [
    (b"GET / HTTP/1.1\r\nHost: hotline\r\n\r\n", {}, "cut_garbage"),
    (options() + b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 1000000\r\n\r\n", {}, "cut_garbage"),
    (options()[:100], {"partial": 0.1}, "cut_half_message"),
    (b"\r\n\r\n", {"first": 0.1}, "cut_silent"),
    (options(), {"idle": 0.1}, "cut_idle"),
])
async def test_who_does_not_speak_sip_is_cut(sent: bytes, limits: dict[str, float], counter: str) -> None:
    async with listening(**limits) as board, stream(board) as (reader, writer):
        writer.write(sent)
        assert await closed(reader)
        assert {name for name in board.telephony.counters if name.startswith("cut_")} == {counter}


@pytest.mark.parametrize(("sent", "limits"), [
    (b"GET / HTTP/1.1\r\nHost: hotline\r\n\r\n", {}), (options()[:100], {"partial": 0.05}),
])
async def test_a_stranger_who_keeps_sending_what_is_no_sip_is_banned(sent: bytes, limits: dict[str, float]) -> None:
    async with listening(**limits) as board:
        for _ in range(12):  # a point each, of which a little is forgiven meanwhile
            async with stream(board, "127.0.0.9") as (reader, writer):
                writer.write(sent)
                assert await closed(reader)
        await until(lambda: board.telephony.counters["bans"] == 1, what="a ban")


async def test_who_is_banned_is_closed_at_once_and_his_neighbour_is_served() -> None:
    async with listening() as board:
        counters, defence = board.telephony.counters, board.telephony.guarding.defence
        async with stream(board, "127.0.0.9") as (reader, _):
            await until(lambda: counters["connections"] == 1)
            defence.load([Ban("127.0.0.9", Offence.MALFORMED, 1, 0.0, float("inf"))])
        async with stream(board, "127.0.0.9") as (reader, _):
            assert await closed(reader)
        assert (counters["connections"], counters["connections_banned"]) == (1, 1)
        async with stream(board) as (reader, writer):
            writer.write(options())
            async with asyncio.timeout(PATIENCE):
                assert await reader.readuntil(b"\r\n\r\n")
        defence.lift("127.0.0.9")
        async with stream(board, "127.0.0.9"):
            await until(lambda: counters["connections"] == 3)
        await until(lambda: board.telephony.connections.entered == 0, what="who has left counts no more")


async def test_who_does_not_read_is_cut_and_the_others_are_served() -> None:
    async with listening(unsent=65536) as board, stream(board) as (_, writer):
        writer.transport.pause_reading()
        long = f"<sip:eve@127.0.0.9>;tag=eve;long={'x' * 12_000}"  # comes back in every response
        number = 0
        async with asyncio.timeout(4 * PATIENCE):
            while not board.telephony.counters["cut_slow"]:
                number += 1
                writer.write(options(f"n{number}", From=long))
                await asyncio.sleep(0)
        async with stream(board) as (reader, other):
            other.write(options("other"))
            async with asyncio.timeout(PATIENCE):
                assert b"SIP/2.0 200 OK" in await reader.readuntil(b"\r\n\r\n")


async def test_one_source_has_so_many_connections_and_no_more() -> None:
    async with listening(per_source=2) as board, stream(board), stream(board) as (reader, writer):
        async with stream(board) as (third, _):
            assert await closed(third)
        async with stream(board, "127.0.0.3"):
            writer.write(options())
            async with asyncio.timeout(PATIENCE):
                assert await reader.readuntil(b"\r\n\r\n")
        assert board.telephony.counters["connections_refused"] == 1


async def test_a_call_over_tcp_has_one_connection_for_both_directions() -> None:
    async with listening() as board, Softphone(over=(TCP,)) as phone:
        at = Address("127.0.0.1", board.telephony.port, TCP)
        phone.calls(HOTLINE, at)
        await phone.sees(Answered)
        await until(lambda: bool(board.telephony.office.legs))
        await board.incoming[0].phone.hang_up()
        await phone.sees(Ended)
        assert len(phone.connections) == 1
        assert board.telephony.counters["connections"] == 1, "their request and ours share one connection"
        await board.leaves_nothing_behind()


async def test_a_call_outlives_its_connection() -> None:
    async with listening() as board, Softphone(over=(TCP,)) as phone:
        phone.calls(HOTLINE, Address("127.0.0.1", board.telephony.port, TCP))
        await phone.sees(Answered)
        phone.connections.close_all()
        await until(lambda: not len(phone.connections))
        assert board.telephony.office.legs, "the call goes on"
        await board.incoming[0].phone.hang_up()
        await phone.sees(Ended)
        assert phone.counters["connections"] == 2, "the BYE came by a connection to where its Contact says"
        await board.leaves_nothing_behind()


async def test_the_connection_of_a_registered_phone_stays_however_idle() -> None:
    async with listening(idle=0.1) as board, Softphone("127.0.0.5", "1001", over=(TCP,)) as phone:
        phones = board.telephony.phones
        phone.registers(Address("127.0.0.1", board.telephony.port, TCP), PASSWORD)
        await until(lambda: phones.reachable("1001"))
        await asyncio.sleep(0.3)
        assert len(phone.connections) == 1
        phone.registers(Address("127.0.0.1", board.telephony.port, TCP), PASSWORD, expires=0)
        await until(lambda: not phones.reachable("1001"))
        await until(lambda: not len(phone.connections), what="nobody needs the connection any more")


@pytest.mark.parametrize(("over", "by"), [((Transport.UDP, TCP), "TCP"), ((Transport.UDP,), "UDP")])
async def test_a_large_invite_goes_over_tcp_where_it_can(over: tuple[Transport, ...], by: str) -> None:
    async with listening() as board, Softphone("127.0.0.5", over=over) as phone:
        endpoint, sip = board.telephony.office.sip.endpoint, board.telephony.office.sip
        large = [("Subject", "x" * 1300)]
        target = Uri.parse(phone.uri)
        endpoint.invite(target, phone.address, from_=NameAddr.parse("<sip:a@127.0.0.1>"), body=phone.offer(),
                        headers=large, now=sip.now())
        sip.flush()
        invited = await phone.sees(Invited)
        assert (invited.source.transport, invited.request.via.transport) == (by, by)
        phone.answers(invited.call, invited.request.body)
        await phone.sees(Acknowledged)
        phone.hangs_up(invited.call)
        await board.leaves_nothing_behind()
