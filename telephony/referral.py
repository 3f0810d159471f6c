"""A party asks us to hand the other one on: REFER (RFC 3515), blind or to whom it has consulted (RFC 5589, 3891); or
another telephone comes and takes the party's place (RFC 3891)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from calls.call import Hangup, Side
from calls.phone import Phone
from telephony.sip.errors import SipParseError
from telephony.sip.headers import NameAddr
from telephony.sip.message import Request
from telephony.sip.replaces import Replaces
from telephony.sip.uri import Uri

if TYPE_CHECKING:
    from telephony.leg import Leg

FRAGMENT = "message/sipfrag;version=2.0"
EXPIRES = 180
"""Seconds that we keep telling how the transfer goes; ringing does not take longer."""

SCHEMES = ("sip", "sips", "tel")

Notify = Callable[[list[tuple[str, str]], bytes], object]
"""Sends a NOTIFY in the dialog of the REFER: headers, body (``FRAGMENT``)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a REFER asks for."""

    uri: Uri
    replaced: Replaces | None

    @classmethod
    def read(cls, request: Request) -> Wish:
        """Exactly one Refer-To (RFC 3515 section 2.4.1), that a telephone can be rung by. Raises SipParseError."""
        values = request.values("Refer-To")
        if len(values) != 1:
            raise SipParseError("Refer-To", f"there must be one, and there are {len(values)}")
        uri = NameAddr.parse(values[0], "Refer-To").uri
        if uri.scheme not in SCHEMES:
            raise SipParseError("Refer-To", f"{uri.scheme}: is nothing to be rung, sip:, sips: and tel: are", 416)
        wanted = {name.lower(): value for name, value in parse_qsl(uri.headers)}
        replaced = Replaces.parse(wanted["replaces"]) if "replaces" in wanted else None
        return cls(uri, replaced)


class Referral:
    """An accepted REFER (``calls.Transfer``): whoever asked is told how it goes, and once how it went."""

    arrived: Phone | None = None
    instead: Phone | None = None

    def __init__(
        self, target: str, by: str, sequence: int, notify: Notify | None, consulted: Phone | None = None
    ) -> None:
        self.target, self.by, self.consulted = target, by, consulted
        self.over = False
        """Whoever asked has been told how it went: the next wish may come."""
        self._event = f"refer;id={sequence}"
        self._notify = notify

    def trying(self) -> None:
        """The first NOTIFY goes out at once (section 2.4.4)."""
        self._tell(100, "Trying", f"active;expires={EXPIRES}")

    def succeeded(self) -> None:
        """The other party is with the target."""
        self._end(200, "OK")

    def failed(self, status: int, reason: str = "") -> None:
        """The target was not reached: whoever asked still has the other party."""
        self._end(status, reason or "Failed")

    def _end(self, status: int, reason: str) -> None:
        if not self.over:
            self.over = True
            self._tell(status, reason, "terminated;reason=noresource")

    def _tell(self, status: int, reason: str, state: str) -> None:
        if self._notify is not None:
            headers = [("Event", self._event), ("Subscription-State", state)]
            self._notify(headers, f"SIP/2.0 {status} {reason}\r\n".encode())


class Arrival:
    """A phone that wants the place of another one in a talk (``calls.Transfer``). Its answer is our 200."""

    consulted: Phone | None = None

    def __init__(self, arrived: Leg, instead: Leg) -> None:
        self.target, self.by = arrived.user, instead.user
        self.arrived: Phone | None = arrived
        self.instead: Phone | None = instead
        self._leg = arrived

    @property
    def over(self) -> bool:
        """It has been answered or refused, or has given up."""
        return self._leg.answered or self._leg.hangup is not None

    def succeeded(self) -> None:
        """It knows by our 200."""

    def failed(self, status: int, reason: str = "") -> None:
        """The call stays where it was."""
        self._leg.release(Hangup(Side.HOTLINE, status, reason), refuse_with=status)
