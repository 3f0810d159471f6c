"""Which INVITEs become calls. Asked in this order: where does it come from, whom does it call, can we talk?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from calls.phone import user_of
from media.engine import Codec
from telephony import sdp
from telephony.config import TelephonyConfig
from telephony.diversion import originally_called
from telephony.incoming import Calling, Numbers, calling
from telephony.phones import PhoneAccount, Phones
from telephony.sip.address import Address
from telephony.sip.errors import SipParseError
from telephony.sip.gruu import target_of
from telephony.sip.message import Request
from telephony.sip.uri import bracketed
from telephony.trunking import Trunks

DIALLING = frozenset({"agent", "supervisor"})
"""Kinds of phones that may dial anything, and have calls handed on; the others only our numbers."""
PHONES = "phones"
"""The name that stands for the trunk when one of our own phones calls."""


class Refused(Exception):
    """The INVITE is answered with ``status``; ``counter`` is counted."""

    def __init__(
        self, status: int, counter: str, reason: str = "", headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.status, self.counter, self.reason, self.headers = status, counter, reason, headers
        super().__init__(f"{status} {reason}")


@dataclass(frozen=True, slots=True)
class Admitted:
    """What an accepted INVITE says. ``offered`` and ``agreed`` are None when it came without SDP."""

    trunk: str
    account: PhoneAccount | None
    """Whose phone it is that calls; None for a trunk."""
    codecs: tuple[Codec, ...]
    called: str
    calling: Calling
    diverted_from: str
    """The number that was called first, where the call was passed on to us; or empty."""
    offered: sdp.Session | None
    agreed: sdp.Agreed | None
    secured: bool
    """Nothing but SRTP will do."""


class Admission:
    """The doorkeeper."""

    def __init__(self, config: TelephonyConfig, trunks: Trunks, phones: Phones, counters: Counter[str]) -> None:
        self._config, self._trunks, self._phones, self._counters = config, trunks, phones, counters
        self._numbers = Numbers(config.numbers)

    def stranger(self, request: Request, source: Address) -> int | None:
        """403 for whoever is neither a trunk nor one of our phones: answered without keeping any state."""
        if request.method == "REGISTER":  # its digest says who it is
            return None
        if self._trunks.sender(request, source) is not None or self._phones.is_flow(source):
            return None
        self._counters["refused_stranger"] += 1
        return 403

    def from_trunk(self, source: Address) -> bool:
        """Whether a trunk sends from there: its calls are let in, whatever they say."""
        return self._trunks.of(source) is not None

    def decide(self, request: Request, source: Address, now: float) -> Admitted:
        """Read an INVITE. Raises Refused."""
        taking = bool(request.lines("Replaces"))
        try:
            trunk, account = self._trunks.sender(request, source), None
            if trunk is not None:
                name, codecs, secured = trunk.name, trunk.codecs, trunk.secured
                who = calling(request, trusted=trunk.trusted, rules=trunk.caller_in)
                called = self._numbers.find(request, trunk.called_in, trunk.user)
            else:
                name, codecs, secured = PHONES, self._config.codecs, self._config.secured
                account = self._phone(request, now)
                who = Calling(account.number or account.user, account.display_name)
                called = self._numbers.find(request) or _anything(request, account)
                self._one_phone(called or "")
            if taking and (account is None or account.kind not in DIALLING):
                raise Refused(403, "not_replaced", "only our own phones take calls over")
            if called is None and not taking:
                raise Refused(404, "unknown_number")
            offered, agreed = self._offer(request, codecs, secured)
        except SipParseError as error:
            raise Refused(400, "malformed", f"{error.where} {error.problem}"[:100]) from None
        return Admitted(name, account, codecs, called or "", who, originally_called(request), offered, agreed, secured)

    def _phone(self, request: Request, now: float) -> PhoneAccount:
        """The account whose password signed the request (RFC 3261 section 22.3)."""
        found = self._phones.authenticate(request, now)
        if not isinstance(found, PhoneAccount):
            raise Refused(407, "challenged", headers=found)
        return found

    def _one_phone(self, called: str) -> None:
        """Of a telephone that is called by its GRUU, whether it is there (RFC 5627 section 5.5). Raises Refused."""
        if user_of(called) != called and not self._phones.reachable(called):
            known = self._phones.knows(called)
            raise Refused(480 if known else 404, "unreachable_phone" if known else "unknown_number")

    def _offer(
        self, request: Request, codecs: Sequence[Codec], secured: bool
    ) -> tuple[sdp.Session | None, sdp.Agreed | None]:
        if not request.body:
            return None, None
        if request.get("Content-Type").partition(";")[0].strip().lower() != "application/sdp":
            raise Refused(415, "no_sdp", headers=(("Accept", "application/sdp"),))
        try:
            offered = sdp.parse(request.body)
            noise, families = self._config.comfort_noise, self._config.families
            return offered, sdp.negotiate(offered, codecs, families=families, comfort_noise=noise, secured=secured)
        except sdp.SdpError as error:
            raise Refused(400, "malformed_sdp", str(error)) from None
        except sdp.NotAcceptable as error:
            warning = error.warning(bracketed(self._config.contact_host))
            raise Refused(488, "no_codec", headers=(("Warning", warning),)) from None


def _anything(request: Request, account: PhoneAccount) -> str | None:
    """What one of our own people dialled. Raises SipParseError."""
    return target_of(request.uri) or None if account.kind in DIALLING else None
