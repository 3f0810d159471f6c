"""``hotline bans``: who is not listened to, and an end to that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from calls.errors import HotlineError
from server.settings import Settings, load_settings
from storage import Database
from storage.cluster import Cluster
from telephony.bans import BanRow, DatabaseBans


class NoSuchBan(HotlineError):
    """Nobody with this address is banned."""


def bans(path: Path, lift: str | None) -> int:
    """Print the bans in force, or lift the one of ``lift``."""
    print(asyncio.run(_bans(load_settings(path), lift)))
    return 0


async def _bans(settings: Settings, lift: str | None) -> str:
    async with Database(settings.database.dsn or Cluster(settings.data).dsn) as database:
        kept = DatabaseBans(database)
        if lift is None:
            return _listing(await kept.rows())
        if not await kept.lift(lift):
            raise NoSuchBan(f"{lift} is not banned; see: hotline bans")
        return f"{lift} is listened to again."


def _listing(rows: Sequence[BanRow]) -> str:
    if not rows:
        return "Nobody is banned."
    return "\n".join([f"{'source':42} {'until':19} {'times':>5}  reason", *map(_line, rows)])


def _line(row: BanRow) -> str:
    return f"{row.network:42} {row.until.astimezone():%Y-%m-%d %H:%M:%S} {row.times:>5}  {row.offence}"
