"""Who a called party sees: From and the headers that go with it, as each neighbour wants them."""

from __future__ import annotations

from dataclasses import dataclass

from calls.numbers import PhoneNumber
from telephony.sip.headers import NameAddr
from telephony.sip.uri import Uri
from telephony.trunking.rewriting import rewrite
from telephony.trunking.trunk import Presentation

ANONYMOUS = Uri(user="anonymous", host="anonymous.invalid")
"""RFC 3323 section 4.1.1.3."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the rung phone displays. ``number`` None is shown as anonymous."""

    number: PhoneNumber | None
    name: str = ""


def identity(shown: Shown, host: str, presents: Presentation) -> tuple[NameAddr, list[tuple[str, str]]]:
    """From, and what goes with it: P-Asserted-Identity (RFC 3325), and Privacy (RFC 3323) for a withheld number.

    A withheld number is asserted nowhere: what stands in a header is what somebody on the way may read.
    """
    host = presents.domain or host
    own = NameAddr(Uri(user=presents.own, host=host)) if presents.own else None
    if shown.number is None and own is None:
        return NameAddr(ANONYMOUS, shown.name or "Anonymous"), [("Privacy", "id")]
    if shown.number is None or (own is not None and not presents.passes_caller):
        assert own is not None
        visible, asserted = NameAddr(own.uri, shown.name), own
    else:
        number = rewrite(shown.number.digits, presents.rules)
        visible = asserted = NameAddr(Uri(user=number, host=host), shown.name)
    if presents.account:
        visible = NameAddr(Uri(user=presents.account, host=host), visible.display)
    return visible, [("P-Asserted-Identity", str(asserted))] if presents.asserts else []
