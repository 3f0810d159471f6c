"""An INVITE by which one of our people brings a call to another telephone: moved, picked up, handed over (RFC 3891).

It takes the way of a transfer: whoever joined the replaced leg to somebody is told, as of a REFER.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from telephony.admission import Refused
from telephony.sip.errors import SipParseError
from telephony.sip.message import Request
from telephony.sip.replaces import NotReplaced, Replaces

if TYPE_CHECKING:
    from telephony.leg import Leg
    from telephony.office import Office

MayTake = Callable[[str, str, str, bool], bool]
"""Whether a user may take a call from another: (who wants it, at whose phone it is, the call's id, whether it still
rings there)."""


def only_own(user: str, whose: str, call_id: str, ringing: bool) -> bool:
    """Nobody takes anybody else's call."""
    return user == whose


def wanted_leg(office: Office, request: Request, user: str, may_take: MayTake) -> Leg:
    """The leg whose place the INVITE of ``user`` wants. Raises Refused: 403 where it is not ``user``'s to take."""
    try:
        key = office.sip.endpoint.replaced(request.once("Replaces", Replaces.parse))
    except NotReplaced as error:
        raise Refused(error.status, "not_replaced", error.reason) from None
    except SipParseError as error:
        raise Refused(400, "malformed", f"{error.where} {error.problem}") from None
    leg = office.legs.get(key)
    if leg is None:
        raise Refused(481, "not_replaced", "no such dialog to be replaced")
    if not leg.house or not leg.user or not may_take(user, leg.user, leg.for_call or leg.id, not leg.answered):
        raise Refused(403, "not_replaced", "this call is not yours to take")
    return leg
