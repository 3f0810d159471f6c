"""The log of events: appending never waits, and what was appended reaches the database once, in order.

Events go from memory to the ``events`` table in batches. When the database is away they go to a spool file, and from
there to the table when it is back. Once one event is in the spool all later ones pass through it too: order is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import asyncpg

from calls.events import Event
from storage import queries
from storage.database import Database, within
from storage.spool import Entry, Spool

log = logging.getLogger(__name__)

_ADD = queries.load(Path(__file__).with_name("queries.sql"))["add_events"]


class EventLog:
    """``spool`` is the file for events that wait for the database.

    ``insert_within`` is how many seconds a batch may stay in memory alone before it goes to the spool, ``retry_every``
    how often an absent database is tried again.
    """

    def __init__(
        self, db: Database, spool: Path, *, batch: int = 500, insert_within: float = 1.0, retry_every: float = 0.5
    ) -> None:
        self._db = db
        self._spool = Spool(spool)
        self._batch, self._insert_within, self._retry_every = batch, insert_within, retry_every
        self._memory: deque[Entry] = deque()
        self._appended = self._safe = self._stored = 0
        """Counts since the start: given to ``append``; on disk or in the table; in the table."""
        self._wake = asyncio.Event()
        self._progress = asyncio.Condition()
        self._writer: asyncio.Task[None] | None = None
        self._away = False

    @property
    def waiting(self) -> int:
        """Events appended since the start that the table does not have yet."""
        return self._appended - self._stored

    def start(self) -> None:
        """Begin to write; first of all what an earlier process left in the spool."""
        self._writer = asyncio.create_task(self._write())
        self._wake.set()

    async def close(self, within_seconds: float = 5.0) -> None:
        """Write what is left, to the table or else to the spool, and stop."""
        if self._writer is None:
            return
        if not self._away:
            await self.flush(within_seconds)
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)
        self._writer = None
        if self._memory:
            await self._spool_memory()

    async def __aenter__(self) -> EventLog:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def append(self, event: Event) -> None:
        """Hand an event to the log. Returns at once and never fails."""
        self._memory.append(Entry.of(event))
        self._appended += 1
        self._wake.set()

    async def append_now(self, event: Event, deadline: float = 0.05) -> bool:
        """Append and wait until a crash can no longer lose the event, at most ``deadline`` seconds; return whether
        that was reached. If not, the log goes on trying."""
        self.append(event)
        mark = self._appended
        return await self._reached(lambda: self._safe >= mark, deadline)

    async def flush(self, within_seconds: float = 5.0) -> bool:
        """Wait until the table has everything appended so far and the spool is empty; return whether it has."""
        mark = self._appended
        return await self._reached(lambda: self._stored >= mark and self._spool.empty, within_seconds)

    async def _reached(self, done: Callable[[], bool], seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds), self._progress:
                await self._progress.wait_for(done)
        except TimeoutError:
            return False
        return True

    async def _write(self) -> None:
        while True:
            try:
                await self._catch_up()
                await self._store_memory()
                self._wake.clear()
                if not self._memory:
                    await self._wake.wait()
            except Exception as error:  # noqa: BLE001 - whatever it is, events are kept and writing goes on
                self._say_away(error)
                await self._spool_for(self._retry_every)

    async def _store_memory(self) -> None:
        while self._memory:
            entries = list(islice(self._memory, self._batch))
            await self._store(entries)
            self._drop(len(entries))
            self._stored = self._safe = self._safe + len(entries)
            await self._tell()
            self._say_back()

    async def _catch_up(self) -> None:
        """Empty the spool into the table; what is appended meanwhile goes through the spool as well."""
        while not self._spool.empty:
            await self._spool_memory()
            entries, mark = await asyncio.to_thread(self._spool.peek, self._batch)
            await self._store(entries)
            await asyncio.to_thread(self._spool.forget, mark)
            if self._spool.empty:
                self._stored = self._safe
                self._say_back()
            await self._tell()

    async def _spool_for(self, seconds: float) -> None:
        """Until the next attempt, put on disk what comes in."""
        loop = asyncio.get_running_loop()
        retry_at = loop.time() + seconds
        while loop.time() < retry_at:
            self._wake.clear()
            await self._spool_memory()
            try:
                async with asyncio.timeout_at(retry_at):  # wait_for would swallow a cancellation that meets the wake
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _spool_memory(self) -> None:
        entries = list(self._memory)
        if not entries:
            return
        try:
            await asyncio.to_thread(self._spool.add, entries)
        except OSError as error:
            log.error("%s cannot be written (%s); %d events are in memory only", self._spool.path, error, len(entries))
            return
        self._drop(len(entries))
        self._safe += len(entries)
        await self._tell()

    async def _store(self, entries: Sequence[Entry]) -> None:
        """Put entries into the table. Raises DatabaseAway. An entry that the database refuses is set aside alone."""
        try:
            await within(self._insert_within, self._insert(entries))
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            if len(entries) == 1:
                await asyncio.to_thread(self._spool.set_aside, entries[0].line(), f"refused by the database: {error}")
                return
            for entry in entries:
                await self._store([entry])

    async def _insert(self, entries: Sequence[Entry]) -> None:
        columns = zip(*((e.id, e.kind, e.at, e.call_id, e.agent, e.details) for e in entries), strict=True)
        await self._db.execute(_ADD, *(list(column) for column in columns))

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._memory.popleft()

    async def _tell(self) -> None:
        async with self._progress:
            self._progress.notify_all()

    def _say_away(self, error: Exception) -> None:
        if not self._away:
            self._away = True
            log.warning("%s; events are kept in %s until it is back", error, self._spool.path)

    def _say_back(self) -> None:
        if self._away:
            self._away = False
            log.info("the database is back and has all events")
