"""Bans in PostgreSQL: kept across restarts, listed and lifted from outside the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from storage import Database
from storage.notifications import Notified, notifications, notify
from storage.queries import load
from telephony.sip.defence import REMEMBERED, Ban
from telephony.sip.networks import network_of
from telephony.sip.offences import Offence

_SQL = load(Path(__file__).with_name("queries.sql"))
CHANNEL = "lifted_bans"


@dataclass(frozen=True, slots=True)
class BanRow:
    """A ban as an operator sees it, in wall time."""

    network: str
    offence: str
    times: int
    began: datetime
    until: datetime


class DatabaseBans:
    """``guarding.BanStore``, and what the command line needs. Every method raises DatabaseAway."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def load_bans(self, now: float) -> list[Ban]:
        """What is remembered; times are on the clock that ``now`` was read from."""
        return [
            Ban(row["network"], Offence(row["offence"]), row["times"], now + row["began"], now + row["ends"])
            for row in await self._db.fetch(_SQL["remembered_bans"], REMEMBERED)
        ]

    async def save_bans(self, bans: Sequence[Ban], now: float) -> None:
        """Write these, and forget what counts no more."""
        rows = [(ban.network, ban.offence, ban.times, ban.began - now, ban.until - now) for ban in bans]
        async with self._db.transaction() as connection:
            await connection.executemany(_SQL["save_ban"], rows)
            await connection.execute(_SQL["forget_bans"], REMEMBERED)

    async def lifted(self) -> AsyncIterator[str | None]:
        async for item in notifications(self._db, CHANNEL):
            yield item.payload if isinstance(item, Notified) else None

    async def rows(self) -> list[BanRow]:
        """The bans in force, the oldest first."""
        found = await self._db.fetch(_SQL["bans_in_force"])
        return [BanRow(row["network"], row["offence"], row["times"], row["began_at"], row["ends_at"]) for row in found]

    async def lift(self, address: str) -> bool:
        """Lift the ban of an address or network, here and in the running server; whether there was one."""
        network = address if "/" in address else network_of(address)
        lifted = await self._db.fetch_value(_SQL["lift_ban"], network) is not None
        await notify(self._db, CHANNEL, network)  # also one that has not been written yet
        return lifted
