"""Calls that go out: our INVITE, its PRACK, ACK, CANCEL and forks (RFC 3261 sections 9.1 and 13.2, RFC 3262)."""

from __future__ import annotations

from collections.abc import Sequence

from telephony.sip.address import Address
from telephony.sip.asking import Asking, authorised
from telephony.sip.auth import ClientCredentials
from telephony.sip.build import cancel_of, essence, sdp_headers
from telephony.sip.call import Asked, Call, Phase
from telephony.sip.core import Core
from telephony.sip.dialog import Dialog
from telephony.sip.events import Answered, Failed, Ringing
from telephony.sip.headers import NameAddr
from telephony.sip.leaving import Leaving, give_up_later
from telephony.sip.message import Message, Request, Response
from telephony.sip.names import reason_for
from telephony.sip.offering import Offering
from telephony.sip.rack import RAck, rseq
from telephony.sip.refreshing import Refreshing
from telephony.sip.tables import State
from telephony.sip.transaction import Transaction
from telephony.sip.uri import Uri

Acks = dict[str, tuple[bytes, Address]]
"""Remote tag → our ACK of its 2xx, for when that 2xx comes again; lives as long as the INVITE's transaction."""

MOST_FORKS = 16
"""Phones that may ring for one INVITE before further ones are passed over."""


class Calling:
    """Initial INVITEs of ours, until they are answered or have failed."""

    def __init__(self, core: Core, asking: Asking, leaving: Leaving, refreshing: Refreshing) -> None:
        self._core = core
        self._asking = asking
        self._leaving = leaving
        self._refreshing = refreshing

    def invite(
        self,
        target: Uri,
        destination: Address,
        from_: NameAddr,
        to: NameAddr,
        body: bytes,
        headers: Sequence[tuple[str, str]],
        credentials: ClientCredentials | None,
        now: float,
    ) -> str:
        """Send an initial INVITE; returns the call's key."""
        ids = self._core.config.ids
        tag = ids()
        dialog = Dialog(
            call_id=ids(), local=str(from_.with_tag(tag)), local_tag=tag, remote=str(to), remote_tag="",
            target=target, peer=destination, local_sequence=1,
        )
        call = Call(dialog, Phase.CALLING, credentials=credentials, outgoing=True)
        more = [*self._core.own_headers(headers), ("Contact", self._core.config.contact(destination))]
        more += [*self._core.abilities(), *self._refreshing.wish(call), *sdp_headers(body)]
        request = dialog.request("INVITE", 1, self._core.new_via(destination), more, body)
        self._core.keep(call)
        self._send(call, request, destination, now)
        return call.key

    def _send(self, call: Call, request: Request, destination: Address, now: float) -> None:
        acks: Acks = {}
        call.client = self._core.ask(request, destination, lambda *heard: self._heard(call, acks, *heard), now)

    def _heard(self, call: Call, acks: Acks, transaction: Transaction, message: Message | None, now: float) -> None:
        if not isinstance(message, Response):
            # After a CANCEL the INVITE counts as cancelled, whatever it was that never came (section 9.1).
            self._failed(call, 487 if call.hang_up_wanted else transaction.failure, None)
        elif message.status < 200:
            self._provisional(call, transaction, message, now)
        elif message.status < 300:
            self._answered(call, acks, transaction, message, now)
        else:
            self._refused(call, transaction, message, now)

    def _provisional(self, call: Call, transaction: Transaction, response: Response, now: float) -> None:
        if call.hang_up_wanted:
            self._send_cancel(call, transaction, now)
        elif response.status > 100 and self._confirmed(call, transaction, response, now):
            self._core.emit(Ringing(call.key, response.status, response))

    def _confirmed(self, call: Call, transaction: Transaction, response: Response, now: float) -> bool:
        """Note the early dialog, and send PRACK where it is wanted (RFC 3262 section 4); whether this is news."""
        if not response.to_tag:
            return True
        dialog = self._early(call, transaction, response)
        number = rseq(response)
        if dialog is None or number is None:
            return number is None
        if dialog.rseq and number != dialog.rseq + 1:
            return False  # it came again, or one before it is missing: that one will come again
        dialog.rseq = number
        if response.body and dialog.offering is Offering.OURS:
            dialog.offering = Offering.STABLE
        rack = [("RAck", str(RAck(number, response.cseq.number, "INVITE")))]
        self._asking.in_dialog(call, "PRACK", now, rack, early=dialog, on_final=lambda *_heard: None)
        return True

    def _early(self, call: Call, transaction: Transaction, response: Response) -> Dialog | None:
        """The early dialog of this far side, made where it is new; None where there are too many."""
        if response.to_tag not in call.early and len(call.early) < MOST_FORKS:
            call.early[response.to_tag] = Dialog.of_answer(transaction.request, response, transaction.destination)
        call.note_abilities(response)
        return call.early.get(response.to_tag)

    def _refused(self, call: Call, transaction: Transaction, response: Response, now: float) -> None:
        call.challenges += response.status in (401, 407)
        credentials = None if call.hang_up_wanted else call.credentials
        sequence = call.dialog.local_sequence + 1
        retry = authorised(self._core, transaction.request, response, credentials, call.challenges, sequence)
        if retry is None and not call.hang_up_wanted:
            retry = self._refreshing.longer(call, transaction.request, response, sequence)
        call.early.clear()
        if retry is None:
            self._failed(call, response.status, response)
        else:
            call.dialog.local_sequence = sequence
            self._send(call, retry, transaction.destination, now)

    def _failed(self, call: Call, status: int, response: Response | None) -> None:
        self._leaving.over(call)
        reason = response.reason if response is not None else reason_for(status)
        self._core.emit(Failed(call.key, status, reason, response))

    # -- 2xx ------------------------------------------------------------------------------------------------------

    def _answered(
        self, call: Call, acks: Acks, transaction: Transaction, response: Response, now: float
    ) -> None:
        dialog = self._acknowledged(acks, transaction, response)
        transaction.keep(essence(transaction.request), lambda *heard: self._answered_again(acks, *heard))
        if call.phase is not Phase.CALLING:
            self._leaving.goodbye(dialog, now)
            return
        call.dialog = self._confirm(call, dialog)
        self._core.keep(call)
        call.client = None
        call.phase = Phase.CONFIRMED
        self._core.timers.stop(call.reminder)
        call.reminder = None
        if call.hang_up_wanted:  # it answered while our CANCEL was on its way
            self._leaving.bye(call, now)
            self._core.emit(Failed(call.key, 487, reason_for(487), None))
        else:
            call.note_abilities(response)
            self._refreshing.granted_by_them(call, response, now)
            self._core.emit(Answered(call.key, response))

    def _answered_again(self, acks: Acks, transaction: Transaction, message: Message | None, now: float) -> None:
        """The 2xx came again because our ACK was lost, or a fork answered second (section 13.2.2.4)."""
        assert isinstance(message, Response)
        if known := acks.get(message.to_tag):
            self._core.send(*known)
            return
        self._leaving.goodbye(self._acknowledged(acks, transaction, message), now)

    def _acknowledged(self, acks: Acks, transaction: Transaction, response: Response) -> Dialog:
        dialog = Dialog.of_answer(transaction.request, response, transaction.destination)
        acknowledge(self._core, acks, dialog, transaction.request)
        return dialog

    def _confirm(self, call: Call, dialog: Dialog) -> Dialog:
        """The dialog of a 2xx, with what its early one counted; the route is the 2xx's own (section 13.2.2.4)."""
        if early := call.early.get(dialog.remote_tag):
            dialog.local_sequence, dialog.remote_sequence = early.local_sequence, early.remote_sequence
        dialog.offering = Offering.STABLE
        if call.asked is not None:  # their UPDATE crossed their 200: it is answered in the dialog that stands
            call.asked = Asked(call.asked.transaction, dialog)
        call.early.clear()
        return dialog

    # -- CANCEL ---------------------------------------------------------------------------------------------------

    def cancel(self, call: Call, now: float, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Send CANCEL, or remember to: before a provisional response it must not go out (section 9.1)."""
        if call.phase is not Phase.CALLING or call.client is None or call.hang_up_wanted:
            return
        call.hang_up_wanted, call.farewell = True, headers
        if call.client.state is State.PROCEEDING:
            self._send_cancel(call, call.client, now)

    def _send_cancel(self, call: Call, invite: Transaction, now: float) -> None:
        if call.reminder is None:
            self._core.ask(cancel_of(invite.request, call.farewell), invite.destination, lambda *_heard: None, now)
            call.reminder = give_up_later(self._core, invite, now)


def acknowledge(core: Core, acks: Acks, dialog: Dialog, invite: Request) -> None:
    """Send the ACK of a 2xx and keep it for when the 2xx comes again."""
    credentials = [
        (name, value)
        for name in ("Authorization", "Proxy-Authorization")  # section 22.1: an ACK cannot be challenged
        for value in invite.lines(name)
    ]
    hop = dialog.next_hop()
    request = dialog.request("ACK", invite.cseq.number, core.new_via(hop), core.own_headers(credentials))
    acks[dialog.remote_tag] = (bytes(request), hop)
    core.send(*acks[dialog.remote_tag])
