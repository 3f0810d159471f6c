"""``hotline calls``: the list of calls, or one of them as a ladder."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from calls.errors import HotlineError
from insight import calls, ladder, listing, story
from server.settings import Settings, load_settings
from storage import Database
from storage.cluster import Cluster


class NoSuchCall(HotlineError):
    """No call, or more than one, has an id that begins so."""


def show(path: Path, call_id: str | None, limit: int) -> int:
    """Print the newest ``limit`` calls, or the one whose id begins with ``call_id``."""
    print(asyncio.run(_show(load_settings(path), call_id, limit)), file=sys.stdout)
    return 0


async def _show(settings: Settings, call_id: str | None, limit: int) -> str:
    dsn = settings.database.dsn or Cluster(settings.data).dsn
    async with Database(dsn) as database:
        rows = await calls(database, limit if call_id is None else 1000)
        if call_id is None:
            return listing(rows) if rows else "No calls yet."
        found = [row.id for row in rows if row.id.startswith(call_id)]
        if len(found) != 1:
            raise NoSuchCall(f"{len(found) or 'no'} calls have an id that begins with {call_id!r}; see: hotline calls")
        return ladder(await story(database, found[0]))
