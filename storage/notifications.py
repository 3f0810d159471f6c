"""LISTEN/NOTIFY that survives the server: listening begins again on a new connection after every loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass

import asyncpg

from calls.errors import DatabaseAway
from storage.database import Database

_PAUSES = (0.05, 0.2, 0.5, 1.0)
"""Seconds between attempts to connect; the last one repeats."""


@dataclass(frozen=True, slots=True)
class Notified:
    """What NOTIFY was given."""

    payload: str


@dataclass(frozen=True, slots=True)
class Listening:
    """Listening has begun, or begun again. What was announced before is unknown: read the tables once more."""


async def notifications(db: Database, channel: str) -> AsyncGenerator[Notified | Listening, None]:
    """What happens on ``channel``, without end. ``Listening`` comes first and after every lost connection."""
    failures = 0
    while True:
        with suppress(DatabaseAway, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            async for item in _one_connection(db, channel):
                failures = 0
                yield item
        await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
        failures += 1


async def notify(db: Database, channel: str, payload: str = "") -> None:
    """Announce ``payload`` (at most 8,000 bytes) to everyone who listens on ``channel``. Raises DatabaseAway."""
    await db.execute("SELECT pg_notify($1, $2)", channel, payload)


async def _one_connection(db: Database, channel: str) -> AsyncGenerator[Notified | Listening, None]:
    """Items until the connection is lost. It is not one of the pool's, which forget their listeners on release."""
    connection = await asyncpg.connect(db.dsn, timeout=5)
    items: asyncio.Queue[Notified | Listening | None] = asyncio.Queue()
    try:
        connection.add_termination_listener(lambda _: items.put_nowait(None))
        await connection.add_listener(channel, lambda *message: items.put_nowait(Notified(str(message[3]))))
        yield Listening()
        while (item := await items.get()) is not None:
            yield item
    finally:
        connection.terminate()
