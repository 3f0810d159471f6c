"""The shell around one endpoint: feed it, send what came out, hand on the events, re-arm one timer."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from calls.clock import Clock
from telephony.faults import describe
from telephony.sip.address import Address, Transport
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Invited, Malformed, Reinvited, Requested, SipEvent

log = logging.getLogger(__name__)


GRAIN = 0.01
"""Seconds. Several timers run for each call; what is due within so little is done in one turn. The shortest of them,
T1 (RFC 3261 section 17.1.1.1), is fifty times as long."""


class Timed(Protocol):
    """Something that wants to be woken."""

    def deadline(self) -> float | None: ...
    def tick(self, now: float) -> None: ...


class Turns(Protocol):
    """Who wants to know how long messages wait for us. ``socket`` is the number of one for datagrams."""

    def reading(self, socket: int, waited: float, now: float) -> None: ...
    def read(self) -> None: ...


class Link(Protocol):
    """Sends messages over some transports, and brings what comes to the shell that it is opened with."""

    transports: frozenset[Transport]

    async def open(self, shell: Shell) -> None: ...
    def send(self, data: bytes, to: Address) -> None: ...
    async def close(self) -> None: ...


class Shell:
    """After every call of a method of ``endpoint``, call ``flush``."""

    def __init__(
        self,
        endpoint: Endpoint,
        clock: Clock,
        dispatch: Callable[[SipEvent], None],
        counters: Counter[str],
        also: Sequence[Timed] = (),
        turns: Turns | None = None,
    ) -> None:
        """``turns`` is told of every turn in which datagrams are read."""
        self.endpoint, self.counters = endpoint, counters
        self._clock, self._dispatch, self._turns = clock, dispatch, turns
        self._timed: tuple[Timed, ...] = (endpoint, *also)
        self._links: dict[Transport, Link] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._flushing = False

    def now(self) -> float:
        return self._clock.monotonic()

    async def open(self, *links: Link) -> None:
        """Begin to serve on the running loop. The links are the shell's to close."""
        for link in links:
            await link.open(self)
            self._links |= dict.fromkeys(link.transports, link)
        self.flush()

    async def close(self) -> None:
        """Send what is left and stop."""
        self.flush()
        links, self._links = {*self._links.values()}, {}
        self._disarm()
        for link in links:
            await link.close()

    # -- what links bring; ``flush`` follows a batch of it -------------------------------------------------------

    def received(self, data: bytes, source: Address) -> None:
        """A message, whole."""
        self.endpoint.receive(data, source, self.now())

    def reading(self, socket: int, waited: float) -> None:
        """Messages are about to be received; the first has waited for us so many seconds."""
        if self._turns is not None:
            self._turns.reading(socket, waited, self.now())

    def read(self) -> None:
        """As many messages as one turn takes have been received."""
        if self._turns is not None:
            self._turns.read()

    def unreachable(self, destination: Address) -> None:
        """The network refused what was sent there."""
        self.endpoint.unreachable(destination, self.now())

    def malformed(self, source: Address, problem: str) -> None:
        """What comes from there is no SIP, nor the beginning of a connection for it."""
        self._hand_on(Malformed(source, problem))

    def disconnected(self, peer: Address) -> None:
        """A connection that stood is closed."""
        self.endpoint.disconnected(peer, self.now())

    # -- what the endpoint says ------------------------------------------------------------------------------------

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

    def _send(self) -> None:
        for data, to in self.endpoint.outgoing():
            link = self._links.get(to.transport)
            if link is not None:
                link.send(data, to)
            elif self._links:
                self.counters["no_way"] += 1
                asyncio.get_running_loop().call_soon(self._refused, to)

    def _refused(self, destination: Address) -> None:
        self.unreachable(destination)
        self.flush()

    def _hand_on(self, event: SipEvent) -> None:
        try:
            self._dispatch(event)
        except Exception as error:  # noqa: BLE001
            # One message that upsets a handler must not stop the messages of all other calls.
            self.counters["dispatch_failed"] += 1
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

    # -- the timer -------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Be woken in time. A deadline that has moved to later, as most do when an answer comes, changes nothing: the
        timer that runs already finds nothing due and is set anew."""
        due = min((moment for timed in self._timed if (moment := timed.deadline()) is not None), default=None)
        if due is None or (self._due is not None and self._due <= due):
            return
        self._disarm()
        if self._links:
            self._due = due
            self._timer = asyncio.get_running_loop().call_later(max(0.0, due - self.now()) + GRAIN, self._tick)

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
