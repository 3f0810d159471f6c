"""The registrar (RFC 3261 section 10.3): which phone is reached where, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from telephony.sip.address import Address
from telephony.sip.bindings import Binding, Bindings, instance_of, reg_id_of
from telephony.sip.build import response_to
from telephony.sip.digest import Account, DigestServer, Verdict
from telephony.sip.errors import SipParseError
from telephony.sip.grammar import number
from telephony.sip.gruu import Gruus
from telephony.sip.headers import Contact, NameAddr
from telephony.sip.message import Request
from telephony.sip.uri import Uri

__all__ = ["Account", "Binding", "RegisterReply", "Registrar"]
LONGEST_CONTACT, LONGEST_PATH = 512, 1024
"""Characters that are kept of one contact (with its instance), and of the proxies before it."""

CHALLENGE_FACTOR = 1.5
"""How much longer than its request a challenge may be: whoever forges a phone's address must not gain by us. RFC 9000
section 8.1 allows 3; two algorithms for the REGISTER of a common phone need 1.2."""


@dataclass(frozen=True, slots=True)
class RegisterReply:
    """What to answer; ``changed`` whether the bindings of ``user`` are other than before. ``verdict`` is what the
    credentials were worth: it is nothing that the answer tells."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    changed: bool = False
    user: str = ""
    verdict: Verdict = Verdict.GRANTED


class Registrar:
    """Keeps bindings in memory. Times to live are seconds; what is asked below ``shortest`` gets 423.

    A user has ``most_contacts`` at once; where one more comes, the least preferred gives way: a phone that gets another
    port with every reboot must not lock itself out.
    """

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
        self._lookup = lookup
        self._shortest, self._longest, self._most = shortest, longest, most_contacts
        self._bindings = Bindings()
        self.gruus = Gruus(secret)

    def handle(self, request: Request, source: Address, now: float) -> RegisterReply:
        """Answer a REGISTER: the status and the headers of the response."""
        checked = self._digest.check(request, now)
        try:
            wanted = request.to.uri.user
            if checked.account is None:
                return self._challenge(request, wanted, checked.verdict, now)
            user = checked.account.user
            if wanted != user:
                return RegisterReply(403, verdict=Verdict.DENIED)  # step 4: nobody registers for another
            return self._update(user, request, source, now)
        except SipParseError as error:
            return RegisterReply(error.status, verdict=checked.verdict)

    def contacts(self, user: str, now: float) -> list[Binding]:
        """Where a user is reached, the preferred and then the latest first."""
        return self._bindings.of(user, now)

    def load(self, bindings: Iterable[Binding]) -> None:
        """Take over bindings that were kept elsewhere: their connections are closed by now, and those of a user who has
        some already are out of date."""
        by_user: dict[str, list[Binding]] = {}
        for binding in bindings:
            if (left := binding.unconnected()) is not None:
                by_user.setdefault(binding.user, []).append(left)
        for user, each in by_user.items():
            if not self._bindings.of(user, float("-inf")):
                self._bindings.replace(user, each)

    def deadline(self) -> float | None:
        """When ``expire`` is worth a call, or None: not later than the next binding expires."""
        return self._bindings.deadline()

    def expire(self, now: float) -> list[str]:
        """Drop what has expired; the users who lost a binding."""
        return self._bindings.expire(now)

    def disconnected(self, user: str, peer: Address) -> None:
        """The connection that a phone of this user registered on is closed: it is reached where its contact says, or
        no more until it registers again."""
        self._bindings.replace(user, [
            left for item in self._bindings.of(user, float("-inf"))
            if (left := item.unconnected() if item.source == peer else item) is not None
        ])

    # -- step 3 of section 10.3 -----------------------------------------------------------------------------------

    def _challenge(self, request: Request, wanted: str, verdict: Verdict, now: float) -> RegisterReply:
        stale, software = verdict is Verdict.STALE, request.get("User-Agent")
        room = int(len(bytes(request)) * CHALLENGE_FACTOR) - len(bytes(response_to(request, 401)))
        headers = self._digest.challenge(now, stale=stale, user_agent=software, user=wanted, room=room)
        if verdict is Verdict.MISSING and self._lookup(wanted) is None:
            verdict = Verdict.UNKNOWN
        return RegisterReply(401, tuple(headers), verdict=verdict)

    # -- steps 5 to 8 of section 10.3 -----------------------------------------------------------------------------

    def _update(self, user: str, request: Request, source: Address, now: float) -> RegisterReply:
        old = self._bindings.of(user, now)
        asked = request.lines("Expires")
        default = number(asked[0], "Expires") if asked else None
        contacts, path = request.contacts, _path(request)
        _kept(request.call_id, "Call-ID", LONGEST_CONTACT)
        left, added = list(old), dict[str, Binding]()
        if "*" in request.values("Contact"):
            if contacts or default != 0:
                raise SipParseError("Contact", "* stands alone and with Expires: 0")
            if any(_out_of_order(item, request) for item in old):
                return RegisterReply(500, user=user)
            left.clear()
        if len(contacts) > self._most:
            return RegisterReply(403, user=user)
        for contact in contacts:
            if self.gruus.instance(user, contact.uri.param("gr") or ""):
                return RegisterReply(403, user=user)  # RFC 5627 section 5.1: it would lead back to itself
            lasts = self._lifetime(contact, default)
            if 0 < lasts < self._shortest:
                return RegisterReply(423, (("Min-Expires", str(self._shortest)),), user=user)
            replaced = [item for item in left if item.replaced_by(contact)]
            if any(_out_of_order(item, request) for item in replaced):
                return RegisterReply(500, user=user)  # step 7: nothing at all is changed
            left = [item for item in left if item not in replaced]
            if lasts:
                added[str(contact.uri)] = Binding(
                    user, contact.uri, source, now + lasts, request.call_id, request.cseq.number, contact.q,
                    path, instance_of(contact), reg_id_of(contact),
                )
        new = [*added.values(), *left[: self._most - len(added)]]
        self._bindings.replace(user, new)
        changed = {(str(item.contact), item.source) for item in new} != {(str(i.contact), i.source) for i in old}
        listed = [("Contact", item.listed(now, self._gruu(item, request))) for item in self._bindings.of(user, now)]
        # RFC 3327 section 5.3: the phone sees by which way it will be called.
        return RegisterReply(200, (*listed, *(("Path", hop) for hop in path)), changed, user)

    def _gruu(self, binding: Binding, request: Request) -> Uri | None:
        """What a phone that knows GRUUs is told (RFC 5627 section 5.2): its user, and which phone it is."""
        if "gruu" not in (tag.lower() for name in ("Supported", "Require") for tag in request.values(name)):
            return None
        record = request.to.uri
        return self.gruus.public(binding.user, binding.instance, record.host, record.port)

    def _lifetime(self, contact: Contact, default: int | None) -> int:
        asked = contact.expires
        if asked is None:
            asked = self._longest if default is None else default
        if asked and contact.uri.scheme not in ("sip", "sips"):
            raise SipParseError("Contact", "must be a sip: or sips: URI")
        _kept(f"{contact.uri}{instance_of(contact)}", "Contact", LONGEST_CONTACT)
        return min(asked, self._longest)


def _path(request: Request) -> tuple[str, ...]:
    """The proxies that want to be passed on the way back, the nearest to us first (RFC 3327 section 5.3).

    A phone that does not say ``Supported: path`` knows nothing of them; without them it could not be called.
    """
    path = tuple(request.values("Path"))
    for hop in path:
        NameAddr.parse(hop, "Path")
    _kept("".join(path), "Path", LONGEST_PATH)
    return path


def _kept(text: str, where: str, longest: int) -> None:
    """What is kept is of bounded length, and such as a database can hold: a URI is ASCII (section 25.1)."""
    if len(text) > longest:
        raise SipParseError(where, f"is longer than {longest} characters")
    if not (text.isascii() and text.isprintable()):
        raise SipParseError(where, "holds characters that a URI must escape")


def _out_of_order(binding: Binding, request: Request) -> bool:
    return binding.call_id == request.call_id and request.cseq.number <= binding.sequence
