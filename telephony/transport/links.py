"""From the list of listening addresses to bound sockets, and to the links that serve them."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from calls.errors import ConfigError
from telephony.sip.address import Address, Transport
from telephony.transport.connections import Connections
from telephony.transport.listening import bound
from telephony.transport.shell import Link
from telephony.transport.streams import Streams
from telephony.transport.tls import Tls
from telephony.transport.udp import Datagrams, bind
from telephony.transport.websocket import WebSockets

PORTS_TRIED = 10
"""What is free over UDP may be taken over TCP."""
Sockets = Mapping[Transport, Sequence[socket.socket]]


def bind_all(listen: Sequence[Address], buffer: int) -> tuple[tuple[Address, ...], Sockets]:
    """Bind every address; what they are now, and the sockets. Port 0 takes any free port the first time, and then that
    one; where that is taken elsewhere, another. Raises ConfigError when one cannot be had, and keeps none."""
    for _ in range(PORTS_TRIED if len(listen) > 1 and not any(at.port for at in listen) else 0):
        with suppress(ConfigError):
            return _bind_all(listen, buffer)
    return _bind_all(listen, buffer)


def _bind_all(listen: Sequence[Address], buffer: int) -> tuple[tuple[Address, ...], Sockets]:
    addresses: list[Address] = []
    sockets: dict[Transport, list[socket.socket]] = {}
    try:
        for wanted in listen:
            at = replace(wanted, port=wanted.port or (addresses[0].port if addresses else 0))
            sock = bound(at, socket.SOCK_STREAM) if at.transport.reliable else bind(at, buffer)
            sockets.setdefault(at.transport, []).append(sock)
            addresses.append(replace(at, port=sock.getsockname()[1]))
    except ConfigError:
        for sock in (each for many in sockets.values() for each in many):
            sock.close()
        raise
    return tuple(addresses), sockets


def links(sockets: Sockets, table: Connections, tls: Tls) -> list[Link]:
    """One for each kind of transport, to be opened by a shell. Raises ConfigError where TLS has no certificate."""
    return [
        Datagrams(sockets.get(Transport.UDP, ())), Streams(table, sockets, tls), WebSockets(table, sockets, tls),
    ]
