"""SIP over TCP and TLS (RFC 3261 section 18): connections that others open, and those that we open on demand."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from telephony.sip.address import Address, Transport
from telephony.sip.framing import PONG, Framing, Garbage, Ping, Whole
from telephony.transport.connections import Connections
from telephony.transport.doors import Door
from telephony.transport.listening import fitting
from telephony.transport.shell import Shell
from telephony.transport.tls import Tls

log = logging.getLogger(__name__)
WAITING = 64
"""Messages that may wait for a connection that is being opened."""


class Connection(asyncio.Protocol):
    """One stream. Its far side must speak SIP soon, end what it begins, and read what it is sent."""

    def __init__(self, table: Connections, shell: Shell, peer: Address, *, asked: bool) -> None:
        """``asked``: it is us who connect."""
        self._table, self._shell, self.peer, self._asked = table, shell, peer, asked
        self._framing = Framing()
        self._wire: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._spoke = False
        self._since = self._heard_at = self._partial_since = self._stalled_since = 0.0

    # -- asyncio's side --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)  # uvloop's transports are like one, and derive from none
        if self._asked:
            self._table.enters(self.peer.host, asked=True)
        self._since = self._heard_at = self._shell.now()
        self._table.add(self.peer, self)
        self._shell.counters["connections"] += 1
        self._watch()

    def data_received(self, data: bytes) -> None:
        if self._wire is None:
            return
        self._heard_at = self._shell.now()
        for frame in self._framing.feed(data):
            match frame:
                case Whole(data=message):
                    self._spoke = True
                    self._shell.received(message, self.peer)
                case Ping():
                    self.send(PONG)
                case Garbage(problem=problem):
                    self._cut("garbage", problem)
        self._note_partial()
        self._shell.flush()

    def _note_partial(self) -> None:
        if not self._framing.partial:
            self._partial_since = 0.0
        elif not self._partial_since:
            self._partial_since = self._heard_at
            self._watch()

    def pause_writing(self) -> None:
        self._stalled_since = self._shell.now()
        self._watch()

    def resume_writing(self) -> None:
        self._stalled_since = 0.0

    def connection_lost(self, error: Exception | None) -> None:
        self._wire = None
        if self._timer is not None:
            self._timer.cancel()
        self._table.leaves(self.peer.host)
        if self._table.remove(self.peer, self):
            self._shell.disconnected(self.peer)
            self._shell.flush()

    # -- our side --------------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        if self._wire is None or self._wire.is_closing():
            return
        self._wire.write(data)
        if self._wire.get_write_buffer_size() > self._table.limits.unsent:
            self._cut("slow", "leaves too much unread")

    def abort(self) -> None:
        if self._wire is not None:
            self._wire.abort()

    def _cut(self, counter: str, problem: str) -> None:
        self._shell.counters[f"cut_{counter}"] += 1
        log.info("%s connection with %s cut: %s", self.peer.transport, self.peer, problem)
        self.abort()
        if counter in ("garbage", "half_message"):
            self._shell.malformed(self.peer, problem)

    def _dues(self) -> list[tuple[float, str, str]]:
        """When it is to be cut, as what, and why, unless something happens before."""
        limits, dues = self._table.limits, []
        if not self._spoke and not self._asked:
            dues.append((self._since + limits.first, "silent", "says nothing that is SIP"))
        if self._partial_since:
            dues.append((self._partial_since + limits.partial, "half_message", "a message was not ended"))
        if self._stalled_since:
            dues.append((self._stalled_since + limits.stalled, "slow", "does not read"))
        dues.append((self._heard_at + limits.idle, "idle", "idle"))
        return dues

    def _watch(self) -> None:
        """Look again when the earliest limit is reached."""
        if self._timer is not None:
            self._timer.cancel()
        wait = min(self._dues())[0] - self._shell.now()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, wait), self._look)

    def _look(self) -> None:
        self._timer = None
        due, counter, problem = min(self._dues())
        if self._shell.now() < due:
            self._watch()
        elif counter == "idle" and self._table.needed(self.peer):
            self._heard_at = self._shell.now()
            self._watch()
        else:
            self._cut(counter, problem)
            self._shell.flush()


@dataclass(slots=True)
class _Opening:
    """A connection that is being opened, and what waits for it."""

    task: asyncio.Task[None]
    waiting: list[bytes]


class Streams:
    """TCP and TLS. ``listening`` are bound sockets by transport."""

    transports = frozenset({Transport.TCP, Transport.TLS})

    def __init__(self, table: Connections, listening: Mapping[Transport, Sequence[socket.socket]], tls: Tls) -> None:
        self._table, self._tls = table, tls
        self._sockets = {kind: listening.get(kind, ()) for kind in (Transport.TCP, Transport.TLS)}
        self._doors: list[Door] = []
        self._opening: dict[Address, _Opening] = {}

    async def open(self, shell: Shell) -> None:
        self._shell = shell
        for kind, sockets in self._sockets.items():
            for number, sock in enumerate(sockets):
                self._doors.append(self._serve(kind, number, sock))

    def _serve(self, kind: Transport, number: int, sock: socket.socket) -> Door:
        def welcome(peer: Address) -> Connection:
            return Connection(self._table, self._shell, peer, asked=False)

        tls = self._tls.server() if kind is Transport.TLS else None
        return Door(self._table, self._shell, sock, kind, number, tls, welcome)

    async def close(self) -> None:
        for door in self._doors:
            await door.close()
        tasks = [opening.task for opening in self._opening.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def send(self, data: bytes, to: Address) -> None:
        """On the open connection with ``to``, or on one that is opened for it."""
        if standing := self._table.find(to):
            standing.send(data)
            return
        opening = self._opening.get(to.place)
        if opening is None:
            task = asyncio.create_task(self._connect(to), name=f"connecting to {to}")
            opening = self._opening[to.place] = _Opening(task, [])
        if len(opening.waiting) < WAITING:
            opening.waiting.append(data)

    async def _connect(self, to: Address) -> None:
        try:
            async with asyncio.timeout(self._table.limits.connect):
                _, connection = await self._dial(to)
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            self._shell.counters["connect_failed"] += 1
            log.info("no %s connection with %s: %s", to.transport, to, error or "no answer")
            del self._opening[to.place]
            self._shell.unreachable(to)
            self._shell.flush()
        else:
            for data in self._opening.pop(to.place).waiting:
                connection.send(data)

    async def _dial(self, to: Address) -> tuple[asyncio.BaseTransport, Connection]:
        secure: ssl.SSLContext | None = self._tls.client() if to.transport is Transport.TLS else None
        ours = fitting(self._sockets[to.transport], to) or fitting(self._sockets[Transport.TCP], to)
        return await asyncio.get_running_loop().create_connection(
            lambda: Connection(self._table, self._shell, to, asked=True), to.host, to.port,
            ssl=secure, server_hostname=(to.name or to.host) if secure else None,
            local_addr=(ours.getsockname()[0], 0) if ours is not None else None,
        )
