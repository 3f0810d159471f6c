"""Calls that come in: our side of their INVITE, re-INVITE and UPDATE (RFC 3261 sections 13.3 and 14.2, RFC 3311)."""

from __future__ import annotations

from collections.abc import Sequence

from telephony.sip.address import Address
from telephony.sip.call import Asked, Call, Phase, Unacknowledged
from telephony.sip.core import Core
from telephony.sip.dialog import Dialog
from telephony.sip.events import Acknowledged, Cancelled, Ended, Invited, Reinvited
from telephony.sip.leaving import Leaving
from telephony.sip.message import Message, Request
from telephony.sip.offering import COLLISION, DESCRIBED, Offering
from telephony.sip.provisional import Provisional
from telephony.sip.refreshing import Refreshing
from telephony.sip.responding import respond
from telephony.sip.tables import Event, State
from telephony.sip.transaction import Transaction, server_key


class Answering:
    """Initial INVITEs of the far side and what changes a session, up to the ACK."""

    def __init__(self, core: Core, leaving: Leaving, refreshing: Refreshing, provisional: Provisional) -> None:
        self._core = core
        self._leaving = leaving
        self._refreshing = refreshing
        self._provisional = provisional

    def invited(self, request: Request, source: Address, now: float) -> None:
        """An initial INVITE: the call exists from here on."""
        if headers := self._refreshing.brief(request):
            self._core.refuse(request, 422, headers)
            return
        call = Call(Dialog.of_invite(request, source, self._core.config.ids()), Phase.INCOMING)
        call.note_abilities(request)
        self._core.keep(call)
        call.server = self._serve(call, request, now)
        self._core.emit(Invited(call.key, request, source))

    def _serve(self, call: Call, request: Request, now: float) -> Transaction:
        transaction = self._core.serve(request, now, self._ack_in_accepted)
        transaction.owner = call
        return transaction

    def answer(self, call: Call, body: bytes, now: float) -> None:
        """Send 200 and repeat it until the ACK comes; not before the PRACK of a description that went ahead of it
        (RFC 3262 section 3)."""
        if call.phase is not Phase.INCOMING or call.server is None:
            return
        dialog, waiting = call.dialog, call.unconfirmed
        if waiting is not None and waiting.response.body:
            call.held_back.append((200, body))
            return
        self._provisional.final(call)
        self._core.timers.stop(call.reminder)
        call.phase = Phase.ANSWERED
        if dialog.offering not in DESCRIBED:
            body = b""  # what was agreed early stands
        dialog.offering = DESCRIBED.get(dialog.offering, dialog.offering)
        self._accept(call, call.server, body, now)
        call.server = None

    def reject(self, call: Call, status: int, now: float, reason: str, headers: Sequence[tuple[str, str]]) -> None:
        """Send a final response of 300…699; the call is over, its transaction waits for the ACK."""
        if call.phase is Phase.INCOMING and call.server is not None:
            respond(self._core, call, call.server, status, now, b"", reason, headers)
            call.server = None
            self._leaving.unasked(call, now)
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
        if call.phase is Phase.INCOMING:
            self._leaving.unasked(call, now)
            self._leaving.over(call)
            self._core.emit(Cancelled(call.key, ", ".join(request.lines("Reason"))))
        else:
            self.reject_again(call, 487, now)  # only their re-INVITE is taken back, the call goes on

    # -- re-INVITE and UPDATE -------------------------------------------------------------------------------------

    def reinvited(self, call: Call, request: Request, now: float) -> None:
        """A re-INVITE. One at a time: 491 where ours is under way, 500 where theirs is (section 14.2)."""
        if call.phase is not Phase.CONFIRMED or call.asked is not None or call.unacknowledged is not None:
            self._come_again(request, 500, now)
        elif call.dialog.offering is not Offering.STABLE:
            self._come_again(request, COLLISION[call.dialog.offering], now)
        else:
            self._ask_user(call, call.dialog, request, now)

    def updated(self, call: Call, dialog: Dialog, request: Request, now: float) -> None:
        """An UPDATE (RFC 3311), also before the answer. Without an offer it refreshes the Contact and the session."""
        if not request.body:
            if headers := self._refreshing.brief(request):
                self._core.reply(request, 422, now, headers)
            else:
                dialog.refresh(request)
                self._take_over(call, self._core.serve(request, now), b"", now)
        elif call.asked is None and dialog.offering is Offering.STABLE:
            self._ask_user(call, dialog, request, now)
        else:
            self._come_again(request, COLLISION.get(dialog.offering, 500), now)

    def _come_again(self, request: Request, status: int, now: float) -> None:
        wait = [("Retry-After", str(int(self._core.config.chance() * 10)))] if status == 500 else []
        self._core.reply(request, status, now, wait)

    def _ask_user(self, call: Call, dialog: Dialog, request: Request, now: float) -> None:
        if headers := self._refreshing.brief(request):
            self._core.reply(request, 422, now, headers)
            return
        call.note_abilities(request)
        call.asked = Asked(self._serve(call, request, now), dialog)
        if request.body:
            dialog.offering = Offering.THEIRS
        self._core.emit(Reinvited(call.key, request))

    def accept_again(self, call: Call, body: bytes, now: float) -> None:
        """200 to the pending re-INVITE, UPDATE or PRACK."""
        if call.asked is None:
            return
        asked, call.asked = call.asked, None
        request = asked.transaction.request
        asked.dialog.offering = Offering.STABLE if request.body else Offering.OURS
        asked.dialog.refresh(request)
        if request.method == "INVITE":
            self._accept(call, asked.transaction, body, now)
        else:
            self._take_over(call, asked.transaction, body, now)

    def _take_over(self, call: Call, transaction: Transaction, body: bytes, now: float) -> None:
        """200 to a request that is not INVITE; an UPDATE of what stands refreshes the session as well."""
        request, headers = transaction.request, []
        if request.method == "UPDATE" and call.phase in (Phase.ANSWERED, Phase.CONFIRMED):
            headers = self._refreshing.granted_by_us(call, request, now)
        respond(self._core, call, transaction, 200, now, body, headers=headers)

    def reject_again(self, call: Call, status: int, now: float) -> None:
        """Refuse the pending re-INVITE, UPDATE or PRACK; the call goes on as it was."""
        if call.asked is not None:
            asked, call.asked = call.asked, None
            asked.dialog.offering = Offering.STABLE
            self._core.respond(asked.transaction, status, now)

    # -- 2xx and ACK ----------------------------------------------------------------------------------------------

    def acknowledged(self, call: Call, request: Request, now: float) -> None:
        """The ACK of our 2xx, once; an ACK that comes again says nothing new."""
        waiting = call.unacknowledged
        if waiting is None or request.cseq.number != waiting.response.cseq.number:
            return
        self._core.timers.stop(waiting.timer)
        waiting.transaction.let_go()
        call.unacknowledged = waiting.transaction.owner = None
        if call.phase is Phase.ANSWERED:
            call.phase = Phase.CONFIRMED
        if call.hang_up_wanted:
            self._leaving.bye(call, now)
            return
        owed = call.dialog.offering is Offering.OURS and bool(waiting.response.body)
        if owed:
            call.dialog.offering = Offering.STABLE
        self._core.emit(Acknowledged(call.key, request.body if owed else None))

    def _ack_in_accepted(self, transaction: Transaction, message: Message | None, now: float) -> None:
        # A client that gives the ACK of a 2xx the INVITE's own branch: the dialog finds it all the same.
        if isinstance(message, Request) and isinstance(transaction.owner, Call):
            self.acknowledged(transaction.owner, message, now)

    def _accept(self, call: Call, server: Transaction, body: bytes, now: float) -> None:
        headers = self._refreshing.granted_by_us(call, server.request, now)
        response = respond(self._core, call, server, 200, now, body, headers=headers)
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
