"""The user agent core: datagrams and ``now`` go in; datagrams, events and the next deadline come out.

    receive(data, source, now) ─┐                         ┌─ outgoing() → [(data, destination)]
    tick(now) ──────────────────┤→ check → transactions → ├─ events()   → [SipEvent]
    answer(call, sdp, now) … ───┘        → calls          └─ deadline() → when to tick

No socket, no clock, no thread. ``intake.py`` decides what a request is; ``answering.py``, ``calling.py``,
``provisional.py``, ``changing.py``, ``refreshing.py`` and ``leaving.py`` each hold one part of a call's life;
``core.py`` is what they share.
"""

from __future__ import annotations

from collections.abc import Sequence

from telephony.sip.address import Address
from telephony.sip.answering import Answering
from telephony.sip.asking import Asking
from telephony.sip.auth import ClientCredentials
from telephony.sip.call import Call, Phase
from telephony.sip.calling import Calling
from telephony.sip.changing import Changing
from telephony.sip.config import EndpointConfig
from telephony.sip.core import Core
from telephony.sip.events import Disconnected, Responded, SipEvent
from telephony.sip.headers import NameAddr
from telephony.sip.intake import Intake
from telephony.sip.leaving import Leaving, ends_dialog
from telephony.sip.message import Request, Response
from telephony.sip.provisional import Provisional
from telephony.sip.refreshing import Refreshing
from telephony.sip.replaces import Replaces, replaced
from telephony.sip.tables import Event, State
from telephony.sip.transaction import server_key
from telephony.sip.uri import Uri


class Endpoint:
    """One SIP user agent, server and client. Times are monotonic seconds; nothing here blocks or raises on input.

    A ``call`` that is already over is no error: whoever acts on it lost a race that only the network could win.
    """

    def __init__(self, config: EndpointConfig) -> None:
        self.config = config
        self._core = Core(config)
        self._asking = Asking(self._core)
        self._leaving = Leaving(self._core, self._asking)
        refreshing = Refreshing(self._core, self._leaving)
        self._provisional = Provisional(self._core, self._leaving)
        self._answering = Answering(self._core, self._leaving, refreshing, self._provisional)
        self._calling = Calling(self._core, self._asking, self._leaving, refreshing)
        self._changing = Changing(self._core, self._leaving, refreshing)
        self._intake = Intake(self._core, self._answering, self._leaving, self._provisional)
        self._provisional.answer, refreshing.refresh = self._answering.answer, self._changing.refresh

    # -- in and out -----------------------------------------------------------------------------------------------

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take a datagram. What is no SIP becomes a ``Malformed`` event."""
        guard = self.config.guard
        if guard is None or guard.hears(data, source, now):
            self._intake.receive(data, source, now)

    def tick(self, now: float) -> None:
        """Do what is due."""
        self._core.timers.fire(now)

    def deadline(self) -> float | None:
        """When ``tick`` must be called next, or None."""
        return self._core.timers.deadline()

    def outgoing(self) -> list[tuple[bytes, Address]]:
        """Take all datagrams to send, in order."""
        taken, self._core.outbox = self._core.outbox, []
        guard = self.config.guard
        return taken if guard is None else [item for item in taken if guard.says(*item)]

    def events(self) -> list[SipEvent]:
        """Take all events, in order."""
        taken, self._core.inbox = self._core.inbox, []
        return taken

    def unreachable(self, destination: Address, now: float) -> None:
        """The network refused what was sent to ``destination``: its requests fail with 503 (section 8.1.3.1)."""
        for transaction in list(self._core.asking.values()):
            if transaction.destination.place == destination.place:
                transaction.happen(Event.UNREACHABLE, now)

    def disconnected(self, peer: Address, now: float) -> None:
        """The connection with ``peer`` is closed: what still waits for a response there fails with 503, and answers to
        its requests and requests in its dialogs go where it says that it listens (sections 18.2.2 and 18.4)."""
        self._core.disconnected(peer, now)
        self._core.emit(Disconnected(peer))

    def needs(self, peer: Address) -> bool:
        """Whether a call counts on the connection with ``peer``."""
        return bool(self._core.calls_by_stream.at(peer))

    def live(self) -> dict[str, int]:
        """How much is kept; all 0 when nothing is left over."""
        core = self._core
        return {"transactions": len(core.transactions), "dialogs": len(core.calls), "timers": len(core.timers)}

    # -- incoming calls -------------------------------------------------------------------------------------------

    def ring(self, call: str, now: float, status: int = 180, body: bytes = b"") -> None:
        """Send a provisional response of 101…199, ``body`` an SDP; repeated every minute. Where the caller knows how,
        a description arrives for certain (PRACK): then it is the answer, or where the INVITE had none the offer."""
        if found := self._core.calls.get(call):
            self._provisional.ring(found, status, body, now)

    def answer(self, call: str, body: bytes, now: float) -> None:
        """Send 200 with an SDP, again and again until the ACK comes (``Acknowledged``)."""
        if found := self._core.calls.get(call):
            self._answering.answer(found, body, now)

    def reject(
        self, call: str, status: int, now: float, reason: str = "", headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Refuse an incoming call with a final status of 300…699."""
        if found := self._core.calls.get(call):
            self._answering.reject(found, status, now, reason, headers)

    # -- outgoing calls -------------------------------------------------------------------------------------------

    def invite(
        self,
        target: Uri,
        destination: Address,
        *,
        from_: NameAddr,
        to: NameAddr | None = None,
        body: bytes,
        headers: Sequence[tuple[str, str]] = (),
        credentials: ClientCredentials | None = None,
        now: float,
    ) -> str:
        """Call ``target`` by way of ``destination``; ``body`` is the SDP offer. Returns the call's key.

        ``Answered`` or ``Failed`` follows, exactly one of them.
        """
        return self._calling.invite(
            target, destination, from_, to or NameAddr(target), body, headers, credentials, now
        )

    def cancel(self, call: str, now: float, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Give up an outgoing call that has not been answered. ``Failed`` follows."""
        if found := self._core.calls.get(call):
            self._calling.cancel(found, now, headers)

    def heard_from(self, call: str) -> bool:
        """Whether an outgoing call has had any response yet, be it 100 Trying."""
        found = self._core.calls.get(call)
        return found is None or found.client is None or found.client.state is not State.CALLING

    # -- calls that stand -----------------------------------------------------------------------------------------

    def bye(self, call: str, now: float, headers: Sequence[tuple[str, str]] = ()) -> None:
        """End an answered call. No event follows: whoever asked knows."""
        if found := self._core.calls.get(call):
            self._leaving.bye(found, now, headers)

    def hang_up(
        self, call: str, now: float, status: int = 480, reason: str = "", headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Reject, cancel or bye, whichever the call's state needs. ``status`` and ``reason`` are for the rejection,
        ``headers`` for whichever it is."""
        found = self._core.calls.get(call)
        if found is None:
            return
        if found.phase is Phase.INCOMING:
            self._answering.reject(found, status, now, reason, headers)
        elif found.phase is Phase.CALLING:
            self._calling.cancel(found, now, headers)
        else:
            self._leaving.bye(found, now, headers)

    def reinvite(self, call: str, body: bytes, now: float) -> None:
        """Offer a new session; ``Responded`` with this ``call`` tells how it went. Glare is resolved here."""
        if found := self._core.calls.get(call):
            self._changing.reinvite(found, body, now)

    def update(self, call: str, body: bytes, now: float) -> bool:
        """Offer a new session by UPDATE, also before the answer where offer and answer have been made; ``Responded``
        tells how it went. False, and nothing is sent, where the far side knows no UPDATE or it is too early."""
        found = self._core.calls.get(call)
        return found is not None and self._changing.update(found, body, now)

    def accept_reinvite(self, call: str, body: bytes, now: float) -> None:
        """Answer the pending re-INVITE, UPDATE or PRACK with an SDP."""
        if found := self._core.calls.get(call):
            self._answering.accept_again(found, body, now)

    def reject_reinvite(self, call: str, status: int, now: float) -> None:
        """Refuse the pending re-INVITE, UPDATE or PRACK; the call goes on as it was."""
        if found := self._core.calls.get(call):
            self._answering.reject_again(found, status, now)

    def request(
        self,
        call: str,
        method: str,
        now: float,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        content_type: str = "",
    ) -> str | None:
        """Send a request inside a dialog (INFO, OPTIONS …); ``Responded`` follows. Returns its transaction's key, or
        None where the call does not stand."""
        found = self._core.calls.get(call)
        if found is None or found.phase not in (Phase.CONFIRMED, Phase.ANSWERED):
            return None
        more = [*headers, ("Content-Type", content_type)] if content_type else headers
        return self._asking.in_dialog(
            found, method, now, more, body, on_final=lambda key, response, at: self._asked(found, key, response, at)
        )

    def _asked(self, call: Call, key: str, response: Response, now: float) -> None:
        self._core.emit(Responded(key, response, call.key))
        if ends_dialog(response):
            method = response.cseq.method
            self._leaving.lost(call, f"{response.status} to {method}", now)

    def replaced(self, wanted: Replaces) -> str:
        """The key of the call whose place an INVITE wants, for who then ends it by ``hang_up``. Raises NotReplaced."""
        return replaced(wanted, self._core.calls, self._core.past).key

    # -- outside dialogs ------------------------------------------------------------------------------------------

    def respond(
        self,
        transaction: str,
        status: int,
        now: float,
        reason: str = "",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        """Answer a ``Requested``. Harmless where it has been answered or is too old to be."""
        found = self._core.transactions.get(transaction)
        if found is not None and found.waits:
            self._core.respond(found, status, now, reason=reason, headers=headers, body=body)

    def send_request(
        self,
        method: str,
        target: Uri,
        destination: Address,
        *,
        from_: NameAddr,
        to: NameAddr | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        credentials: ClientCredentials | None = None,
        call_id: str = "",
        sequence: int = 1,
        now: float,
    ) -> str:
        """Send a request outside any dialog; ``Responded`` follows, with the key that is returned.

        ``call_id`` and ``sequence`` are for those that belong together, as the REGISTERs of one client do.
        """
        ids = self.config.ids
        fields = [("Via", self._core.new_via(destination))]
        fields += [("From", str(from_.with_tag(ids()))), ("To", str(to or NameAddr(target)))]
        fields += [("Call-ID", call_id or ids()), ("CSeq", f"{sequence} {method}"), *self._core.own_headers(headers)]
        request = Request(method, str(target), fields, body)
        return self._asking.outside(
            request, destination, credentials, now,
            on_final=lambda key, response, _at: self._core.emit(Responded(key, response)),
        )

    def refuse_statelessly(
        self, request: Request, source: Address, status: int, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Refuse a stranger and keep nothing of the request, also where ``Invited`` or ``Requested`` told of it.

        What has not been taken from ``outgoing`` yet (its 100 Trying) is not sent.
        """
        found = self._core.transactions.get(server_key(request))
        if found is not None:
            self._core.outbox = [item for item in self._core.outbox if not found.said(item[0])]
            if isinstance(found.owner, Call):
                self._leaving.over(found.owner)
            found.drop()
        request.stamp(source)
        self._core.refuse(request, status, headers)
