"""Connections that do not stand yet: in a TLS handshake, or on the way to a WebSocket."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from telephony.sip.address import Address, Transport
from telephony.transport.connections import Limits
from telephony.transport.tls import TlsFiles
from tests.partners.certificates import certificate
from tests.partners.process import until
from tests.telephony.conftest import Switchboard, running
from tests.telephony.test_streams import closed, stream

KINDS = [Transport.TLS, Transport.WS, Transport.WSS]
CLIENT_HELLO = b"\x16\x03\x01\x02\x00"
"""How every TLS connection begins: a handshake record, the rest of which is to come."""
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: hotline\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)


@asynccontextmanager
async def listening(folder: Path, kind: Transport, limits: Limits | None = None) -> AsyncIterator[Switchboard]:
    files = TlsFiles(*certificate(folder, "first"))
    async with running(listen=(Address("127.0.0.1", 0, kind),), tls=files, limits=limits or Limits()) as board:
        yield board


@asynccontextmanager
async def secured(board: Switchboard) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A stranger who ends the TLS handshake."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", board.telephony.port, ssl=trusting, local_addr=("127.0.0.9", 0)
    )
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("kind", KINDS)
async def test_handshakes_count_until_they_are_over(tmp_path: Path, kind: Transport) -> None:
    async with listening(tmp_path, kind, Limits(per_source=2)) as board:
        counters = board.telephony.counters
        async with stream(board), stream(board):
            async with stream(board) as (third, _):
                assert await closed(third)
            assert counters["connections_refused"] == 1
            async with stream(board, "127.0.0.3") as (_, other):
                other.write(b"\r\n")
                assert counters["connections_refused"] == 1, "the limit is that of one host"
        connections = board.telephony.connections
        await until(lambda: connections.entered == 0, what="who has left counts no more")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sent", [b"", CLIENT_HELLO])
async def test_a_handshake_that_does_not_end_is_cut(tmp_path: Path, kind: Transport, sent: bytes) -> None:
    async with listening(tmp_path, kind, Limits(first=0.1)) as board, stream(board) as (reader, writer):
        writer.write(sent if kind is not Transport.WS else sent and UPGRADE[:30])
        assert await closed(reader)
        assert board.telephony.counters["cut_handshake"] == 1
        await until(lambda: board.telephony.connections.entered == 0)


async def test_a_tls_connection_that_never_becomes_a_websocket_is_cut(tmp_path: Path) -> None:
    limits = Limits(first=1.0)
    async with listening(tmp_path, Transport.WSS, limits) as board, secured(board) as (reader, writer):
        writer.write(UPGRADE[:30])
        assert await closed(reader)
        assert board.telephony.counters["cut_handshake"] == 1


@pytest.mark.parametrize(("kind", "sent"), [
    (Transport.TLS, b"GET / HTTP/1.1\r\nHost: hotline\r\n\r\n"),
    (Transport.TLS, b"REGISTER sip:hotline SIP/2.0\r\n\r\n"),
    (Transport.WS, b"REGISTER sip:hotline SIP/2.0\r\n\r\n"),
    (Transport.WS, CLIENT_HELLO + bytes(600)),
    (Transport.WSS, UPGRADE),
])
async def test_a_stranger_who_keeps_sending_garbage_into_handshakes_is_banned(
    tmp_path: Path, kind: Transport, sent: bytes
) -> None:
    async with listening(tmp_path, kind) as board:
        for _ in range(12):  # a point each, of which a little is forgiven meanwhile
            async with stream(board, "127.0.0.9") as (reader, writer):
                writer.write(sent)
                assert await closed(reader)
        await until(lambda: board.telephony.counters["bans"] == 1, what="a ban")


async def test_a_browser_that_asks_for_the_wrong_thing_is_no_offender(tmp_path: Path) -> None:
    async with listening(tmp_path, Transport.WS) as board:
        for _ in range(12):
            async with stream(board, "127.0.0.9") as (reader, writer):
                writer.write(b"GET / HTTP/1.1\r\nHost: hotline\r\nConnection: close\r\n\r\n")
                async with asyncio.timeout(5.0):
                    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        await until(lambda: board.telephony.connections.entered == 0)
        assert board.telephony.counters["bans"] == 0


async def test_a_websocket_stays_beyond_the_time_for_the_handshake(tmp_path: Path) -> None:
    async with listening(tmp_path, Transport.WSS, Limits(first=1.0)) as board, secured(board) as (reader, writer):
        writer.write(UPGRADE)
        async with asyncio.timeout(5.0):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        assert await closed(reader)
        counters = board.telephony.counters
        assert (counters["cut_silent"], counters["cut_handshake"]) == (1, 0), "it is cut as who says no SIP"
