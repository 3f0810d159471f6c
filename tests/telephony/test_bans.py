"""Bans that outlive the process: in the database, in the log, and lifted from outside."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from calls.errors import DatabaseAway
from storage import Database
from telephony import guarding
from telephony.bans import DatabaseBans
from telephony.guarding import Guarding
from telephony.sip.address import Address
from telephony.sip.defence import REMEMBERED, Ban, DefenceConfig
from telephony.sip.digest import Verdict
from telephony.sip.message import Request, parse
from telephony.sip.offences import Offence
from telephony.sip.registration import RegisterReply
from tests.partners.process import until
from tests.telephony.sip.network import STRANGER, a_request


class Standing:
    """Time that stands still: nothing is forgiven."""

    def monotonic(self) -> float:
        return 1000.0

    def now(self) -> datetime:
        return datetime.now(UTC)


class Shelf:
    """A store in memory that can be away."""

    def __init__(self) -> None:
        self.kept: dict[str, Ban] = {}
        self.away = False
        self.lifts: asyncio.Queue[str | None] = asyncio.Queue()

    async def load_bans(self, now: float) -> list[Ban]:
        if self.away:
            raise DatabaseAway("away")
        return [*self.kept.values()]

    async def save_bans(self, bans: Sequence[Ban], now: float) -> None:
        if self.away:
            raise DatabaseAway("away")
        self.kept.update({ban.network: ban for ban in bans})

    async def lifted(self) -> AsyncIterator[str | None]:
        while True:
            yield await self.lifts.get()


def nobody(source: Address) -> bool:
    return False


def guarding_with(store: guarding.BanStore | None) -> Guarding:
    return Guarding(DefenceConfig(), nobody, nobody, Standing(), Counter(), store)


def scan(guard: Guarding, host: str = STRANGER.host) -> None:
    request = parse(a_request("OPTIONS", User_Agent="friendly-scanner"))
    assert isinstance(request, Request)
    assert guard.admitted(request, Address(host, 5060), 403) == 403


def is_banned(guard: Guarding, host: str = STRANGER.host) -> bool:
    return guard.defence.is_banned(host, Standing().monotonic())


async def test_a_restart_keeps_a_ban_and_what_it_counts_for(database: Database) -> None:
    before, after = guarding_with(DatabaseBans(database)), guarding_with(DatabaseBans(database))
    await before.start()
    scan(before)
    async with asyncio.timeout(10):
        while not await DatabaseBans(database).rows():  # noqa: ASYNC110 — written by a task of its own
            await asyncio.sleep(0.01)
    await before.close()
    await after.start()
    assert is_banned(after)
    (row,) = await DatabaseBans(database).rows()
    assert (row.network, row.offence, row.times) == (STRANGER.host, "scanning software", 1)
    assert 299 < (row.until - row.began).total_seconds() < 301
    assert await DatabaseBans(database).lift(STRANGER.host)
    await until(lambda: not is_banned(after), 10, "the running server hears of it")
    assert not await DatabaseBans(database).lift(STRANGER.host)
    await after.close()


async def test_what_ended_long_ago_is_forgotten(database: Database) -> None:
    store = DatabaseBans(database)
    old = Ban("192.0.2.8", Offence.FLOOD, 3, 0.0, 100.0)
    lapsed, lasting = Ban("192.0.2.9", Offence.PROBE, 2, 0.0, REMEMBERED), Ban("2001:db8::/64", Offence.CALL, 1, 0, 1e7)
    await store.save_bans([old, lapsed, lasting], REMEMBERED + 1000)
    assert [ban.network for ban in await store.load_bans(0.0)] == ["192.0.2.9", "2001:db8::/64"]
    assert [row.network for row in await store.rows()] == ["2001:db8::/64"]
    assert await store.lift("2001:db8::77")


async def test_bans_wait_for_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(guarding, "RETRY_SECONDS", 0.01)
    shelf = Shelf()
    shelf.away = True
    guard = guarding_with(shelf)
    with caplog.at_level(logging.INFO, "telephony.guarding"):
        await guard.start()
        for number in range(15):
            scan(guard, f"192.0.2.{number}")
        await until(lambda: "banned" in caplog.text, 10, "the log says so")
        shelf.away = False
        await until(lambda: len(shelf.kept) == 15, 10, "written after all")
        shelf.lifts.put_nowait("192.0.2.3")
        await until(lambda: "the ban of 192.0.2.3 was lifted" in caplog.text, 10)
    assert caplog.text.count("for 300 s: scanning software") == 10
    assert "banned 5 more; see: hotline bans" in caplog.text
    shelf.kept = {"192.0.2.5": shelf.kept["192.0.2.5"]}
    shelf.lifts.put_nowait(None)  # the connection was lost, and what was announced meanwhile
    await until(lambda: not is_banned(guard, "192.0.2.4"), 10)
    assert is_banned(guard, "192.0.2.5")
    await guard.close()


@pytest.mark.parametrize(("verdict", "status", "needed"), [
    (Verdict.UNKNOWN, 401, 5), (Verdict.DENIED, 401, 10), (Verdict.DENIED, 403, 10),
    (Verdict.MISSING, 401, None), (Verdict.STALE, 401, None), (Verdict.GRANTED, 200, None),
    (Verdict.GRANTED, 423, None),
])
async def test_what_a_registration_is_worth(verdict: Verdict, status: int, needed: int | None) -> None:
    guard = guarding_with(None)
    tries = 0
    while tries < 100 and not is_banned(guard):
        guard.registered(RegisterReply(status, verdict=verdict), STRANGER)
        tries += 1
    assert (tries if is_banned(guard) else None) == needed


async def test_calls_probes_and_nonsense_of_a_stranger_are_scored() -> None:
    for what, needed in (("INVITE", 5), ("OPTIONS", 10), ("nonsense", 10)):
        guard = guarding_with(None)
        for number in range(needed):
            assert not is_banned(guard), (what, number)
            if what == "nonsense":
                guard.malformed(STRANGER)
            else:
                request = parse(a_request(what))
                assert isinstance(request, Request)
                guard.admitted(request, STRANGER, 403)
        assert is_banned(guard), what


async def test_who_calls_on_our_line_from_wherever_he_likes_gets_long_answers() -> None:
    guard = guarding_with(None)
    request = parse(a_request("INVITE"))
    assert isinstance(request, Request)
    assert guard.admitted(request, STRANGER, None) is None
    assert guard.defence.says(b"SIP/2.0 200 OK\r\n" + b"x" * 3000, STRANGER)
