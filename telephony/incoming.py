"""What an INVITE says about who calls whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from calls.phone import Phone
from telephony.diversion import HIDDEN
from telephony.sip.errors import SipParseError
from telephony.sip.headers import NameAddr
from telephony.sip.message import Request
from telephony.trunking.rewriting import Rule, rewrite

_SEPARATORS = str.maketrans("", "", "-.() ")  # RFC 3966 section 5.1.1: they carry no meaning


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """An accepted INVITE. ``phone`` is the caller's; its ``id`` is a UUID: take it as ``Call.id``, so that
    ``Exchange.ring`` knows whose codec to offer first."""

    trunk: str
    """The trunk's name, or ``phones`` for a call from one of our own phones."""
    called: str = field(repr=False)
    """The number as it stands in the configuration; where one of our own people calls, whatever was dialled."""
    calling: str = field(repr=False)
    """The caller's number as it came; empty when withheld."""
    withheld: bool
    display_name: str = field(repr=False)
    sip_call_id: str
    phone: Phone
    user: str = ""
    """The user of ours whose phone calls; empty for a trunk."""
    diverted_from: str = field(default="", repr=False)
    """The number that the caller dialled, where the call was passed on from it to us; empty otherwise."""


@dataclass(frozen=True, slots=True)
class Calling:
    """Who an INVITE says is calling."""

    number: str = field(default="", repr=False)
    display_name: str = field(default="", repr=False)

    @property
    def withheld(self) -> bool:
        return not self.number


def calling(request: Request, *, trusted: bool = True, rules: Iterable[Rule] = ()) -> Calling:
    """P-Asserted-Identity where there is one and its sender is ``trusted`` (RFC 3325 section 5), From otherwise;
    nothing where the caller asked for privacy (RFC 3323 section 4.2, RFC 3325 section 9.3). Raises SipParseError."""
    wishes = {word.strip().lower() for value in request.values("Privacy") for word in value.split(";")}
    if wishes & {"id", "user", "header"}:
        return Calling()
    values = request.values("P-Asserted-Identity") if trusted else []
    asserted = [NameAddr.parse(text, "P-Asserted-Identity") for text in values]
    for address in (*asserted, request.from_):
        number = address.uri.user.partition(";")[0]
        if address.uri.scheme in ("sip", "sips", "tel") and number.lower() not in HIDDEN:
            return Calling(rewrite(number, rules), address.display)
    return Calling()


class Numbers:
    """The called numbers that are ours, found also where a trunk writes them a little differently."""

    def __init__(self, numbers: Iterable[str]) -> None:
        self._known = {_bare(number): number for number in numbers}

    def find(self, request: Request, rules: Iterable[Rule] = (), account: str = "") -> str | None:
        """The configured spelling of the Request-URI's user, or None. ``+86…``, ``0086…`` and ``86…`` are one.

        A carrier with which we registered as ``account`` calls that, and the number stands in To.
        """
        try:
            user = request.uri.user.partition(";")[0]
            if account and user == account and _bare(user) not in self._known:
                user = request.to.uri.user.partition(";")[0]
        except SipParseError:
            return None
        return self._known.get(_bare(rewrite(user, rules)))


def _bare(number: str) -> str:
    digits = number.translate(_SEPARATORS)
    if digits.startswith("+"):
        return digits[1:]
    # 00 is the international prefix only before a whole international number; 0012 may be somebody's extension.
    return digits[2:] if digits.startswith("00") and len(digits) > 9 else digits
