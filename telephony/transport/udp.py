"""SIP over UDP.

The sockets are read here and not by asyncio transports, because only so the kernel can be asked which datagram an ICMP
error was about: a phone whose program is gone then fails at once and not after the ringing time.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import time
from collections.abc import Sequence
from functools import lru_cache

from telephony.sip.address import Address, Transport
from telephony.transport.listening import bound, fitting
from telephony.transport.shell import Shell

BATCH = 64
"""Datagrams that are read before other work has its turn."""
MAX_DATAGRAM = 65_535
_IP_RECVERR = (socket.IPPROTO_IP, 11)  # linux/in.h; the socket module has no name for it
_IPV6_RECVERR = (socket.IPPROTO_IPV6, 25)
_TIMESTAMP = (socket.SOL_SOCKET, 35)  # asm-generic/socket.h: SO_TIMESTAMPNS, a struct timespec with each datagram
_TIMESPEC = struct.Struct("@qq")
_CONTROL = socket.CMSG_SPACE(_TIMESPEC.size)


def bind(address: Address, buffer: int) -> socket.socket:
    """A bound, non-blocking UDP socket. Raises ConfigError when the port is in use or the address is not ours."""
    sock = bound(address, socket.SOCK_DGRAM)
    # A burst of calls must fit while Python is busy elsewhere; the kernel grants up to net.core.[rw]mem_max.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    sock.setsockopt(*_TIMESTAMP, 1)
    sock.setsockopt(*(_IPV6_RECVERR if sock.family == socket.AF_INET6 else _IP_RECVERR), 1)
    return sock


class Datagrams:
    """All UDP sockets. ``Address.listener`` counts them."""

    transports = frozenset({Transport.UDP})

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._sockets = list(sockets)
        self._polls: list[select.epoll] = []
        self._emptied = [0.0] * len(self._sockets)
        """Processor time that we had used when each socket was read to its end last."""

    async def open(self, shell: Shell) -> None:
        self._shell = shell
        for number, sock in enumerate(self._sockets):
            # libuv stops to watch a descriptor that has an error waiting. An epoll around it is merely readable then.
            poll = select.epoll()
            poll.register(sock, select.EPOLLIN)
            self._polls.append(poll)
            asyncio.get_running_loop().add_reader(poll.fileno(), self._readable, sock, number)

    async def close(self) -> None:
        for poll in self._polls:
            asyncio.get_running_loop().remove_reader(poll.fileno())
            poll.close()
        for sock in self._sockets:
            sock.close()
        self._sockets, self._polls = [], []

    def send(self, data: bytes, to: Address) -> None:
        sock = fitting(self._sockets, to)
        try:
            if sock is None:
                raise OSError("no socket of this family")
            self._transmit(sock, data, to)
        except OSError:
            # No room in the socket's buffer, or no way there: the transaction's timers repeat or give up.
            self._shell.counters["send_failed"] += 1

    def _transmit(self, sock: socket.socket, data: bytes, to: Address) -> None:
        try:
            sock.sendto(data, (to.host, to.port))
        except ConnectionRefusedError:
            # The socket reports an earlier datagram's error, once; this one has not been sent yet.
            sock.sendto(data, (to.host, to.port))

    def _readable(self, sock: socket.socket, number: int) -> None:
        shell = self._shell
        for count in range(BATCH):
            try:
                if count == 0:
                    data, control, _, source = sock.recvmsg(MAX_DATAGRAM, _CONTROL)
                    shell.reading(number, self._waited(number, control))
                else:
                    data, source = sock.recvfrom(MAX_DATAGRAM)
            except BlockingIOError:
                if count == 0:  # woken without a datagram: there is an error to be read
                    self._read_errors(sock, number)
                self._emptied[number] = time.thread_time()
                break
            except OSError:
                self._read_errors(sock, number)
                continue
            shell.counters["datagrams_in"] += 1
            shell.received(data, _address(source[0], source[1], number))
        shell.read()
        shell.flush()

    def _read_errors(self, sock: socket.socket, number: int) -> None:
        """Tell the endpoint which destinations the network refused (RFC 3261 section 8.1.3.1)."""
        for _ in range(BATCH):
            try:
                _, _, _, refused = sock.recvmsg(0, 0, socket.MSG_ERRQUEUE)
            except OSError:
                return
            self._shell.counters["icmp_errors"] += 1
            self._shell.unreachable(_address(refused[0], refused[1], number))

    def _waited(self, number: int, control: Sequence[tuple[int, int, bytes]]) -> float:
        """Seconds that a message has waited for us. Of the time since it came, which the kernel wrote on it, only what
        we were at work counts: while the machine runs others, refusing calls would make nobody wait less."""
        return min(_age(control), time.thread_time() - self._emptied[number])


@lru_cache(maxsize=16_384)
def _address(host: str, port: int, number: int) -> Address:
    """The far side's; those who send once send again."""
    return Address(host, port, Transport.UDP, number)


def _age(control: Sequence[tuple[int, int, bytes]]) -> float:
    """Seconds since a datagram came; below 0 where somebody has set the machine's clock back meanwhile."""
    for level, kind, stamp in control:
        if (level, kind) == _TIMESTAMP and len(stamp) == _TIMESPEC.size:
            seconds, nanoseconds = _TIMESPEC.unpack(stamp)
            return time.time() - float(seconds + nanoseconds / 1e9)
    return 0.0
