"""Registration as the rest of the exchange sees it: reachable or not, and where."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from calls.errors import ConfigError, DatabaseAway
from storage import Database
from telephony.phones import PhoneAccount, Phones, Place
from telephony.sip.address import Address
from telephony.sip.auth import ClientCredentials, answer_challenges
from telephony.sip.message import Request, Response
from telephony.sip.registration import Binding
from telephony.sip.uri import Uri
from telephony.store import AccountBook, PhoneStore, with_password

DESK = Address("192.0.2.5", 5062)
PASSWORD = "wo-ai-dianhua"
ACCOUNT = with_password(PhoneAccount("1001", number="8001", display_name="坐席一"), "hotline", PASSWORD)


class Clock:
    """Time that stands still until it is told to move."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime.now(UTC)


class Shelf:
    """A store in memory that can be away."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Binding]] = {}
        self.away = False
        self.written = asyncio.Event()

    async def load_bindings(self, now: float) -> list[Binding]:
        if self.away:
            raise DatabaseAway("away")
        return [binding for bindings in self.kept.values() for binding in bindings]

    async def save_bindings(self, bindings: Mapping[str, Sequence[Binding]], now: float) -> None:
        self.written.set()
        if self.away:
            raise DatabaseAway("away")
        self.kept.update({user: list(each) for user, each in bindings.items()})


class Bench:
    """Phones, a clock, and a telephone that knows the password."""

    def __init__(self, store: Shelf | None = None, accounts: Sequence[PhoneAccount] = (ACCOUNT,)) -> None:
        self.clock = Clock()
        self.phones = Phones("hotline", b"secret", AccountBook(accounts), self.clock, store)
        self.told: list[tuple[str, bool]] = []
        self.phones.subscribe(lambda user, reachable: self.told.append((user, reachable)))
        self._sequence = 0

    def registers(self, source: Address = DESK, expires: int = 600, contact: str = "sip:1001@10.0.0.5") -> int:
        """REGISTER, challenge, REGISTER with credentials; the final status."""
        request = self._request(expires, contact)
        reply = self.phones.register(request, source, self.clock.seconds)
        challenge = Response(reply.status, "Unauthorized", reply.headers)
        credentials = answer_challenges(request, challenge, ClientCredentials("1001", PASSWORD), "cnonce")
        again = self._request(expires, contact, credentials)
        return self.phones.register(again, source, self.clock.seconds).status

    def _request(self, expires: int, contact: str, more: Sequence[tuple[str, str]] = ()) -> Request:
        self._sequence += 1
        me = "<sip:1001@hotline>"
        fields = [("Via", "SIP/2.0/UDP 10.0.0.5;branch=z9hG4bK1"), ("From", f"{me};tag=1"), ("To", me)]
        fields += [("Call-ID", "c"), ("CSeq", f"{self._sequence} REGISTER"), ("Contact", f"<{contact}>")]
        return Request("REGISTER", "sip:hotline", [*fields, ("Expires", str(expires)), *more])

    def passes(self, seconds: float) -> None:
        self.clock.seconds += seconds
        deadline = self.phones.deadline()
        if deadline is not None and deadline <= self.clock.seconds:
            self.phones.tick(self.clock.seconds)


def test_a_phone_is_rung_over_the_flow_that_it_registered_on() -> None:
    bench = Bench()
    assert not bench.phones.reachable("1001")
    assert bench.registers() == 200
    assert bench.phones.places("1001") == [Place(Uri.parse("sip:1001@10.0.0.5"), DESK)]
    assert bench.phones.is_flow(DESK)
    assert not bench.phones.is_flow(Address(DESK.host, 5063))
    assert bench.told == [("1001", True)]


def test_a_binding_that_is_not_renewed_expires_and_watchers_are_told() -> None:
    bench = Bench()
    bench.registers(expires=600)
    bench.passes(500)
    assert bench.registers(expires=600) == 200
    bench.passes(500)
    assert bench.phones.reachable("1001")
    bench.passes(101)
    assert not bench.phones.reachable("1001")
    assert not bench.phones.is_flow(DESK)
    assert bench.told == [("1001", True), ("1001", False)]


def test_a_second_place_changes_nothing_for_watchers() -> None:
    bench = Bench()
    mobile = Address("198.51.100.4", 40000)
    bench.registers()
    bench.registers(source=mobile, contact="sip:1001@10.9.9.9")
    assert {place.destination for place in bench.phones.places("1001")} == {DESK, mobile}
    bench.registers(expires=0)
    assert not bench.phones.is_flow(DESK)
    assert bench.phones.is_flow(mobile)
    assert bench.told == [("1001", True)]


def test_a_phone_that_does_not_answer_is_registered_but_not_rung() -> None:
    bench = Bench()
    bench.registers()
    bench.phones.answers(DESK, False, bench.clock.seconds)
    assert not bench.phones.reachable("1001")
    assert bench.phones.is_flow(DESK), "it is still the registered phone, and no stranger"
    bench.phones.answers(DESK, False, bench.clock.seconds)
    bench.phones.answers(DESK, True, bench.clock.seconds)
    assert bench.phones.places("1001") == [Place(Uri.parse("sip:1001@10.0.0.5"), DESK)]
    assert bench.told == [("1001", True), ("1001", False), ("1001", True)]


def test_a_phone_that_did_not_answer_is_back_when_it_registers_again() -> None:
    bench = Bench()
    bench.registers()
    bench.phones.answers(DESK, False, bench.clock.seconds)
    bench.registers()
    assert bench.phones.reachable("1001")
    bench.phones.answers(Address("192.0.2.99", 5060), False, bench.clock.seconds)  # nobody registered there
    assert bench.told == [("1001", True), ("1001", False), ("1001", True)]


def test_while_one_of_its_phones_answers_a_user_is_rung_there() -> None:
    bench = Bench()
    mobile = Address("198.51.100.4", 40000)
    bench.registers()
    bench.registers(source=mobile, contact="sip:1001@10.9.9.9")
    bench.phones.answers(DESK, False, bench.clock.seconds)
    assert [place.destination for place in bench.phones.places("1001")] == [mobile]
    assert bench.told == [("1001", True)]


def test_a_watcher_that_fails_keeps_nobody_from_registering(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()

    def fails(user: str, reachable: bool) -> None:
        raise ValueError(user)

    bench.phones.subscribe(fails)
    bench.phones.subscribe(lambda user, reachable: bench.told.append(("also", reachable)))
    assert bench.registers() == 200
    assert bench.told == [("1001", True), ("also", True)]
    assert "a watcher of phones failed: ValueError at test_phones.py" in caplog.text


def test_a_fixed_contact_is_always_reachable_and_registration_goes_before_it() -> None:
    bench = Bench(accounts=[PhoneAccount("7001", fixed_contact="sip:7001@127.0.0.5:5070"), ACCOUNT])
    assert bench.phones.reachable("7001")
    assert bench.phones.places("7001") == [Place(Uri.parse("sip:7001@127.0.0.5:5070"))]
    assert not bench.phones.reachable("nobody")


def test_a_fixed_contact_that_is_no_uri_names_its_phone() -> None:
    with pytest.raises(ConfigError, match="phone 7001: fixed_contact"):
        PhoneAccount("7001", fixed_contact="7001@somewhere")


def test_hashes_and_numbers_are_not_shown() -> None:
    assert ACCOUNT.ha1_md5
    assert ACCOUNT.ha1_md5 not in repr(ACCOUNT)
    assert "8001" not in repr(ACCOUNT)


async def test_bindings_outlive_a_restart() -> None:
    shelf = Shelf()
    before = Bench(shelf)
    await before.phones.start()
    before.registers()
    await shelf.written.wait()
    await before.phones.close()
    after = Bench(shelf)
    await after.phones.start()
    assert after.phones.places("1001") == [Place(Uri.parse("sip:1001@10.0.0.5"), DESK)]
    assert after.told == [("1001", True)]
    await after.phones.close()


async def test_without_the_database_phones_register_all_the_same() -> None:
    shelf = Shelf()
    shelf.away = True
    bench = Bench(shelf)
    await bench.phones.start()
    assert bench.registers() == 200
    assert bench.phones.reachable("1001")
    await shelf.written.wait()
    await bench.phones.close()
    assert shelf.kept == {}


async def test_accounts_and_bindings_in_postgresql(database: Database) -> None:
    store = PhoneStore(database)
    fixed = PhoneAccount("7001", kind="customer", number="13900139000", fixed_contact="sip:7001@127.0.0.5:5070")
    for account in (ACCOUNT, fixed, ACCOUNT):
        await store.save(account)
    assert await store.accounts() == [ACCOUNT, fixed]
    proxies = ("<sip:edge.example;lr;ob>", "<sip:192.0.2.9;lr>")
    binding = Binding("1001", Uri.parse("sip:1001@10.0.0.5;ob"), DESK, 1600.0, "call-id", 7, 0.5, proxies, "<urn:x>", 1)
    gone = Binding("1001", Uri.parse("sip:1001@10.0.0.6"), DESK, 999.0, "call-id", 7)
    await store.save_bindings({"1001": [binding, gone]}, 1000.0)
    (loaded,) = await store.load_bindings(2000.0)
    assert replace(loaded, expires=binding.expires) == binding
    assert 2590.0 < loaded.expires <= 2600.0
    await store.save_bindings({"nobody": [binding]}, 1000.0)
    await store.delete("1001")
    assert await store.load_bindings(0.0) == []
    assert await store.accounts() == [fixed]
