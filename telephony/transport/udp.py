"""SIP over UDP on asyncio: receive, feed, send what came out, hand on the events, re-arm one timer.

The socket is read here and not by an asyncio transport, because only so the kernel can be asked which datagram an
ICMP error was about: a phone whose program is gone then fails at once and not after the ringing time.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from calls.clock import Clock
from calls.errors import ConfigError
from telephony.faults import describe
from telephony.sip.address import Address
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Invited, Reinvited, Requested, SipEvent

log = logging.getLogger(__name__)
BATCH = 64
"""Datagrams that are read before other work has its turn."""
MAX_DATAGRAM = 65_535
_IP_RECVERR = (socket.IPPROTO_IP, 11)  # linux/in.h; the socket module has no name for it
_IPV6_RECVERR = (socket.IPPROTO_IPV6, 25)


class Timed(Protocol):
    """Something that wants to be woken."""

    def deadline(self) -> float | None: ...
    def tick(self, now: float) -> None: ...


def bind(host: str, port: int, buffer: int) -> socket.socket:
    """A bound, non-blocking UDP socket. Raises ConfigError when the port is in use or the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        # A burst of calls must fit while Python is busy elsewhere; the kernel grants up to net.core.[rw]mem_max.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        sock.setsockopt(*(_IPV6_RECVERR if ":" in host else _IP_RECVERR), 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise ConfigError(
            "[sip] host, port",
            f"cannot listen on UDP {Address(host, port)}: {error.strerror}",
            "stop the program that uses the port, or choose another",
        ) from error
    return sock


class UdpTransport:
    """The shell around one endpoint. After every call of a method of ``endpoint``, call ``flush``."""

    def __init__(
        self,
        endpoint: Endpoint,
        clock: Clock,
        dispatch: Callable[[SipEvent], None],
        counters: Counter[str],
        also: Sequence[Timed] = (),
    ) -> None:
        self.endpoint = endpoint
        self._clock, self._dispatch, self._counters = clock, dispatch, counters
        self._timed: tuple[Timed, ...] = (endpoint, *also)
        self._socket: socket.socket | None = None
        self._poll: select.epoll | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._flushing = False

    def now(self) -> float:
        return self._clock.monotonic()

    def open(self, sock: socket.socket) -> None:
        """Take over a bound socket and begin to serve on the running loop."""
        self._socket = sock
        # libuv stops to watch a descriptor that has an error waiting. An epoll around it is merely readable then.
        self._poll = select.epoll()
        self._poll.register(sock, select.EPOLLIN)
        asyncio.get_running_loop().add_reader(self._poll.fileno(), self._readable)
        self.flush()

    def close(self) -> None:
        """Send what is left and stop."""
        self.flush()
        self._disarm()
        if self._poll is not None and self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._poll.fileno())
            self._poll.close()
            self._socket.close()
        self._poll = self._socket = None

    def flush(self) -> None:
        """Send and dispatch until the endpoint has nothing more to say, then re-arm the timer."""
        if self._flushing:
            return  # a handler spoke to the endpoint: the loop below takes its words too
        self._flushing = True
        try:
            self._send()
            while events := self.endpoint.events():
                for event in events:
                    self._hand_on(event)
                self._send()
        finally:
            self._flushing = False
        self._arm()

    def _hand_on(self, event: SipEvent) -> None:
        try:
            self._dispatch(event)
        except Exception as error:  # noqa: BLE001
            # One message that upsets a handler must not stop the messages of all other calls.
            self._counters["dispatch_failed"] += 1
            log.error("handling %s failed: %s", type(event).__name__, describe(error))
            self._apologise(event)

    def _apologise(self, event: SipEvent) -> None:
        """500 to what would otherwise stay without an answer; harmless where it had one."""
        match event:
            case Invited(call=call):
                self.endpoint.reject(call, 500, self.now())
            case Reinvited(call=call):
                self.endpoint.reject_reinvite(call, 500, self.now())
            case Requested(transaction=transaction):
                self.endpoint.respond(transaction, 500, self.now())
            case _:
                pass

    def _send(self) -> None:
        for data, to in self.endpoint.outgoing():
            if self._socket is None:
                continue
            try:
                self._transmit(self._socket, data, to)
            except OSError:
                # No room in the socket's buffer, or no way there: the transaction's timers repeat or give up.
                self._counters["send_failed"] += 1

    def _transmit(self, sock: socket.socket, data: bytes, to: Address) -> None:
        try:
            sock.sendto(data, (to.host, to.port))
        except ConnectionRefusedError:
            # The socket reports an earlier datagram's error, once; this one has not been sent yet.
            sock.sendto(data, (to.host, to.port))

    def _arm(self) -> None:
        due = min((moment for timed in self._timed if (moment := timed.deadline()) is not None), default=None)
        if due == self._due:
            return
        self._disarm()
        if due is not None and self._socket is not None:
            self._due = due
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - self.now()), self._tick)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._due = None

    def _tick(self) -> None:
        self._disarm()
        now = self.now()
        try:
            for timed in self._timed:
                timed.tick(now)
        finally:
            self.flush()

    def _readable(self) -> None:
        sock = self._socket
        if sock is None:
            return
        for number in range(BATCH):
            try:
                data, source = sock.recvfrom(MAX_DATAGRAM)
            except BlockingIOError:
                if number == 0:  # woken without a datagram: there is an error to be read
                    self._read_errors(sock)
                break
            except OSError:
                self._read_errors(sock)
                continue
            self._counters["datagrams_in"] += 1
            self.endpoint.receive(data, Address(source[0], source[1]), self.now())
        self.flush()

    def _read_errors(self, sock: socket.socket) -> None:
        """Tell the endpoint which destinations the network refused (RFC 3261 section 8.1.3.1)."""
        for _ in range(BATCH):
            try:
                _, _, _, refused = sock.recvmsg(0, 0, socket.MSG_ERRQUEUE)
            except OSError:
                return
            self._counters["icmp_errors"] += 1
            self.endpoint.unreachable(Address(refused[0], refused[1]), self.now())
