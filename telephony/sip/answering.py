"""Calls that come in: our side of their INVITE (RFC 3261 sections 13.3 and 14.2)."""

from __future__ import annotations

from collections.abc import Sequence

from telephony.sip.address import Address
from telephony.sip.build import sdp_headers
from telephony.sip.call import Call, Phase, Unacknowledged
from telephony.sip.core import Core
from telephony.sip.dialog import Dialog
from telephony.sip.events import Acknowledged, Cancelled, Ended, Invited, Reinvited
from telephony.sip.leaving import Leaving
from telephony.sip.message import Message, Request, Response
from telephony.sip.tables import Event, State
from telephony.sip.transaction import Transaction, server_key

RING_AGAIN = 60.0
"""Section 13.3.1.1: a provisional response is repeated every minute, or a proxy on the way gives up."""


class Answering:
    """Initial INVITEs and re-INVITEs of the far side, up to the ACK."""

    def __init__(self, core: Core, leaving: Leaving) -> None:
        self._core = core
        self._leaving = leaving

    def invited(self, request: Request, source: Address, now: float) -> None:
        """An initial INVITE: the call exists from here on."""
        call = Call(Dialog.of_invite(request, source, self._core.config.ids()), Phase.INCOMING)
        self._core.calls[call.key] = call
        self._serve(call, request, now)
        self._core.emit(Invited(call.key, request, source))

    def _serve(self, call: Call, request: Request, now: float) -> None:
        call.server = self._core.serve(request, now, self._ack_in_accepted)
        call.server.owner = call

    def ring(self, call: Call, status: int, body: bytes, now: float) -> None:
        """Send a 101…199, and again every minute until the final response."""
        if call.phase is not Phase.INCOMING:
            return
        self._respond(call, status, now, body)
        self._core.timers.stop(call.reminder)
        call.reminder = self._core.timers.start(
            now + RING_AGAIN, lambda again, at: self.ring(again, status, body, at), call
        )

    def answer(self, call: Call, body: bytes, now: float) -> None:
        """Send 200 and repeat it until the ACK comes."""
        if call.phase is Phase.INCOMING:
            self._core.timers.stop(call.reminder)
            call.phase = Phase.ANSWERED
            self._accept(call, body, now)

    def reject(self, call: Call, status: int, now: float, reason: str, headers: Sequence[tuple[str, str]]) -> None:
        """Send a final response of 300…699; the call is over, its transaction waits for the ACK."""
        if call.phase is Phase.INCOMING:
            self._respond(call, status, now, b"", reason, headers)
            self._leaving.over(call)

    def cancelled(self, request: Request, now: float) -> None:
        """A CANCEL: 481 where there is nothing to cancel, without effect once a final response went out (9.2)."""
        invite = self._core.transactions.get(server_key(request, "INVITE"))
        if invite is None:
            self._core.refuse(request, 481)
            return
        call = invite.owner if isinstance(invite.owner, Call) else None
        # Section 9.2: the 200 bears the To tag that the INVITE's responses bear.
        self._core.respond(self._core.serve(request, now), 200, now, tag=call.dialog.local_tag if call else "")
        if call is None or invite.state is not State.PROCEEDING:
            return
        self._core.respond(invite, 487, now, tag=call.dialog.local_tag)
        if call.phase is Phase.INCOMING:
            self._leaving.over(call)
            self._core.emit(Cancelled(call.key, ", ".join(request.lines("Reason"))))
        else:
            call.server = None  # only their re-INVITE is taken back, the call goes on

    # -- re-INVITE and UPDATE -------------------------------------------------------------------------------------

    def reinvited(self, call: Call, request: Request, now: float) -> None:
        """An offer inside the dialog. One offer at a time: 491 where ours is under way, 500 where theirs is (14.2)."""
        if call.client is not None:
            self._core.reply(request, 491, now)
        elif call.phase is not Phase.CONFIRMED or call.server is not None or call.unacknowledged is not None:
            wait = str(int(self._core.config.chance() * 10))
            self._core.reply(request, 500, now, [("Retry-After", wait)])
        elif request.method == "UPDATE" and not request.body:
            call.dialog.refresh(request)  # RFC 3311: it offers nothing, it only tells a new Contact
            self._core.reply(request, 200, now, [("Contact", self._core.config.contact(call.dialog.next_hop()))])
        else:
            self._serve(call, request, now)
            self._core.emit(Reinvited(call.key, request))

    def accept_again(self, call: Call, body: bytes, now: float) -> None:
        """200 to the pending re-INVITE or UPDATE."""
        if call.phase is Phase.CONFIRMED and call.server is not None:
            call.dialog.refresh(call.server.request)
            self._accept(call, body, now)

    def reject_again(self, call: Call, status: int, now: float) -> None:
        """Refuse the pending re-INVITE or UPDATE; the call goes on as it was."""
        if call.phase is Phase.CONFIRMED and call.server is not None:
            server, call.server = call.server, None
            self._core.respond(server, status, now)

    # -- 2xx and ACK ----------------------------------------------------------------------------------------------

    def acknowledged(self, call: Call, request: Request, now: float) -> None:
        """The ACK of our 2xx, once; an ACK that comes again says nothing new."""
        waiting = call.unacknowledged
        if waiting is None or request.cseq.number != waiting.transaction.request.cseq.number:
            return
        self._core.timers.stop(waiting.timer)
        call.unacknowledged = None
        if call.phase is Phase.ANSWERED:
            call.phase = Phase.CONFIRMED
        if call.hang_up_wanted:
            self._leaving.bye(call, now)
        else:
            self._core.emit(Acknowledged(call.key, request.body))

    def _ack_in_accepted(self, transaction: Transaction, message: Message | None, now: float) -> None:
        # A client that gives the ACK of a 2xx the INVITE's own branch: the dialog finds it all the same.
        if isinstance(message, Request) and isinstance(transaction.owner, Call):
            self.acknowledged(transaction.owner, message, now)

    def _respond(
        self,
        call: Call,
        status: int,
        now: float,
        body: bytes = b"",
        reason: str = "",
        headers: Sequence[tuple[str, str]] = (),
    ) -> Response:
        assert call.server is not None
        more = list(headers)
        if status < 300:  # sections 12.1.1 and 13.3.1: what makes or refreshes a dialog says where we are
            routes = call.server.request.lines("Record-Route")
            contact = self._core.config.contact(call.server.destination)
            more += [*(("Record-Route", route) for route in routes), ("Contact", contact)]
        if 200 <= status < 300:
            more.append(("Allow", ", ".join(self._core.config.allow)))
        tag = call.dialog.local_tag
        more += sdp_headers(body)
        return self._core.respond(call.server, status, now, reason=reason, tag=tag, headers=more, body=body)

    def _accept(self, call: Call, body: bytes, now: float) -> None:
        server = call.server
        assert server is not None
        response = self._respond(call, 200, now, body)
        call.server = None
        if server.request.method == "INVITE":
            config = self._core.config
            call.unacknowledged = Unacknowledged(server, response, config.t1, now + config.patience)
            self._wait_for_ack(call, now)

    def _wait_for_ack(self, call: Call, now: float) -> None:
        waiting = call.unacknowledged
        assert waiting is not None
        at = min(now + waiting.interval, waiting.give_up_at)
        waiting.timer = self._core.timers.start(at, self._no_ack_yet, call)

    def _no_ack_yet(self, call: Call, now: float) -> None:
        waiting = call.unacknowledged
        assert waiting is not None
        if now >= waiting.give_up_at:  # section 13.3.1.4: the session is ended with a BYE
            call.unacknowledged = None
            wanted = call.hang_up_wanted
            self._leaving.bye(call, now)
            if not wanted:
                self._core.emit(Ended(call.key, "no ACK"))
            return
        waiting.transaction.happen(Event.USER_2XX, now, waiting.response)
        waiting.interval = min(waiting.interval * 2, self._core.config.t2)
        self._wait_for_ack(call, now)
