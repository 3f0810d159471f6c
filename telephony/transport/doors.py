"""Where others connect to us. Whoever is let in counts from that moment on, handshakes included, until it leaves."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

from telephony.sip.address import Address, Transport
from telephony.transport.connections import Connections
from telephony.transport.shell import Shell

log = logging.getLogger(__name__)
BACKLOG = 256
PAUSE = 1.0
"""Seconds that we accept nobody for want of descriptors or memory."""
_NOT_TLS = frozenset({
    "BAD_RECORD_TYPE", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PACKET_LENGTH_TOO_LONG", "UNEXPECTED_MESSAGE",
    "UNKNOWN_PROTOCOL", "WRONG_VERSION_NUMBER",
})
"""What OpenSSL says where there is no ClientHello. Who knows too old a TLS, or does not trust our certificate, may be a
telephone that is set up wrongly."""


class Door:
    """Accepts connections on one listening socket; ``welcome`` makes the protocol of each, and calls ``leaves`` of the
    table when that is lost."""

    def __init__(
        self, table: Connections, shell: Shell, sock: socket.socket, kind: Transport, number: int,
        tls: ssl.SSLContext | None, welcome: Callable[[Address], asyncio.Protocol],
    ) -> None:
        """``number`` is that of the listening address."""
        self._table, self._shell, self._sock, self._kind, self._number = table, shell, sock, kind, number
        self._tls, self._welcome = tls, welcome
        sock.listen(BACKLOG)
        self._greeted: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept(), name=f"accepting {kind}")

    async def close(self) -> None:
        tasks = [self._accepting, *self._greeted]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sock.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, name = await loop.sock_accept(self._sock)
            except ConnectionAbortedError:
                continue  # gone before we looked
            except OSError as error:
                self._shell.counters["accept_failed"] += 1
                log.error("%s: nobody can connect: %s", self._kind, error.strerror)
                await asyncio.sleep(PAUSE)
                continue
            peer = Address(name[0], name[1], self._kind, self._number)
            if not self._table.enters(peer.host):
                sock.close()
                continue
            task = asyncio.create_task(self._greet(sock, peer), name=f"greeting {self._kind}")
            self._greeted.add(task)
            task.add_done_callback(self._greeted.discard)

    async def _greet(self, sock: socket.socket, peer: Address) -> None:
        patience = self._table.limits.first if self._tls is not None else None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._welcome(peer), sock, ssl=self._tls, ssl_handshake_timeout=patience
            )
        except OSError as error:  # ssl.SSLError is one; the loop has closed the socket
            self._table.leaves(peer.host)
            self._failed(peer, error)

    def _failed(self, peer: Address, error: OSError) -> None:
        """The handshake came to nothing. Slowness is no offence, for the line may be bad; what is no TLS at all is."""
        slow = isinstance(error, ConnectionAbortedError)  # asyncio's word for the end of its patience
        self._shell.counters["cut_handshake" if slow else "handshake_failed"] += 1
        if getattr(error, "reason", "") in _NOT_TLS:
            self._shell.malformed(peer, "no TLS")
            self._shell.flush()
