"""A party asks us to hand the other one on: REFER (RFC 3515), blind or to whom it has consulted (RFC 5589, 3891)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from calls.phone import Phone
from telephony.sip.errors import SipParseError
from telephony.sip.grammar import parse_params
from telephony.sip.headers import NameAddr
from telephony.sip.message import Request
from telephony.sip.uri import Uri

FRAGMENT = "message/sipfrag;version=2.0"
EXPIRES = 180
"""Seconds that we keep telling how the transfer goes; ringing does not take longer."""

SCHEMES = ("sip", "sips", "tel")

Notify = Callable[[list[tuple[str, str]], bytes], object]
"""Sends a NOTIFY in the dialog of the REFER: headers, body (``FRAGMENT``)."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """The dialog that an attended transfer takes over (RFC 3891 section 6.1), as its receiver knows it."""

    call_id: str
    to_tag: str
    from_tag: str

    @classmethod
    def parse(cls, text: str) -> Replaced:
        """Read a Replaces header. Raises SipParseError."""
        call_id, semicolon, rest = text.partition(";")
        params = dict(parse_params(semicolon + rest, "Replaces"))
        to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
        if not call_id or not to_tag or not from_tag:
            raise SipParseError("Replaces", "needs a call-id, a to-tag and a from-tag")
        return cls(call_id.strip(), to_tag, from_tag)

    @property
    def keys(self) -> tuple[str, str]:
        """What our endpoint may call this dialog: our tag is the to-tag where we are the one that is replaced; some
        phones write the two the other way round."""
        return f"{self.call_id};{self.to_tag}", f"{self.call_id};{self.from_tag}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a REFER asks for."""

    uri: Uri
    replaced: Replaced | None

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
        replaced = Replaced.parse(wanted["replaces"]) if "replaces" in wanted else None
        return cls(uri, replaced)


class Referral:
    """An accepted REFER (``calls.Transfer``): whoever asked is told how it goes, and once how it went."""

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
