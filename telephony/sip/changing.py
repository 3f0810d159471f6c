"""Changes of ours in a dialog: re-INVITE (RFC 3261 section 14.1), UPDATE (RFC 3311), and refreshes of the session by
either (RFC 4028)."""

from __future__ import annotations

from dataclasses import dataclass

from telephony.sip.asking import authorised
from telephony.sip.build import response_to, sdp_headers
from telephony.sip.call import Call, Phase
from telephony.sip.calling import Acks, acknowledge
from telephony.sip.core import Core
from telephony.sip.dialog import Dialog
from telephony.sip.events import RefreshDue, Responded
from telephony.sip.leaving import Leaving, ends_dialog
from telephony.sip.message import Message, Request, Response
from telephony.sip.offering import Offering
from telephony.sip.refreshing import Refreshing
from telephony.sip.transaction import Transaction

MOST_GLARES = 5
"""After so many 491 in a row the far side is not busy but stuck."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be said: an offer by ``method``, or an UPDATE with nothing but a refresh."""

    method: str
    body: bytes
    dialog: Dialog


class Changing:
    """Offers and refreshes of ours inside a dialog, until they are answered."""

    def __init__(self, core: Core, leaving: Leaving, refreshing: Refreshing) -> None:
        self._core = core
        self._leaving = leaving
        self._refreshing = refreshing

    def reinvite(self, call: Call, body: bytes, now: float) -> None:
        """Offer a new session; ``Responded`` tells how it went. Where an offer is under way, wait as after a 491."""
        if call.phase is Phase.CONFIRMED:
            call.glares = call.challenges = 0
            self._begin(call, Change("INVITE", body, call.dialog), now)

    def update(self, call: Call, body: bytes, now: float) -> bool:
        """The same by UPDATE, which is allowed before the answer too, once offer and answer have been made. Whether
        the far side can be told so."""
        dialog = call.dialog if call.phase is not Phase.CALLING else _settled(call)
        if "UPDATE" not in call.allows or call.phase in (Phase.ENDING, Phase.OVER):
            return False
        if dialog is None or (call.phase is not Phase.CONFIRMED and dialog.offering is not Offering.STABLE):
            return False
        call.glares = call.challenges = 0
        self._begin(call, Change("UPDATE", body, dialog), now)
        return True

    def refresh(self, call: Call, now: float) -> None:
        """Keep the session alive: by an UPDATE without an offer, or by whatever offer our user makes."""
        if "UPDATE" not in call.allows:
            self._core.emit(RefreshDue(call.key))
        elif call.change is None:  # otherwise a change is under way, and refreshes as well
            self._begin(call, Change("UPDATE", b"", call.dialog), now)

    # -- sent -----------------------------------------------------------------------------------------------------

    def _begin(self, call: Call, change: Change, now: float) -> None:
        if change.body and not _may_offer(call, change):
            self._wait(call, change, now)
            return
        dialog = change.dialog
        dialog.local_sequence += 1
        if change.body:
            dialog.offering = Offering.OURS
        hop = dialog.next_hop()
        headers = [("Contact", self._core.config.contact(hop)), *self._core.abilities()]
        headers += self._refreshing.wish(call) if call.phase is Phase.CONFIRMED else []
        headers = self._core.own_headers([*headers, *sdp_headers(change.body)])
        via = self._core.new_via(hop)
        self._send(call, change, dialog.request(change.method, dialog.local_sequence, via, headers, change.body), now)

    def _send(self, call: Call, change: Change, request: Request, now: float) -> None:
        acks: Acks = {}
        destination = change.dialog.next_hop()
        call.change = self._core.ask(request, destination, lambda *heard: self._heard(call, change, acks, *heard), now)

    def _wait(self, call: Call, change: Change, now: float) -> None:
        # Section 14.1: whoever made the Call-ID waits 2.1…4 s, the other up to 2 s, so they do not meet again.
        call.glares += 1
        chance = self._core.config.chance()
        wait = 2.1 + 1.9 * chance if call.outgoing else 2.0 * chance
        self._core.timers.stop(call.glare)
        call.glare = self._core.timers.start(now + wait, lambda again, at: self._begin(again, change, at), call)

    # -- heard ----------------------------------------------------------------------------------------------------

    def _heard(
        self, call: Call, change: Change, acks: Acks, transaction: Transaction, message: Message | None, now: float
    ) -> None:
        request = transaction.request
        response = message if isinstance(message, Response) else response_to(request, transaction.failure)
        if response.status < 200:
            return
        if response.status < 300 and not self._acknowledged(call, change, acks, transaction, response):
            return
        call.change = None
        change.dialog.offering = Offering.STABLE
        if call.phase not in (Phase.ENDING, Phase.OVER):
            self._settle(call, change, transaction, response, now)

    def _settle(self, call: Call, change: Change, transaction: Transaction, response: Response, now: float) -> None:
        if response.status == 491 and call.glares < MOST_GLARES:
            self._wait(call, change, now)
        elif (retry := self._retry(call, change, transaction.request, response)) is not None:
            change.dialog.local_sequence += 1
            self._send(call, change, retry, now)
        elif ends_dialog(response):
            self._leaving.lost(call, f"{response.status} to {change.method}", now)
        else:
            self._told(call, change, transaction, response, now)

    def _told(self, call: Call, change: Change, transaction: Transaction, response: Response, now: float) -> None:
        if 200 <= response.status < 300:
            call.note_abilities(response)
            if call.phase is Phase.CONFIRMED:
                self._refreshing.granted_by_them(call, response, now)
        elif change.method == "UPDATE" and response.status in (405, 501):
            call.allows -= {"UPDATE"}  # whatever its Allow says
            self.refresh(call, now)
        else:
            self._refreshing.refused(call, now)
        if change.body:
            self._core.emit(Responded(transaction.key, response, call.key))

    def _retry(self, call: Call, change: Change, request: Request, response: Response) -> Request | None:
        call.challenges += response.status in (401, 407)
        sequence = change.dialog.local_sequence + 1
        again = authorised(self._core, request, response, call.credentials, call.challenges, sequence)
        return again or self._refreshing.longer(call, request, response, sequence)

    def _acknowledged(
        self, call: Call, change: Change, acks: Acks, transaction: Transaction, response: Response
    ) -> bool:
        """Send the ACK where there is to be one; whether this 2xx is news."""
        if known := acks.get(response.to_tag):
            self._core.send(*known)
            return False
        change.dialog.refresh(response)
        if change.method == "INVITE":
            acknowledge(self._core, acks, change.dialog, transaction.request)
        return True


def _may_offer(call: Call, change: Change) -> bool:
    """One offer at a time, and no re-INVITE before the ACK (section 14.1)."""
    free = call.change is None and call.asked is None and change.dialog.offering is Offering.STABLE
    return free and (change.method == "UPDATE" or call.unacknowledged is None)


def _settled(call: Call) -> Dialog | None:
    """The early dialog in which offer and answer have been made last."""
    return next((dialog for dialog in [*call.early.values()][::-1] if dialog.offering is Offering.STABLE), None)
