"""The registrar (RFC 3261 section 10.3): which phone is reached where, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from telephony.sip.address import Address
from telephony.sip.digest import Account, DigestServer, Verdict
from telephony.sip.errors import SipParseError
from telephony.sip.grammar import number
from telephony.sip.headers import Contact
from telephony.sip.message import Request
from telephony.sip.uri import Uri

__all__ = ["Account", "Binding", "RegisterReply", "Registrar"]


@dataclass(frozen=True, slots=True)
class Binding:
    """One place where a user is reached: ``contact`` is the Request-URI, ``source`` where the datagram goes, because
    a phone behind NAT is reached only the way it came. ``expires`` is a monotonic time in seconds."""

    user: str
    contact: Uri
    source: Address
    expires: float
    call_id: str
    sequence: int
    q: float = 1.0


@dataclass(frozen=True, slots=True)
class RegisterReply:
    """What to answer; ``changed`` whether the bindings of ``user`` are other than before."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    changed: bool = False
    user: str = ""


class Registrar:
    """Keeps bindings in memory. Times to live are seconds; what is asked below ``shortest`` gets 423."""

    def __init__(
        self,
        realm: str,
        secret: bytes,
        lookup: Callable[[str], Account | None],
        *,
        shortest: int = 60,
        longest: int = 3600,
        most_contacts: int = 10,
        digest: DigestServer | None = None,
    ) -> None:
        self._digest = digest or DigestServer(realm, secret, lookup)
        self._shortest, self._longest, self._most = shortest, longest, most_contacts
        self._bindings: dict[str, dict[str, Binding]] = {}
        self._next: float | None = None

    def handle(self, request: Request, source: Address, now: float) -> RegisterReply:
        """Answer a REGISTER: the status and the headers of the response."""
        checked = self._digest.check(request, now)
        if checked.account is None:
            stale = checked.verdict is Verdict.STALE
            software = request.get("User-Agent")
            return RegisterReply(401, tuple(self._digest.challenge(now, stale=stale, user_agent=software)))
        user = checked.account.user
        try:
            if request.to.uri.user != user:
                return RegisterReply(403)  # section 10.3 step 4: nobody registers for another
            return self._update(user, request, source, now)
        except SipParseError as error:
            return RegisterReply(error.status)

    def contacts(self, user: str, now: float) -> list[Binding]:
        """Where a user is reached, the preferred and then the latest first."""
        found = [item for item in self._bindings.get(user, {}).values() if item.expires > now]
        return sorted(found, key=lambda item: (-item.q, -item.expires))

    def load(self, bindings: Iterable[Binding]) -> None:
        """Take over bindings that were kept elsewhere."""
        for binding in bindings:
            others = self._bindings.get(binding.user, {})
            self._store(binding.user, {**others, str(binding.contact): binding})

    def deadline(self) -> float | None:
        """When ``expire`` is worth a call, or None: not later than the next binding expires."""
        return self._next

    def expire(self, now: float) -> list[str]:
        """Drop what has expired; the users who lost a binding."""
        touched = []
        for user, each in list(self._bindings.items()):
            kept = {key: item for key, item in each.items() if item.expires > now}
            if len(kept) < len(each):
                touched.append(user)
                self._store(user, kept)
        self._next = min((item.expires for each in self._bindings.values() for item in each.values()), default=None)
        return touched

    # -- steps 5 to 8 of section 10.3 -----------------------------------------------------------------------------

    def _update(self, user: str, request: Request, source: Address, now: float) -> RegisterReply:
        old = {key: item for key, item in self._bindings.get(user, {}).items() if item.expires > now}
        new = dict(old)
        asked = request.lines("Expires")
        default = number(asked[0], "Expires") if asked else None
        contacts = request.contacts
        if "*" in request.values("Contact"):
            if contacts or default != 0:
                raise SipParseError("Contact", "* stands alone and with Expires: 0")
            if any(_out_of_order(item, request) for item in old.values()):
                return RegisterReply(500, user=user)
            new.clear()
        for contact in contacts:
            lasts = self._lifetime(contact, default)
            if 0 < lasts < self._shortest:
                return RegisterReply(423, (("Min-Expires", str(self._shortest)),), user=user)
            before = next((key for key, item in new.items() if item.contact.matches(contact.uri)), None)
            if before is not None and _out_of_order(new[before], request):
                return RegisterReply(500, user=user)  # step 7: nothing at all is changed
            if before is not None:
                del new[before]
            if lasts:
                sequence = request.cseq.number
                binding = Binding(user, contact.uri, source, now + lasts, request.call_id, sequence, contact.q)
                new[str(contact.uri)] = binding
        if len(new) > self._most:
            return RegisterReply(403, user=user)
        self._store(user, new)
        changed = {(key, item.source) for key, item in new.items()} != {(key, item.source) for key, item in old.items()}
        return RegisterReply(200, tuple(self._listed(user, now)), changed, user)

    def _lifetime(self, contact: Contact, default: int | None) -> int:
        asked = contact.expires
        if asked is None:
            asked = self._longest if default is None else default
        if asked and contact.uri.scheme not in ("sip", "sips"):
            raise SipParseError("Contact", "must be a sip: or sips: URI")
        return min(asked, self._longest)

    def _listed(self, user: str, now: float) -> list[tuple[str, str]]:
        return [
            ("Contact", f"<{item.contact}>;expires={round(item.expires - now)}") for item in self.contacts(user, now)
        ]

    def _store(self, user: str, bindings: dict[str, Binding]) -> None:
        if bindings:
            self._bindings[user] = bindings
            soonest = min(item.expires for item in bindings.values())
            self._next = soonest if self._next is None else min(soonest, self._next)
        else:
            self._bindings.pop(user, None)


def _out_of_order(binding: Binding, request: Request) -> bool:
    return binding.call_id == request.call_id and request.cseq.number <= binding.sequence
