"""Where users are reached: the table behind the registrar (RFC 3261 section 10.3), and when its rows expire."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, replace

from telephony.sip.address import Address
from telephony.sip.headers import Contact
from telephony.sip.uri import Uri


@dataclass(frozen=True, slots=True)
class Binding:
    """One place where a user is reached: ``contact`` is the Request-URI, ``source`` where the request goes, because
    a phone behind NAT is reached only the way it came. ``expires`` is a monotonic time in seconds."""

    user: str
    contact: Uri
    source: Address
    expires: float
    call_id: str
    sequence: int
    q: float = 1.0
    path: tuple[str, ...] = ()
    """The proxies on the way, each as a Route of the requests that go there (RFC 3327)."""
    instance: str = ""
    """The phone itself, whatever address it has today: ``<urn:uuid:…>`` (RFC 5626 section 4.1), or empty."""
    reg_id: int = 0
    """Which of the phone's flows this is (RFC 5626 section 4.2); 0 where it does not say."""

    def replaced_by(self, contact: Contact) -> bool:
        """Whether ``contact`` is this binding anew: the same URI, or the same flow of the same phone."""
        if self.instance and (self.instance, self.reg_id) == (instance_of(contact), reg_id_of(contact)):
            return True
        return self.contact.matches(contact.uri)

    @property
    def behind_nat(self) -> bool:
        """Whether the phone calls itself by another address than it was seen at."""
        port = self.contact.port or self.contact.transport.port
        return (self.contact.literal, port) != (self.source.host, self.source.port)

    def unconnected(self) -> Binding | None:
        """The binding without the connection that it came by, or None where nothing else leads to the phone."""
        named = self.contact.address
        if not self.source.transport.reliable or self.path:
            return self
        if named is None or named.host != self.source.host or named.place == self.source.place:
            return None
        return replace(self, source=named)

    def listed(self, now: float, gruu: Uri | None = None) -> str:
        """The binding as a Contact of the registrar's answer (RFC 3261 section 10.3 step 8), with its public GRUU."""
        text = f"<{self.contact}>;expires={round(self.expires - now)}"
        if self.q != 1:
            text += f";q={self.q:g}"
        if self.instance:
            text += f';+sip.instance="{self.instance}"'
        if gruu is not None:
            text += f';pub-gruu="{gruu}"'
        return f"{text};reg-id={self.reg_id}" if self.reg_id else text


def instance_of(contact: Contact) -> str:
    """The contact's ``+sip.instance``, or empty."""
    return contact.param("+sip.instance") or ""


def reg_id_of(contact: Contact) -> int:
    """The contact's ``reg-id``; 0 without one, and without an instance that it would be the number of (RFC 5626
    section 6)."""
    text = contact.param("reg-id")
    return int(text) if text and instance_of(contact) and text.isascii() and text.isdecimal() else 0


class Bindings:
    """All bindings by user. Expiry costs what expires, not what is kept: 5,000 phones refresh all day long."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[Binding, ...]] = {}
        self._due: list[tuple[float, str]] = []
        self._queued: dict[str, float] = {}

    def of(self, user: str, now: float) -> list[Binding]:
        """Where a user is reached, the preferred and then the latest first."""
        found = [item for item in self._of.get(user, ()) if item.expires > now]
        return sorted(found, key=lambda item: (-item.q, -item.expires)) if len(found) > 1 else found

    def all(self) -> Iterable[Binding]:
        """Every binding, also such as have just expired."""
        return (item for each in self._of.values() for item in each)

    def replace(self, user: str, bindings: Iterable[Binding]) -> None:
        """These are the user's bindings now."""
        kept = tuple(bindings)
        if not kept:
            self._of.pop(user, None)
            return
        self._of[user] = kept
        self._queue(user, min(item.expires for item in kept))

    def deadline(self) -> float | None:
        """When ``expire`` is worth a call, or None: not later than the next binding expires."""
        return self._due[0][0] if self._due else None

    def expire(self, now: float) -> list[str]:
        """Drop what has expired; the users who lost a binding."""
        touched = []
        while self._due and self._due[0][0] <= now:
            at, user = heapq.heappop(self._due)
            if self._queued.get(user) != at:
                continue  # an earlier expiry of theirs was queued later
            del self._queued[user]
            before = self._of.get(user, ())
            kept = [item for item in before if item.expires > now]
            if len(kept) < len(before):
                touched.append(user)
            self.replace(user, kept)
        return touched

    def _queue(self, user: str, at: float) -> None:
        # A refresh leaves its user where it is queued, too early, and is queued anew when that moment comes: so each
        # user stands in the heap once, however often it refreshes.
        if at < self._queued.get(user, at + 1):
            self._queued[user] = at
            heapq.heappush(self._due, (at, user))
