"""What the far side asks for inside a leg's dialog, and how it is answered (RFC 3261 section 12.2.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telephony import messages, sdp
from telephony.keys import Way, key_of
from telephony.referring import refer
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Requested
from telephony.sip.message import Request

if TYPE_CHECKING:
    from telephony.leg import Leg
    from telephony.office import Office


def reinvited(leg: Leg, endpoint: Endpoint, request: Request, now: float) -> None:
    """A new offer, or a wish for ours: agreed to, or refused, and then the call goes on as it was (section 14.2)."""
    if leg.audio is None:
        endpoint.reject_reinvite(leg.call, 491, now)  # our own answer is still on its way
        return
    try:
        body = leg.offers.answer_to(request.body) if request.body else leg.offers.offer()
    except sdp.SdpError:
        endpoint.reject_reinvite(leg.call, 400, now)
    except sdp.NotAcceptable:
        endpoint.reject_reinvite(leg.call, 488, now)
    else:
        endpoint.accept_reinvite(leg.call, body, now)


def requested(leg: Leg, office: Office, event: Requested) -> None:
    """Any other request."""
    endpoint, now = office.sip.endpoint, office.sip.now()
    match event.request.method:
        case "INFO":
            key = key_of(event.request)
            if key is not None:
                leg.pressed(key, Way.INFO)
            endpoint.respond(event.transaction, 200 if key is not None else 415, now)
        case "REFER":
            refer(leg, office, event)
        case "MESSAGE":
            messages.within_dialog(leg, event, endpoint, now)
        case "OPTIONS" | "NOTIFY":  # a NOTIFY of a subscription that has just ended
            endpoint.respond(event.transaction, 200, now)
        case _:
            endpoint.respond(event.transaction, 501, now)
