"""A pool of PostgreSQL connections that outlives the server behind it.

Every failure to reach the server, or to be answered by it in time, is ``calls.errors.DatabaseAway``: callers know one
error. The next call tries again; nothing has to be reopened. Errors in the SQL itself stay ``asyncpg.PostgresError``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from calls.errors import DatabaseAway

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = PoolConnectionProxy[asyncpg.Record]

T = TypeVar("T")

_AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,  # class 08
    asyncpg.InsufficientResourcesError,  # class 53: disk full, too many connections
    asyncpg.OperatorInterventionError,  # class 57: shutting down, starting up, crashed
    asyncpg.PostgresSystemError,  # class 58: input/output error
    asyncpg.InternalClientError,  # asyncpg's own state when a connection dies while it is being sent to
)

_abandoned: set[asyncio.Task[Any]] = set()


class Database:
    """``connect_within`` bounds the wait for a free connection, ``answer_within`` each statement; both in seconds."""

    def __init__(
        self, dsn: str, *, connections: int = 8, connect_within: float = 1.0, answer_within: float = 5.0
    ) -> None:
        self.dsn = dsn
        self._connections = connections
        self._connect_within = connect_within
        self._answer_within = answer_within
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Create the pool and warm two connections, so that the first call meets no handshake.

        Raises DatabaseAway when the server does not answer now; the object is usable as soon as the server is.
        """
        self._pool = await asyncpg.create_pool(
            self.dsn,
            min_size=0,  # nothing is connected here: a server that is away must not keep the pool from existing
            max_size=self._connections,
            max_inactive_connection_lifetime=0,
            timeout=self._connect_within,
            command_timeout=self._answer_within,
            init=_speak_json,
        )
        await asyncio.gather(self.fetch_value("SELECT 1"), self.fetch_value("SELECT 1"))

    async def close(self) -> None:
        """Close every connection, within ``connect_within`` seconds even when the server is frozen."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(self._connect_within):
                    await pool.close()
            except (TimeoutError, *_AWAY):
                pool.terminate()

    async def __aenter__(self) -> Database:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Borrow a connection for several statements, and do nothing else inside. Raises DatabaseAway."""
        if self._pool is None:
            raise DatabaseAway("the database is not open")
        try:
            async with self._pool.acquire(timeout=self._connect_within) as connection:
                yield connection
        except TimeoutError as error:
            raise DatabaseAway("the database did not answer in time") from error
        except _AWAY as error:
            raise await self._gone(error) from error
        except asyncpg.InterfaceError as error:
            if "clos" not in str(error):  # wrong use of a connection, not a connection or pool that closed under us
                raise
            raise await self._gone(error) from error

    async def _gone(self, error: Exception) -> DatabaseAway:
        """A connection broke. The others of the pool lead to the same dead server, known or not: replace them all."""
        if self._pool is not None:
            await self._pool.expire_connections()
        return DatabaseAway(f"the database does not answer: {type(error).__name__}: {error}")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Borrow a connection inside a transaction: committed at the end of the block, rolled back on an error."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        """All rows."""
        async with self.connection() as connection:
            return await connection.fetch(sql, *args)

    async def fetch_one(self, sql: str, *args: object) -> asyncpg.Record | None:
        """The first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchrow(sql, *args)

    async def fetch_value(self, sql: str, *args: object) -> Any:
        """The first column of the first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: object) -> str:
        """Run a statement; return its command tag (``UPDATE 1``)."""
        async with self.connection() as connection:
            return await connection.execute(sql, *args)

    async def execute_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once for each row, all in one transaction."""
        async with self.connection() as connection:
            await connection.executemany(sql, rows)


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``, or DatabaseAway after ``seconds``.

    ``asyncio.wait_for`` would wait for the cancelled work to clean up, and cancelling a statement on a frozen server
    takes another connection and its time-out. Here the caller goes on at once and the work dies on its own.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        _abandon(task)
        raise
    if done:
        return task.result()
    _abandon(task)
    raise DatabaseAway(f"the database did not answer within {seconds * 1000:.0f} ms")


def _abandon(task: asyncio.Task[Any]) -> None:
    task.cancel()
    _abandoned.add(task)  # the loop itself holds tasks only weakly
    task.add_done_callback(_forget)


def _forget(task: asyncio.Task[Any]) -> None:
    _abandoned.discard(task)
    with suppress(asyncio.CancelledError):
        task.exception()  # read, so that asyncio does not report as lost what was given up on purpose


async def _speak_json(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Let ``jsonb`` columns be Python values. 1 is the version byte of jsonb's binary form."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + json.dumps(value, ensure_ascii=False).encode(),
        decoder=lambda data: json.loads(data[1:]),
    )
