"""Interprets the tables: one ``Transaction`` holds its place in one of them and does what the rows say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from telephony.sip.address import Address
from telephony.sip.build import ack_of_failure, response_to
from telephony.sip.config import EndpointConfig
from telephony.sip.headers import MAGIC_COOKIE
from telephony.sip.message import Message, Request
from telephony.sip.tables import ABSORBING, REPEATING, SETTLED, Action, Event, State, Table
from telephony.sip.timers import Timer, Timers

User = Callable[["Transaction", Message | None, float], None]
"""Who made a transaction: called with (transaction, response or ACK, now); None when no answer will come."""


class Line(Protocol):
    """What a transaction needs from the endpoint around it."""

    config: EndpointConfig
    timers: Timers

    def send(self, data: bytes, destination: Address) -> None: ...

    def answered(self, transaction: Transaction) -> None: ...

    def forget(self, transaction: Transaction) -> None: ...


class Transaction:
    """One request and its responses. ``destination`` is where the request, or on a server its responses, go.

    Most of its life it only waits for what may come again. So it lets go of the request and of its user as soon as no
    row of its table can need them: at 400 calls a second there are 25,000 that wait.
    """

    __slots__ = (
        "_instead", "_interval", "_last", "_request", "_timers", "call_id", "destination", "failure", "key", "line",
        "merging", "otherwise", "owner", "state", "table", "user",
    )

    def __init__(self, key: str, table: Table, request: Request, destination: Address, line: Line, user: User) -> None:
        self.key, self.table = key, table
        self._request: Request | None = request
        self.call_id = request.call_id
        self.merging = ""
        """Names, on a server, a request that may come by several ways."""
        self.otherwise: Address | None = None
        """Where responses go once the connection that the request came by is closed."""
        self.destination, self.line, self.user = destination, line, user
        self.state = State.NEW
        self.owner: object = None
        """What the user keeps with it: the call of an INVITE."""
        self.failure = 0
        """408 or 503 once no answer will come."""
        self._interval = 0.0
        self._last = b""
        self._timers: dict[Event, Timer] = {}
        self._instead: tuple[Request, Address] | None = None

    @property
    def request(self) -> Request:
        """What it is about, until its state is settled."""
        assert self._request is not None, f"{self.key}: {self.state}"
        return self._request

    @property
    def waits(self) -> bool:
        """Whether, on a server, the final response is still to come."""
        return self.state in (State.TRYING, State.PROCEEDING)

    def let_go(self) -> None:
        """Nothing will be told or asked any more: what it repeats is bytes."""
        self._request, self._instead, self.user = None, None, nobody

    def keep(self, request: Request, user: User) -> None:
        """Know this much of the request from now on, and tell ``user``."""
        self._request, self._instead, self.user = request, None, user

    def size(self) -> int:
        """Bytes of the request."""
        self._last = self._last or bytes(self.request)
        return len(self._last)

    def prefer(self, request: Request, destination: Address) -> None:
        """Begin with ``request`` at ``destination``; only where that is refused, with what was meant at first."""
        self._instead = self.request, self.destination
        self._request, self.destination, self._last = request, destination, b""

    def happen(self, event: Event, now: float, message: Message | None = None) -> None:
        """Go through the row for ``event`` in the present state, if there is one."""
        if event is Event.UNREACHABLE and self._instead is not None and self.state in (State.CALLING, State.TRYING):
            self._stop()
            self._request, self.destination = self._instead
            self.state, self._last, self._instead, event = State.NEW, b"", None, Event.START
        row = self.table.get((self.state, event))
        if row is None:
            return
        before, (self.state, actions) = self.state, row
        if self.state is State.TERMINATED:
            self.drop()
        elif self.state is not before:
            self._stop_spent()
            if (self.state, Event.UNREACHABLE) not in self.table:
                self.line.answered(self)
        for action in actions:
            if action in TIMERS:
                self._start(action, now)
            else:
                DEEDS[action](self, now, message)
        if self.state in SETTLED:
            self.let_go()

    def _start(self, action: Action, now: float) -> None:
        event, interval = TIMERS[action]
        seconds = interval(self)
        if self.destination.transport.reliable:
            if event in REPEATING:
                return
            if event in ABSORBING:
                seconds = 0.0
        self._timers[event] = self.line.timers.start(now + seconds, self.happen, event)

    def said(self, data: bytes) -> bool:
        """Whether ``data`` is the last response that was sent here."""
        return data == self._last

    def drop(self) -> None:
        """Forget it now; what comes for it later finds nothing."""
        self.state = State.TERMINATED
        self._stop()
        self.line.forget(self)

    def _stop(self) -> None:
        for timer in self._timers.values():
            self.line.timers.stop(timer)
        self._timers.clear()

    def _stop_spent(self) -> None:
        for event in [event for event in self._timers if (self.state, event) not in self.table]:
            self.line.timers.stop(self._timers.pop(event))

    # -- deeds ----------------------------------------------------------------------------------------------------

    def _send_request(self, now: float, message: Message | None) -> None:
        self.size()
        self.line.send(self._last, self.destination)

    def _send_ack(self, now: float, message: Message | None) -> None:
        assert message is not None
        if self._request is not None:  # else it has been sent: section 17.1.1.2 wants the same again
            self._last = bytes(ack_of_failure(self._request, message))
        self.line.send(self._last, self.destination)

    def _send_trying(self, now: float, message: Message | None) -> None:
        self._send_response(now, response_to(self.request, 100))

    def _send_response(self, now: float, message: Message | None) -> None:
        assert message is not None
        self._last = bytes(message)
        self._repeat_response(now, None)

    def _repeat_response(self, now: float, message: Message | None) -> None:
        self.line.send(self._last, self.destination)

    def _tell(self, now: float, message: Message | None) -> None:
        self.user(self, message, now)

    def _tell_timeout(self, now: float, message: Message | None) -> None:
        self.failure = 408  # section 8.1.3.1: a timeout is handled as if a 408 had come, a transport error as a 503
        self.user(self, None, now)

    def _tell_unreachable(self, now: float, message: Message | None) -> None:
        self.failure = 503
        self.user(self, None, now)

    # -- lengths of timers ----------------------------------------------------------------------------------------

    def _t1(self) -> float:
        self._interval = self.line.config.t1
        return self._interval

    def _t2(self) -> float:
        self._interval = self.line.config.t2
        return self._interval

    def _t4(self) -> float:
        return self.line.config.t4

    def _twice(self) -> float:
        self._interval *= 2
        return self._interval

    def _twice_up_to_t2(self) -> float:
        self._interval = min(self._interval * 2, self.line.config.t2)
        return self._interval

    def _patience(self) -> float:
        return self.line.config.patience


def nobody(transaction: Transaction, message: Message | None, now: float) -> None:
    """The user of a transaction whose outcome interests nobody, or is known."""


DEEDS: Mapping[Action, Callable[[Transaction, float, Message | None], None]] = {
    Action.SEND_REQUEST: Transaction._send_request,
    Action.SEND_ACK: Transaction._send_ack,
    Action.SEND_TRYING: Transaction._send_trying,
    Action.SEND_RESPONSE: Transaction._send_response,
    Action.REPEAT_RESPONSE: Transaction._repeat_response,
    Action.TELL_RESPONSE: Transaction._tell,
    Action.TELL_ACK: Transaction._tell,
    Action.TELL_TIMEOUT: Transaction._tell_timeout,
    Action.TELL_UNREACHABLE: Transaction._tell_unreachable,
}

TIMERS: Mapping[Action, tuple[Event, Callable[[Transaction], float]]] = {
    Action.START_A: (Event.TIMER_A, Transaction._t1),
    Action.DOUBLE_A: (Event.TIMER_A, Transaction._twice),
    Action.START_B: (Event.TIMER_B, Transaction._patience),
    Action.START_D: (Event.TIMER_D, Transaction._patience),
    Action.START_E: (Event.TIMER_E, Transaction._t1),
    Action.DOUBLE_E: (Event.TIMER_E, Transaction._twice_up_to_t2),
    Action.SLOW_E: (Event.TIMER_E, Transaction._t2),
    Action.START_F: (Event.TIMER_F, Transaction._patience),
    Action.START_G: (Event.TIMER_G, Transaction._t1),
    Action.DOUBLE_G: (Event.TIMER_G, Transaction._twice_up_to_t2),
    Action.START_H: (Event.TIMER_H, Transaction._patience),
    Action.START_I: (Event.TIMER_I, Transaction._t4),
    Action.START_J: (Event.TIMER_J, Transaction._patience),
    Action.START_K: (Event.TIMER_K, Transaction._t4),
    Action.START_L: (Event.TIMER_L, Transaction._patience),
    Action.START_M: (Event.TIMER_M, Transaction._patience),
    Action.START_N: (Event.TIMER_N, Transaction._patience),
}


def heard(status: int) -> Event:
    """What a response with this status is to a client."""
    return Event.HEARD_1XX if status < 200 else Event.HEARD_2XX if status < 300 else Event.HEARD_FAILURE


def said(status: int) -> Event:
    """What a response with this status is to a server."""
    return Event.USER_1XX if status < 200 else Event.USER_2XX if status < 300 else Event.USER_FAILURE


def client_key(branch: str, method: str) -> str:
    """Names a client transaction (section 17.1.3). A client's key holds one space, a server's two or more."""
    return f"{branch} {method}"


def server_key(request: Request, method: str = "") -> str:
    """Names the server transaction that a request belongs to (section 17.2.3). An ACK belongs to its INVITE;
    ``method`` asks for another than the request's own (what a CANCEL means to cancel)."""
    method = method or ("INVITE" if request.method == "ACK" else request.method)
    via = request.via
    branch = via.branch
    if branch.startswith(MAGIC_COOKIE) and branch != MAGIC_COOKIE:  # the bare cookie names nothing
        return f"{branch} {via.sent_by} {method}"
    # An RFC 2543 client promises nothing of its branch. Its To tag is left out: the ACK alone has one.
    return f"{via.sent_by} {branch} {request.call_id} {request.from_tag} {request.cseq.number} {method}"
