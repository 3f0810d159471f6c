"""Our telephones: who may register, where each is to be found, and who is told when that changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from calls.clock import Clock
from calls.errors import ConfigError, DatabaseAway
from calls.phone import ONE_PHONE, user_of
from telephony.faults import describe
from telephony.sip.address import Address
from telephony.sip.digest import Account, DigestServer, Verdict
from telephony.sip.errors import SipParseError
from telephony.sip.message import Request
from telephony.sip.registration import Binding, RegisterReply, Registrar
from telephony.sip.uri import Uri

log = logging.getLogger(__name__)
RETRY_SECONDS = 5.0
AT_ONCE = 200
"""Users whose bindings are written in one transaction."""
Watcher = Callable[[str, bool], None]


@dataclass(frozen=True, slots=True)
class PhoneAccount:
    """A telephone that may register, ring and call."""

    user: str
    ha1_md5: str = field(default="", repr=False)
    ha1_sha256: str = field(default="", repr=False)
    kind: str = "agent"
    """``agent``, ``supervisor``, or ``customer`` for a telephone that plays a customer in tests."""
    number: str = field(default="", repr=False)
    """The number that its calls are shown with; empty: ``user``."""
    display_name: str = ""
    fixed_contact: str = ""
    """A SIP URI that is always rung, for a phone that does not register; or empty."""

    def __post_init__(self) -> None:
        if self.fixed_contact:
            try:
                Uri.parse(self.fixed_contact)
            except SipParseError as error:
                raise ConfigError(f"phone {self.user}: fixed_contact", error.problem) from None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a phone is rung. ``destination`` None is the address of the URI, or of the first proxy in ``path``."""

    uri: Uri
    destination: Address | None = None
    path: tuple[str, ...] = ()
    """Route headers of the INVITE (RFC 3327)."""
    q: float = 1.0
    """How much its user prefers to be rung here, 0…1 (RFC 3261 section 20.10)."""


class Accounts(Protocol):
    """A snapshot in memory: asked on the event loop, for every REGISTER."""

    def lookup(self, user: str) -> PhoneAccount | None: ...


class BindingStore(Protocol):
    """Where bindings outlive the process. Both raise DatabaseAway."""

    async def load_bindings(self, now: float) -> list[Binding]: ...
    async def save_bindings(self, bindings: Mapping[str, Sequence[Binding]], now: float) -> None: ...


class Phones:
    """The registrar and what it means: which phone is reachable, and where."""

    def __init__(
        self, realm: str, secret: bytes, accounts: Accounts, clock: Clock, store: BindingStore | None = None
    ) -> None:
        self._accounts, self._clock, self._store = accounts, clock, store
        self._digest = DigestServer(realm, secret, self._digest_account)
        self._registrar = Registrar(realm, secret, self._digest_account, digest=self._digest)
        self._watchers: list[Watcher] = []
        self._reachable: set[str] = set()
        self._flows: dict[str, set[Address]] = {}
        self._users: dict[Address, set[str]] = {}
        self._silent: set[Address] = set()
        """Flows over which nobody answers; who registered on them is registered, but not rung."""
        self._unsaved: set[str] = set()
        self._to_save = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    # -- questions ------------------------------------------------------------------------------------------------

    def account(self, user: str) -> PhoneAccount | None:
        return self._accounts.lookup(user)

    def knows(self, target: str) -> bool:
        """Whether this is a user of ours, or one telephone of it whose GRUU we gave (``calls.Exchange.ring``)."""
        user = user_of(target)
        if self._accounts.lookup(user) is None:
            return False
        return user == target or bool(self._instance(target))

    def reachable(self, target: str) -> bool:
        """Whether there is a place to ring; a fixed contact always is."""
        return bool(self.places(target))

    def places(self, target: str) -> list[Place]:
        """Where to ring: each registered phone over the flow that it registered on (RFC 5626 section 5.3), or by way of
        the proxies that it registered through; else the fixed contact. Of several flows to one phone the latest. Where
        the target is one telephone, only that."""
        user = user_of(target)
        account = self._accounts.lookup(user)
        if account is None:
            return []
        registered = self._registrar.contacts(user, self._clock.monotonic())
        bindings = [binding for binding in registered if binding.path or binding.source not in self._silent]
        if user != target:
            instance = self._instance(target)
            bindings = [binding for binding in bindings if instance and binding.instance == instance]
        # RFC 5626 section 5.1: never two flows of one instance at once.
        phones = {binding.instance or str(binding.contact): binding for binding in reversed(bindings)}
        if phones:
            return [_place(binding) for binding in reversed(phones.values())]
        if user != target or not account.fixed_contact:
            return []
        return [Place(Uri.parse(account.fixed_contact, f"phone {user}"))]

    def _instance(self, target: str) -> str:
        user = user_of(target)
        return self._registrar.gruus.instance(user, target[len(user) + len(ONE_PHONE):])

    def is_flow(self, source: Address) -> bool:
        """Whether a phone of ours is registered from exactly this address and port."""
        return source in self._users

    def flows(self) -> list[Address]:
        """Every address and port that a phone is registered from."""
        return [*self._users]

    def registered_from(self, source: Address) -> Binding | None:
        """A binding of the phone that is registered from there."""
        now = self._clock.monotonic()
        each = (binding for user in self._users.get(source, ()) for binding in self._registrar.contacts(user, now))
        return next((binding for binding in each if binding.source == source), None)

    def authenticate(self, request: Request, now: float) -> PhoneAccount | list[tuple[str, str]]:
        """Whose password signed a request other than REGISTER, or the challenges to answer it with (407)."""
        checked = self._digest.check(request, now, proxy=True)
        account = self._accounts.lookup(checked.account.user) if checked.account else None
        if account is not None:
            return account
        stale, software = checked.verdict is Verdict.STALE, request.get("User-Agent")
        caller = request.from_.uri.user
        return self._digest.challenge(now, stale=stale, proxy=True, user_agent=software, user=caller)

    def subscribe(self, watcher: Watcher) -> None:
        """Have ``watcher(user, reachable)`` called whenever that changes by registration or expiry."""
        self._watchers.append(watcher)

    # -- changes --------------------------------------------------------------------------------------------------

    def register(self, request: Request, source: Address, now: float) -> RegisterReply:
        """Answer a REGISTER."""
        reply = self._registrar.handle(request, source, now)
        if reply.status == 200:
            self.answers(source, True, now)
        if reply.changed:
            self._changed(reply.user, now)
        if reply.status == 200:
            self._save(reply.user)  # also a mere refresh, which changes how long the bindings last
        return reply

    def answers(self, source: Address, here: bool, now: float) -> None:
        """It has been found out whether somebody answers over this flow (RFC 5626 section 5.3): if not, no call goes
        there until a question is answered or the phone registers again."""
        if source not in self._users or here == (source not in self._silent):
            return
        (self._silent.discard if here else self._silent.add)(source)
        for user in [*self._users[source]]:
            self._changed(user, now)

    def disconnected(self, peer: Address, now: float) -> None:
        """A connection is closed: who registered on it is reached where its contact says, or no more."""
        for user in [*self._users.get(peer, ())]:
            self._registrar.disconnected(user, peer)
            self._changed(user, now)
            self._save(user)

    def tick(self, now: float) -> None:
        """Let bindings expire."""
        for user in self._registrar.expire(now):
            self._changed(user, now)
            self._save(user)

    def deadline(self) -> float | None:
        return self._registrar.deadline()

    def _changed(self, user: str, now: float) -> None:
        self._index(user, self._sources(user, now))
        reachable = self.reachable(user)
        if reachable == (user in self._reachable):
            return
        (self._reachable.add if reachable else self._reachable.discard)(user)
        for watcher in self._watchers:
            try:
                watcher(user, reachable)
            except Exception as error:  # noqa: BLE001 — a phone's registration must not fail over who watches it
                log.error("a watcher of phones failed: %s", describe(error))

    def _save(self, user: str) -> None:
        if self._store is not None:
            self._unsaved.add(user)
            self._to_save.set()

    def _sources(self, user: str, now: float) -> set[Address]:
        return {binding.source for binding in self._registrar.contacts(user, now)}

    def _index(self, user: str, sources: set[Address]) -> None:
        for gone in self._flows.pop(user, set()) - sources:
            self._users[gone].discard(user)
            if not self._users[gone]:
                del self._users[gone]
                self._silent.discard(gone)
        for source in sources:
            self._users.setdefault(source, set()).add(user)
        if sources:
            self._flows[user] = sources

    def _digest_account(self, user: str) -> Account | None:
        account = self._accounts.lookup(user)
        return Account(account.user, account.ha1_md5, account.ha1_sha256) if account else None

    # -- persistence ----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load what was registered before a restart. Without the database the phones will register again."""
        if self._store is None:
            return
        now = self._clock.monotonic()
        try:
            bindings = await self._store.load_bindings(now)
        except DatabaseAway:
            log.warning("registrations were not loaded: the database is away; phones are found as they register again")
            bindings = []
        self._registrar.load(bindings)
        for user in {binding.user for binding in bindings}:
            self._changed(user, now)
        self._keeper = asyncio.create_task(self._keep(self._store), name="registrations")

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None

    async def _keep(self, store: BindingStore) -> None:
        """Write the users whose bindings changed, as they stand when their turn comes; many at once in a storm."""
        while True:
            await self._to_save.wait()
            self._to_save.clear()
            while self._unsaved:
                users = [self._unsaved.pop() for _ in range(min(len(self._unsaved), AT_ONCE))]
                now = self._clock.monotonic()
                try:
                    await store.save_bindings({user: self._registrar.contacts(user, now) for user in users}, now)
                except DatabaseAway:
                    self._unsaved.update(users)
                    await asyncio.sleep(RETRY_SECONDS)


def _place(binding: Binding) -> Place:
    return Place(binding.contact, None if binding.path else binding.source, binding.path, binding.q)
