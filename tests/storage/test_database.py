"""The pool: one error for every way of being away, and back at work when the server is."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg
import pytest

from calls.errors import DatabaseAway
from storage import Database, within
from storage.notifications import Listening, Notified, notifications, notify

if TYPE_CHECKING:
    from tests.storage.conftest import FragileServer


async def test_values_rows_and_json(database: Database) -> None:
    await database.execute("CREATE TABLE t (n int, j jsonb)")
    await database.execute_many("INSERT INTO t VALUES ($1, $2)", [(1, {"a": ["王"]}), (2, None)])
    assert [dict(row) for row in await database.fetch("SELECT * FROM t ORDER BY n")] == [
        {"n": 1, "j": {"a": ["王"]}}, {"n": 2, "j": None},
    ]
    row = await database.fetch_one("SELECT n FROM t WHERE n = $1", 2)
    assert row is not None
    assert row["n"] == 2
    assert await database.fetch_one("SELECT n FROM t WHERE n = 3") is None
    assert await database.execute("UPDATE t SET n = 9") == "UPDATE 2"


async def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    await database.execute("CREATE TABLE t (n int)")
    with suppress(ZeroDivisionError):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO t VALUES (1)")
            raise ZeroDivisionError
    assert await database.fetch_value("SELECT count(*) FROM t") == 0


async def test_an_error_in_the_sql_stays_what_it_is(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await database.fetch("SELECT * FROM nowhere")
    with pytest.raises(asyncpg.InterfaceError, match="expects 1 argument"):
        await database.fetch("SELECT $1::int")


async def test_a_server_that_is_not_there() -> None:
    db = Database("postgresql://postgres@/hotline?host=%2Fnowhere")
    with pytest.raises(DatabaseAway, match="is not open"):
        await db.fetch("SELECT 1")
    with pytest.raises(DatabaseAway, match="does not answer"):
        await db.open()
    await db.close()


async def test_opened_while_away_works_when_the_server_comes(server: FragileServer) -> None:
    server.stop()
    db = Database(server.dsn)
    with pytest.raises(DatabaseAway):
        await db.open()
    server.start()
    assert await db.fetch_value("SELECT 42") == 42
    await db.close()


async def test_a_kill_between_two_statements_is_survived(fragile: Database, server: FragileServer) -> None:
    server.kill()
    with pytest.raises(DatabaseAway):
        await fragile.fetch_value("SELECT 1")
    server.start()
    assert await fragile.fetch_value("SELECT 42") == 42


async def test_a_kill_in_the_middle_of_a_statement(fragile: Database, server: FragileServer) -> None:
    statement = asyncio.create_task(fragile.fetch_value("SELECT pg_sleep(60)"))
    await asyncio.sleep(0.05)
    server.kill()
    with pytest.raises(DatabaseAway):
        await statement
    server.start()
    assert await fragile.fetch_value("SELECT 42") == 42


async def test_a_frozen_server_is_away_within_the_deadline(fragile: Database, server: FragileServer) -> None:
    loop = asyncio.get_running_loop()
    server.freeze()
    try:
        began = loop.time()
        with pytest.raises(DatabaseAway, match="did not answer within 50 ms"):
            await within(0.05, fragile.fetch_value("SELECT 1"))
        assert loop.time() - began < 0.3  # the statement's own time-out is 0.5 s, its cancellation as long again
    finally:
        server.thaw()
    assert await fragile.fetch_value("SELECT 42") == 42


async def test_within_hands_on_results_and_errors() -> None:
    async def result() -> int:
        return 42

    async def error() -> None:
        raise ZeroDivisionError

    assert await within(5, result()) == 42
    with pytest.raises(ZeroDivisionError):
        await within(5, error())


async def test_notifications_arrive_in_order(database: Database) -> None:
    heard = notifications(database, "queue_moved")
    assert await anext(heard) == Listening()
    for payload in ("1", "", "三"):
        await notify(database, "queue_moved", payload)
    await notify(database, "something_else", "no")
    assert [await anext(heard) for _ in range(3)] == [Notified("1"), Notified(""), Notified("三")]
    await heard.aclose()


async def test_listening_begins_again_after_a_kill(fragile: Database, server: FragileServer) -> None:
    heard = notifications(fragile, "queue_moved")
    assert await anext(heard) == Listening()
    server.kill()
    again = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0)
    server.start()
    async with asyncio.timeout(10):
        assert await again == Listening()
        await notify(fragile, "queue_moved", "after")
        assert await anext(heard) == Notified("after")
    await heard.aclose()
