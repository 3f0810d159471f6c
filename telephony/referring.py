"""A REFER inside a leg's dialog: may it, whom does it mean, and who is told how it goes (RFC 3515 section 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calls.call import Side
from telephony.referral import FRAGMENT, Referral, Wish
from telephony.sip.errors import SipParseError
from telephony.sip.events import Requested
from telephony.sip.gruu import target_of

if TYPE_CHECKING:
    from telephony.leg import Leg
    from telephony.office import Office


def refer(leg: Leg, office: Office, event: Requested) -> None:
    """Answer it, and hand the wish to whoever joined ``leg`` to another party.

    Only whom we rang, or one of our own phones, may have calls made: a caller from a trunk who could would telephone at
    our expense.
    """
    endpoint, now = office.sip.endpoint, office.sip.now()
    try:
        wish = Wish.read(event.request)
    except SipParseError as error:
        endpoint.respond(event.transaction, error.status, now, f"{error.where}: {error.problem}")
        return
    asked, consulted = _joining(leg, _consulted(office, wish))
    if leg.referred is None or asked.referred is None:
        endpoint.respond(event.transaction, 603, now, "nobody to be transferred")
        return
    if any(each.wish is not None and not each.wish.over for each in (leg, asked)):
        endpoint.respond(event.transaction, 491, now, "a transfer is under way")
        return
    quiet = event.request.get("Refer-Sub").strip().lower() == "false"  # RFC 4488 section 4
    endpoint.respond(event.transaction, 202, now, headers=[("Refer-Sub", "false")] if quiet else ())

    def notify(headers: list[tuple[str, str]], body: bytes) -> None:
        endpoint.request(leg.call, "NOTIFY", office.sip.now(), headers, body, FRAGMENT)
        office.sip.flush()

    target = _named(office, leg.offers.far, wish)
    sequence = event.request.cseq.number
    leg.wish = asked.wish = referral = Referral(target, leg.user, sequence, None if quiet else notify, consulted)
    referral.trying()
    if wish.replaced is not None and consulted is None:
        # Not as our answer: a 481 to its request would tell the phone that its own dialog is gone (RFC 3261 section
        # 12.2.1.2), and with it the other party.
        referral.failed(481, "no such dialog to be replaced")
    else:
        asked.referred(referral)


def _joining(leg: Leg, consulted: Leg | None) -> tuple[Leg, Leg | None]:
    """In which of a phone's two calls the wish is granted, and whom that party is handed to by the other one. It may be
    said in either (RFC 5589 section 7.3): the call that goes on is the one that came to the phone, and not the one that
    it made to consult somebody."""
    if consulted is not None and leg.side is Side.CALLER and consulted.side is not Side.CALLER:
        return consulted, leg
    return leg, consulted


def _consulted(office: Office, wish: Wish) -> Leg | None:
    keys = wish.replaced.keys if wish.replaced is not None else ()
    return next((office.legs[key] for key in keys if key in office.legs), None)


def _named(office: Office, far: str, wish: Wish) -> str:
    """The target as ``Exchange.ring`` takes it: a user or telephone of ours, or the whole URI of somebody elsewhere."""
    config, uri = office.config, wish.uri
    ours = (config.realm, config.contact_host, config.host_towards(far))
    return target_of(uri) if uri.scheme == "tel" or uri.literal in ours else str(uri._replace(headers=""))
