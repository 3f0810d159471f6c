"""Text messages between our phones (MESSAGE, RFC 3428): passed on where the other phone is, with its own answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telephony.phones import PhoneAccount, Phones
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Requested, Responded
from telephony.sip.gruu import target_of
from telephony.sip.headers import NameAddr
from telephony.sip.message import Request
from telephony.sip.uri import Uri

if TYPE_CHECKING:
    from telephony.leg import Leg

LONGEST = 1300
"""Bytes of a message that may go where nobody knows how wide the way is (section 8)."""


class Relayed:
    """Messages on their way, by the transaction in which we passed each on: its answer goes back to the sender."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}

    def passed_on(self, onward: str, transaction: str) -> None:
        """What came in ``transaction`` has gone out in ``onward``."""
        self._waiting[onward] = transaction

    def answered(self, event: Responded, endpoint: Endpoint, now: float) -> None:
        """What the other phone said."""
        transaction = self._waiting.pop(event.transaction, None)
        if transaction is not None:
            endpoint.respond(transaction, event.response.status, now)


class Messages(Relayed):
    """Those outside dialogs."""

    def __init__(self, phones: Phones, host: str) -> None:
        super().__init__()
        self._phones, self._host = phones, host

    def take(self, event: Requested, endpoint: Endpoint, now: float) -> None:
        """A message outside a dialog: only our own phones may send one, and only to each other."""
        request = event.request
        sender = self._phones.authenticate(request, now)
        if not isinstance(sender, PhoneAccount):
            endpoint.respond(event.transaction, 407, now, headers=sender)
            return
        target = target_of(request.uri)
        places = self._phones.places(target)
        place = next((each for each in places if each.destination is not None), None)
        if len(request.body) > LONGEST:
            endpoint.respond(event.transaction, 413, now)
        elif not self._phones.knows(target):
            endpoint.respond(event.transaction, 404, now)
        elif place is None or place.destination is None:
            endpoint.respond(event.transaction, 480, now)
        else:
            onward = endpoint.send_request(
                "MESSAGE", place.uri, place.destination, headers=_content(request), body=request.body, now=now,
                from_=NameAddr(Uri(user=sender.user, host=self._host), sender.display_name),
            )
            self.passed_on(onward, event.transaction)


def within_dialog(leg: Leg, event: Requested, endpoint: Endpoint, now: float) -> None:
    """A message in a call: for the other party, where that is at a phone of ours too; its answer comes back."""
    request, peer = event.request, leg.peer
    if not leg.user:
        endpoint.respond(event.transaction, 403, now)
    elif len(request.body) > LONGEST:
        endpoint.respond(event.transaction, 413, now)
    elif peer is None:
        endpoint.respond(event.transaction, 480, now, "nobody is in this call")
    elif not peer.user:  # RFC 3261 section 21.4.6: understood, and not allowed for who is called here
        allowed = [method for method in endpoint.config.allow if method != "MESSAGE"]
        endpoint.respond(event.transaction, 405, now, headers=[("Allow", ", ".join(allowed))])
    else:
        onward = endpoint.request(peer.call, "MESSAGE", now, _content(request), request.body)
        if onward is None:
            endpoint.respond(event.transaction, 480, now)
        else:
            peer.messages.passed_on(onward, event.transaction)


def _content(request: Request) -> list[tuple[str, str]]:
    kind = request.get("Content-Type")
    return [("Content-Type", kind)] if kind else []
