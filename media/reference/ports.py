"""The sockets of the reference engine."""

from __future__ import annotations

import os
import random
import socket
from errno import EADDRINUSE

MAPPED = bytes(10) + b"\xff\xff"
"""How an address of IPv4 begins where one of IPv6 is written (RFC 4291 section 2.5.5.2)."""


def open_ports(address: str, low: int, high: int) -> tuple[socket.socket, socket.socket, int]:
    """Bind an even RTP port and the odd RTCP port above it, at random within the range (RFC 3550 section 11).

    Raises OSError when no pair is free or the address is not ours.
    """
    pairs = list(range(low + low % 2, high, 2))
    random.SystemRandom().shuffle(pairs)  # of a generator's numbers the next can be computed
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
    made = socket.socket(family(address), socket.SOCK_DGRAM)
    made.setblocking(False)
    try:
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # the same port of IPv4 is another leg's
        made.bind((address, port))
    except OSError as error:
        made.close()
        if error.errno != EADDRINUSE:
            raise
        return None
    return made


def family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def canonical(address: str, port: int) -> tuple[str, int]:
    """A transport address as the kernel writes it, so that texts can be compared: ``2001:db8::1`` however it was
    written, and IPv4 in the clothes of IPv6 (``::ffff:192.0.2.1``) as IPv4. Raises ValueError."""
    try:
        packed = socket.inet_pton(family(address), address)
    except OSError:
        raise ValueError(f"{address!r} is no address such as 192.0.2.10 or 2001:db8::10") from None
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port} is not in 0…65535")
    if packed.startswith(MAPPED) and len(packed) == 16:
        packed = packed[len(MAPPED):]
    return socket.inet_ntop(socket.AF_INET6 if len(packed) == 16 else socket.AF_INET, packed), port


def datagram_copy(fd: int, send_buffer: int) -> socket.socket:
    """The caller's datagram socket once more; ``send_buffer`` bytes wait in it at most, as SO_SNDBUF counts them.
    Raises ValueError for any other kind."""
    copy = socket.socket(fileno=os.dup(fd))
    if copy.type not in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        copy.close()
        raise ValueError("a tap needs a datagram socket (SOCK_DGRAM or SOCK_SEQPACKET), connected")
    copy.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    return copy
