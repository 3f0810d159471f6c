"""re-INVITEs of ours (RFC 3261 section 14.1)."""

from __future__ import annotations

from telephony.sip.asking import authorised
from telephony.sip.build import response_to, sdp_headers
from telephony.sip.call import Call, Phase
from telephony.sip.calling import Acks, acknowledge
from telephony.sip.core import Core
from telephony.sip.events import Responded
from telephony.sip.leaving import Leaving, ends_dialog
from telephony.sip.message import Message, Request, Response
from telephony.sip.transaction import Transaction

MOST_GLARES = 5
"""After so many 491 in a row the far side is not busy but stuck."""


class Changing:
    """Offers of ours inside a dialog, until they are answered."""

    def __init__(self, core: Core, leaving: Leaving) -> None:
        self._core = core
        self._leaving = leaving

    def reinvite(self, call: Call, body: bytes, now: float) -> None:
        """Offer a new session; ``Responded`` tells how it went. Where an offer is under way, wait as after a 491."""
        if call.phase is not Phase.CONFIRMED:
            return
        call.glares = call.challenges = 0
        self._offer(call, body, now)

    def _offer(self, call: Call, body: bytes, now: float) -> None:
        call.reminder = None
        if call.client is not None or call.server is not None or call.unacknowledged is not None:
            self._wait(call, body, now)
            return
        dialog = call.dialog
        dialog.local_sequence += 1
        headers = [("Contact", self._core.config.contact(dialog.next_hop())), *sdp_headers(body)]
        headers = self._core.own_headers(headers)
        via = self._core.new_via(dialog.next_hop())
        self._send(call, dialog.request("INVITE", dialog.local_sequence, via, headers, body), now)

    def _send(self, call: Call, request: Request, now: float) -> None:
        acks: Acks = {}
        destination = call.dialog.next_hop()
        call.client = self._core.ask(request, destination, lambda *heard: self._heard(call, acks, *heard), now)

    def _heard(
        self, call: Call, acks: Acks, transaction: Transaction, message: Message | None, now: float
    ) -> None:
        request = transaction.request
        response = message if isinstance(message, Response) else response_to(request, transaction.failure)
        if response.status < 200:
            return
        if response.status < 300 and not self._acknowledged(call, acks, transaction, response):
            return
        call.client = None
        if call.phase is not Phase.CONFIRMED:
            return
        if response.status == 491 and call.glares < MOST_GLARES:
            self._wait(call, request.body, now)
            return
        call.challenges += response.status in (401, 407)
        sequence = call.dialog.local_sequence + 1
        retry = authorised(self._core, request, response, call.credentials, call.challenges, sequence)
        if retry is not None:
            call.dialog.local_sequence = sequence
            self._send(call, retry, now)
        elif ends_dialog(response):
            self._leaving.lost(call, f"{response.status} to INVITE", now)
        else:
            self._core.emit(Responded(transaction.key, response, call.key))

    def _acknowledged(self, call: Call, acks: Acks, transaction: Transaction, response: Response) -> bool:
        """Send the ACK; whether this 2xx is news."""
        if known := acks.get(response.to_tag):
            self._core.send(*known)
            return False
        call.dialog.refresh(response)
        acknowledge(self._core, acks, call.dialog, transaction.request)
        return True

    def _wait(self, call: Call, body: bytes, now: float) -> None:
        # Section 14.1: whoever made the Call-ID waits 2.1…4 s, the other up to 2 s, so they do not meet again.
        call.glares += 1
        chance = self._core.config.chance()
        wait = 2.1 + 1.9 * chance if call.outgoing else 2.0 * chance
        self._core.timers.stop(call.reminder)
        call.reminder = self._core.timers.start(now + wait, lambda again, at: self._offer(again, body, at), call)
