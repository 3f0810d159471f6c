"""Our own ends: sockets that are bound before anything is served, so that a port in use is said at the start."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from calls.errors import ConfigError
from telephony.sip.address import Address


def family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def bound(address: Address, kind: socket.SocketKind) -> socket.socket:
    """A bound, non-blocking socket. Raises ConfigError when the port is in use or the address is not ours."""
    sock = socket.socket(family(address.host), kind)
    try:
        sock.setblocking(False)
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the last run may linger
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a listening address of its own
        sock.bind((address.host, address.port))
    except OSError as error:
        sock.close()
        raise ConfigError(
            "[sip] listen",
            f"cannot listen on {address.transport} {address}: {error.strerror}",
            "stop the program that uses the port, or choose another",
        ) from error
    return sock


def fitting(sockets: Sequence[socket.socket], to: Address) -> socket.socket | None:
    """The one that ``to`` speaks to, or where that cannot be, the first that leads there."""
    wanted = family(to.host)
    if to.listener < len(sockets) and sockets[to.listener].family == wanted:
        return sockets[to.listener]
    return next((sock for sock in sockets if sock.family == wanted), None)
