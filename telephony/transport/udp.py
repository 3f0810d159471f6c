"""SIP over UDP on asyncio: receive, feed, send what came out, hand on the events, re-arm one timer."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from calls.clock import Clock
from calls.errors import ConfigError
from telephony.faults import describe
from telephony.sip.address import Address
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import SipEvent

log = logging.getLogger(__name__)


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
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise ConfigError(
            "[telephony] listen_host, listen_port",
            f"cannot listen on UDP {Address(host, port)}: {error.strerror}",
            "stop the program that uses the port, or choose another",
        ) from error
    return sock


class UdpTransport(asyncio.DatagramProtocol):
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
        self._wire: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._flushing = False
        self._closed = asyncio.Event()

    def now(self) -> float:
        return self._clock.monotonic()

    async def open(self, sock: socket.socket) -> None:
        """Take over a bound socket and begin to serve."""
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=sock)
        self.flush()

    async def close(self) -> None:
        """Send what is left and stop."""
        self.flush()
        self._disarm()
        if self._wire is not None:
            self._wire.close()
            await self._closed.wait()

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

    def _send(self) -> None:
        for data, to in self.endpoint.outgoing():
            if self._wire is None:
                continue
            try:
                self._wire.sendto(data, (to.host, to.port))
            except (OSError, ValueError):  # no route, or a host that is no address: the transaction's timer tells
                self._counters["send_failed"] += 1

    def _arm(self) -> None:
        due = min((moment for timed in self._timed if (moment := timed.deadline()) is not None), default=None)
        if due == self._due:
            return
        self._disarm()
        if due is not None and self._wire is not None:
            self._due = due
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - self.now()), self._tick)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._due = None

    def _tick(self) -> None:
        self._disarm()
        now = self.now()
        for timed in self._timed:
            timed.tick(now)
        self.flush()

    # -- asyncio.DatagramProtocol ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.DatagramTransport, transport)  # by duck: neither loop's class is derived from it

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._counters["datagrams_in"] += 1
        self.endpoint.receive(data, Address(addr[0], addr[1]), self.now())
        self.flush()

    def error_received(self, exc: Exception) -> None:
        # An ICMP message does not say which datagram it is about; the transaction's timer finds out.
        self._counters["icmp_errors"] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire = None
        self._disarm()
        self._closed.set()
