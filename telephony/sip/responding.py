"""Responses of ours inside a call: what they say beside their status (RFC 3261 sections 12.1.1 and 13.3.1)."""

from __future__ import annotations

from collections.abc import Sequence

from telephony.sip.build import sdp_headers
from telephony.sip.call import Call
from telephony.sip.core import Core
from telephony.sip.message import Response
from telephony.sip.transaction import Transaction


def respond(
    core: Core,
    call: Call,
    transaction: Transaction,
    status: int,
    now: float,
    body: bytes = b"",
    reason: str = "",
    headers: Sequence[tuple[str, str]] = (),
) -> Response:
    """Answer the far side's request in ``call``, and return what was said; ``body`` is an SDP."""
    more, request = list(headers), transaction.request
    if status < 300:  # what makes or refreshes a dialog says where we are
        contact = core.config.contact(transaction.destination)
        if request.method == "INVITE":
            more += (("Record-Route", route) for route in request.lines("Record-Route"))
        more.append(("Contact", contact))
        more += core.abilities()  # before the answer, too: what is allowed early (RFC 3311 section 5.1)
    more += sdp_headers(body)
    return core.respond(transaction, status, now, reason=reason, tag=call.dialog.local_tag, headers=more, body=body)
