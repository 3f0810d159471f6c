"""The log of events against a real server that is killed, stopped, frozen, and comes back."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from calls import Event, PhoneNumber
from calls.errors import DatabaseAway
from storage import Database, EventLog
from storage.spool import Entry, Spool

if TYPE_CHECKING:
    from tests.storage.conftest import FragileServer

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def event(number: int) -> Event:
    return Event("test.counted", AT, call_id="c1", details={"number": number})


async def numbers(db: Database) -> list[int]:
    rows = await db.fetch("SELECT details FROM events WHERE kind = 'test.counted' ORDER BY seq")
    return [row["details"]["number"] for row in rows]


def log_of(db: Database, tmp_path: Path, **settings: Any) -> EventLog:
    return EventLog(db, tmp_path / "events.spool", **{"retry_every": 0.02, "insert_within": 0.2, **settings})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is awaited is a count or a file, and neither can tell
            await asyncio.sleep(0.005)


# a database that is there --------------------------------------------------------------------------------------------


async def test_events_reach_the_table_in_order(database: Database, event_log: EventLog) -> None:
    for number in range(1200):
        event_log.append(event(number))
    assert await event_log.flush()
    assert await numbers(database) == list(range(1200))
    assert event_log.waiting == 0


async def test_an_event_comes_back_as_it_was(database: Database, event_log: EventLog) -> None:
    event_log.append(Event(
        "call.invited", AT.astimezone(timezone(timedelta(hours=8))), "c1", "1001", {"text": "我要退款", "n": [1, None]},
    ))
    assert await event_log.flush()
    row = await database.fetch_one("SELECT kind, at, call_id, agent, details FROM events")
    assert row is not None
    assert Event(**row) == Event("call.invited", AT, "c1", "1001", {"text": "我要退款", "n": [1, None]})


async def test_append_now_tells_that_the_event_is_safe(database: Database, event_log: EventLog) -> None:
    assert await event_log.append_now(event(1), deadline=5)
    assert await numbers(database) == [1]


@pytest.mark.parametrize(("details", "stored"), [
    ({"text": "a\0b", "\0": 1}, {"text": "a\ufffdb", "\ufffd": 1}),
    ({"text": "\\u0000"}, {"text": "\\ufffd"}),
    ({"header": b"\xff\xfe".decode(errors="surrogateescape")}, {"header": "??"}),
    ({"number": PhoneNumber("+8613800138000")}, {"number": "+86138****8000"}),
    ({"level": float("nan")}, {"unreadable": "{'level': nan}"}),
    ({(1, 2): "key"}, {"unreadable": "{(1, 2): 'key'}"}),
])
async def test_odd_details_never_stop_the_log(
    database: Database, event_log: EventLog, details: dict[Any, Any], stored: dict[str, Any]
) -> None:
    event_log.append(Event("test.odd", AT, details=details))
    event_log.append(event(1))
    assert await event_log.flush()
    assert await database.fetch_value("SELECT details FROM events WHERE kind = 'test.odd'") == stored
    assert await numbers(database) == [1]


async def test_what_the_database_refuses_is_set_aside_alone(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await database.execute("ALTER TABLE events ADD CHECK ((details->>'number')::int <> 2)")
    async with log_of(database, tmp_path, insert_within=5) as log:
        for number in range(5):
            log.append(event(number))
        assert await log.flush()
    assert await numbers(database) == [0, 1, 3, 4]
    refused = Entry.parse((tmp_path / "events.rejected").read_bytes())
    assert json.loads(refused.details) == {"number": 2}
    assert "refused by the database" in caplog.text


async def test_events_wait_for_a_table_that_is_not_there_yet(database: Database, tmp_path: Path) -> None:
    await database.execute("ALTER TABLE events RENAME TO later")
    async with log_of(database, tmp_path) as log:
        assert await log.append_now(event(1), deadline=5)  # safe in the spool
        await database.execute("ALTER TABLE later RENAME TO events")
        assert await log.flush()
    assert await numbers(database) == [1]


async def test_a_connection_that_dies_after_the_commit_doubles_nothing(database: Database, tmp_path: Path) -> None:
    class Unlucky(Database):
        failures = 2

        async def execute(self, sql: str, *args: object) -> str:
            tag = await super().execute(sql, *args)
            if self.failures:
                self.failures -= 1
                raise DatabaseAway("the connection died, and nobody knows what became of the commit")
            return tag

    unlucky = Unlucky(database.dsn)
    async with unlucky, log_of(unlucky, tmp_path, insert_within=5, batch=3) as log:
        for number in range(10):
            log.append(event(number))
        assert await log.flush()
        assert unlucky.failures == 0
    assert await numbers(database) == list(range(10))


# a database that goes away -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT], ids=["killed", "stopped"])
async def test_nothing_is_lost_when_the_server_ends_and_returns(
    fragile: Database, server: FragileServer, tmp_path: Path, sign: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    spool = tmp_path / "events.spool"
    async with log_of(fragile, tmp_path, batch=50) as log:
        for number in range(1000):
            log.append(event(number))
        await until(lambda: log.waiting < 900)
        server.signal(sign)  # in the middle of the batches
        await asyncio.to_thread(server.wait_until_nobody_is_left)
        for number in range(1000, 2000):
            log.append(event(number))
        await until(spool.exists)
        assert not await log.flush(0.05)
        await asyncio.to_thread(server.start)
        for number in range(2000, 2100):
            log.append(event(number))  # while it catches up
        assert await log.flush()
    assert await numbers(fragile) == list(range(2100))
    assert not spool.exists()
    assert f"events are kept in {spool} until it is back" in caplog.text
    assert caplog.text.count("the database is back and has all events") == 1


async def test_a_frozen_server_delays_nobody_and_doubles_nothing(
    fragile: Database, server: FragileServer, tmp_path: Path
) -> None:
    async with log_of(fragile, tmp_path) as log:
        assert await log.append_now(event(0), deadline=5)
        server.freeze()
        try:
            loop = asyncio.get_running_loop()
            began = loop.time()
            assert not await log.append_now(event(1), deadline=0.05)
            assert loop.time() - began < 0.15
            await until((tmp_path / "events.spool").exists)
            assert await log.append_now(event(2), deadline=5)  # the disk has it
        finally:
            server.thaw()
        assert await log.flush()
    assert await numbers(fragile) == [0, 1, 2]


async def test_a_log_that_closes_while_the_server_is_away_hands_over_to_the_next(
    fragile: Database, server: FragileServer, tmp_path: Path
) -> None:
    server.kill()
    async with log_of(fragile, tmp_path) as log:
        for number in range(10):
            log.append(event(number))
        assert await log.append_now(event(10), deadline=5)
        log.append(event(11))
    server.start()
    async with log_of(fragile, tmp_path, insert_within=5) as log:
        log.append(event(12))
        assert await log.flush()
    assert await numbers(fragile) == list(range(13))


async def test_without_database_and_disk_events_stay_in_memory(
    fragile: Database, server: FragileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    server.kill()
    async with log_of(fragile, tmp_path / "file") as log:
        assert not await log.append_now(event(1), deadline=0.2)
        server.start()
        assert await log.flush()
    assert await numbers(fragile) == [1]
    assert "events.spool cannot be written" in caplog.text


# the spool -----------------------------------------------------------------------------------------------------------


async def test_the_spool_of_a_killed_process_is_caught_up_first(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Spool(tmp_path / "events.spool").add([Entry.of(event(number)) for number in range(1100)])
    with (tmp_path / "events.spool").open("ab") as file:
        file.write(b'["0b5f')  # killed in the middle of a line
    async with log_of(database, tmp_path, insert_within=5) as log:
        log.append(event(1100))
        assert await log.flush()
    assert await numbers(database) == list(range(1101))
    assert (tmp_path / "events.rejected").read_bytes() == b'["0b5f\n'
    assert "a line is no event" in caplog.text


async def test_a_catch_up_that_was_killed_half_way_doubles_nothing(database: Database, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "events.spool")
    spool.add([Entry.of(event(number)) for number in range(10)])
    left = spool.path.read_bytes()
    async with log_of(database, tmp_path, insert_within=5) as log:
        assert await log.flush()
    spool.path.write_bytes(left)
    async with log_of(database, tmp_path, insert_within=5) as log:
        assert await log.flush()
    assert await numbers(database) == list(range(10))


def test_the_spool_gives_back_what_it_was_given(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "deep" / "events.spool")
    entries = [Entry.of(event(number)) for number in range(3)]
    spool.add(entries[:2])
    first, mark = spool.peek(1)
    spool.add(entries[2:])
    spool.forget(mark)
    rest, mark = spool.peek(10)
    assert first + rest == entries
    spool.forget(mark)
    assert spool.empty
    assert not spool.path.exists()


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'["x","k","2026-01-01T00:00:00+00:00",null,null,"{}"]', b"\xff"])
def test_a_line_that_is_no_event(line: bytes) -> None:
    with pytest.raises(ValueError):
        Entry.parse(line)
