"""SIP over WebSocket (RFC 7118), for telephones in browsers. Each WebSocket message is one SIP message."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from typing import cast

from aiohttp import WSMsgType, web

from telephony.sip.address import Address, Transport
from telephony.sip.framing import PING, PONG
from telephony.sip.message import MAX_MESSAGE
from telephony.transport.connections import Connections
from telephony.transport.doors import Door
from telephony.transport.shell import Shell
from telephony.transport.tls import Tls

log = logging.getLogger(__name__)
HEARTBEAT = 30.0
"""Seconds between pings; a browser that answers none within half of it is gone (RFC 7118 section 6)."""


class Socket:
    """One WebSocket. What is sent waits in a queue of bounded size: the far side must read it."""

    def __init__(self, table: Connections, shell: Shell, wire: web.WebSocketResponse, peer: Address) -> None:
        self._table, self._shell, self._wire, self.peer = table, shell, wire, peer
        self._unsent: asyncio.Queue[bytes] = asyncio.Queue()
        self._waiting = 0
        self._spoke = False
        self._task = asyncio.current_task()

    async def serve(self) -> None:
        """Until it is closed, by either side."""
        self._table.add(self.peer, self)
        self._shell.counters["connections"] += 1
        writer = asyncio.create_task(self._write(), name=f"WebSocket {self.peer}")
        try:
            await self._read()
        except TimeoutError:
            self._cut("silent" if not self._spoke else "idle")
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            if self._table.remove(self.peer, self):
                self._shell.disconnected(self.peer)
                self._shell.flush()

    async def _read(self) -> None:
        limits = self._table.limits
        while True:
            try:
                message = await self._wire.receive(timeout=limits.idle if self._spoke else limits.first)
            except TimeoutError:
                if self._spoke and self._table.needed(self.peer):
                    continue
                raise
            match message.type:
                case WSMsgType.TEXT:
                    self._take(message.data.encode("utf-8", "surrogateescape"))
                case WSMsgType.BINARY:
                    self._take(message.data)
                case _:
                    return

    def _take(self, data: bytes) -> None:
        if data == PING:
            self.send(PONG)
            return
        self._spoke = True
        self._shell.received(data, self.peer)
        self._shell.flush()

    def send(self, data: bytes) -> None:
        self._waiting += len(data)
        if self._waiting > self._table.limits.unsent:
            self._cut("slow")
        else:
            self._unsent.put_nowait(data)

    async def _write(self) -> None:
        try:
            while True:
                data = await self._unsent.get()
                async with asyncio.timeout(self._table.limits.stalled):
                    await self._send(data)
                self._waiting -= len(data)
        except TimeoutError:
            self._cut("slow")
        except ConnectionError:
            self.abort()  # closed meanwhile; the reader hears of it too

    async def _send(self, data: bytes) -> None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            await self._wire.send_bytes(data)
        else:
            await self._wire.send_str(text)

    def _cut(self, counter: str) -> None:
        self._shell.counters[f"cut_{counter}"] += 1
        log.info("%s connection with %s cut: %s", self.peer.transport, self.peer, counter)
        self.abort()

    def abort(self) -> None:
        if self._task is not None:
            self._task.cancel()


class Visitor(asyncio.Protocol):
    """HTTP, until it has become a WebSocket, for which there is little time; aiohttp's ``handler`` does the talking."""

    def __init__(self, table: Connections, shell: Shell, handler: web.RequestHandler, peer: Address) -> None:
        self._table, self._shell, self._handler, self.peer = table, shell, handler, peer
        self._spoke = self._understood = False

    # -- asyncio's side --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)  # uvloop's transports are like one, and derive from none
        self._patience = asyncio.get_running_loop().call_later(self._table.limits.first, self._too_late)
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._spoke = True
        self._handler.data_received(data)

    def eof_received(self) -> None:
        self._handler.eof_received()

    def pause_writing(self) -> None:
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        self._handler.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._patience.cancel()
        self._handler.connection_lost(error)
        self._table.leaves(self.peer.host)
        if self._spoke and not self._understood:
            self._shell.malformed(self.peer, "no request for a WebSocket")
            self._shell.flush()

    # -- our side --------------------------------------------------------------------------------------------------

    def understood(self) -> None:
        """It has asked for something in HTTP: for the wrong thing, maybe, but as a browser would."""
        self._understood = True

    def upgraded(self) -> None:
        """It is a WebSocket now, and looked after as such."""
        self._patience.cancel()

    def _too_late(self) -> None:
        self._shell.counters["cut_handshake"] += 1
        log.info("%s connection with %s cut: it does not become a WebSocket", self.peer.transport, self.peer)
        self._wire.abort()


class WebSockets:
    """Listening addresses for ws and wss; nobody is connected to from here."""

    transports = frozenset({Transport.WS, Transport.WSS})

    def __init__(self, table: Connections, listening: Mapping[Transport, Sequence[socket.socket]], tls: Tls) -> None:
        self._table, self._tls = table, tls
        self._sockets = {kind: listening.get(kind, ()) for kind in (Transport.WS, Transport.WSS)}
        self._runners: list[web.AppRunner] = []
        self._doors: list[Door] = []

    async def open(self, shell: Shell) -> None:
        self._shell = shell
        for kind, sockets in self._sockets.items():
            for number, sock in enumerate(sockets):
                await self._serve(kind, number, sock)

    async def _serve(self, kind: Transport, number: int, sock: socket.socket) -> None:
        def welcome(peer: Address) -> Visitor:
            assert runner.server is not None
            return Visitor(self._table, self._shell, runner.server(), peer)

        app = web.Application()
        app.router.add_get("/{path:.*}", self._upgrade)  # browsers' telephones are configured with all kinds of paths
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        self._runners.append(runner)
        await runner.setup()
        tls = self._tls.server() if kind is Transport.WSS else None
        self._doors.append(Door(self._table, self._shell, sock, kind, number, tls, welcome))

    async def _upgrade(self, request: web.Request) -> web.StreamResponse:
        if request.transport is None:
            raise web.HTTPBadRequest  # it is gone already: nobody hears that
        visitor = cast(Visitor, request.transport.get_protocol())
        visitor.understood()
        wanted = request.headers.get("Sec-WebSocket-Protocol", "")
        if "sip" not in (each.strip().lower() for each in wanted.split(",")):
            return web.Response(status=400, text="The WebSocket subprotocol must be sip (RFC 7118 section 4.1).\n")
        wire = web.WebSocketResponse(protocols=("sip",), max_msg_size=MAX_MESSAGE, heartbeat=HEARTBEAT, compress=False)
        await wire.prepare(request)
        visitor.upgraded()
        await Socket(self._table, self._shell, wire, visitor.peer).serve()
        return wire

    def send(self, data: bytes, to: Address) -> None:
        """On the open connection; a browser cannot be connected to, so without one nobody is there."""
        if standing := self._table.find(to):
            standing.send(data)
        else:
            asyncio.get_running_loop().call_soon(self._gone, to)

    def _gone(self, to: Address) -> None:
        self._shell.unreachable(to)
        self._shell.flush()

    async def close(self) -> None:
        for door in self._doors:
            await door.close()
        self._table.close_all()
        for runner in self._runners:
            await runner.cleanup()
