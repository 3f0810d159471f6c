"""The sockets of the reference engine."""

from __future__ import annotations

import os
import random
import socket
from errno import EADDRINUSE


def open_ports(address: str, low: int, high: int) -> tuple[socket.socket, socket.socket, int]:
    """Bind an even RTP port and the odd RTCP port above it, at random within the range (RFC 3550 section 11).

    Raises OSError when no pair is free or the address is not ours.
    """
    pairs = list(range(low + low % 2, high, 2))
    random.shuffle(pairs)
    for port in pairs:
        rtp = _bind(address, port)
        rtcp = None if rtp is None else _bind(address, port + 1)
        if rtp is not None and rtcp is not None:
            return rtp, rtcp, port
        if rtp is not None:
            rtp.close()
    raise OSError(EADDRINUSE, "RTP port range used up")


def _bind(address: str, port: int) -> socket.socket | None:
    """None when the port is taken."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    try:
        made.bind((address, port))
    except OSError as error:
        made.close()
        if error.errno != EADDRINUSE:
            raise
        return None
    return made


def datagram_copy(fd: int) -> socket.socket:
    """The caller's datagram socket once more. Raises ValueError for any other kind."""
    copy = socket.socket(fileno=os.dup(fd))
    if copy.type not in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        copy.close()
        raise ValueError("a tap needs a datagram socket (SOCK_DGRAM or SOCK_SEQPACKET), connected")
    return copy
