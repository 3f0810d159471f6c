"""Text messages between our phones (MESSAGE, RFC 3428): passed on where the other phone is, with its own answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telephony.phones import PhoneAccount, Phones
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Requested, Responded
from telephony.sip.headers import NameAddr
from telephony.sip.message import Request
from telephony.sip.uri import Uri

if TYPE_CHECKING:
    from telephony.leg import Leg

LONGEST = 1300
"""Bytes of a message that may go where nobody knows how wide the way is (section 8)."""


class Messages:
    """Those on their way, by the transaction in which we passed each on."""

    def __init__(self, phones: Phones, host: str) -> None:
        self._phones, self._host = phones, host
        self._on_their_way: dict[str, str] = {}

    def take(self, event: Requested, endpoint: Endpoint, now: float) -> None:
        """A message outside a dialog: only our own phones may send one, and only to each other."""
        request = event.request
        sender = self._phones.authenticate(request, now)
        if not isinstance(sender, PhoneAccount):
            endpoint.respond(event.transaction, 407, now, headers=sender)
            return
        places = self._phones.places(request.uri.user)
        place = next((each for each in places if each.destination is not None), None)
        if len(request.body) > LONGEST:
            endpoint.respond(event.transaction, 413, now)
        elif not self._phones.knows(request.uri.user):
            endpoint.respond(event.transaction, 404, now)
        elif place is None or place.destination is None:
            endpoint.respond(event.transaction, 480, now)
        else:
            onward = endpoint.send_request(
                "MESSAGE", place.uri, place.destination, headers=_content(request), body=request.body, now=now,
                from_=NameAddr(Uri(user=sender.user, host=self._host), sender.display_name),
            )
            self._on_their_way[onward] = event.transaction

    def answered(self, event: Responded, endpoint: Endpoint, now: float) -> None:
        """What the other phone said."""
        waiting = self._on_their_way.pop(event.transaction, None)
        if waiting is not None:
            endpoint.respond(waiting, event.response.status, now)


def within_dialog(leg: Leg, event: Requested, endpoint: Endpoint, now: float) -> None:
    """A message in a call: for the other party, where that is at a phone of ours too. 202: it is on its way."""
    request, peer = event.request, leg.peer
    if not leg.user:
        endpoint.respond(event.transaction, 403, now)
    elif len(request.body) > LONGEST:
        endpoint.respond(event.transaction, 413, now)
    elif peer is None or not peer.user:
        endpoint.respond(event.transaction, 404, now, "nobody here reads messages")
    else:
        kind = request.get("Content-Type")
        sent = endpoint.request(peer.call, "MESSAGE", now, body=request.body, content_type=kind)
        endpoint.respond(event.transaction, 202 if sent else 480, now)


def _content(request: Request) -> list[tuple[str, str]]:
    kind = request.get("Content-Type")
    return [("Content-Type", kind)] if kind else []
