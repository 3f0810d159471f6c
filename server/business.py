"""What the server knows from the database before any call: phones, agents, and how the last process left them.

A database that is away at the start does not keep the server from answering: it is asked again until it is there.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from calls import Clock
from calls.errors import DatabaseAway
from recordings import Vault
from routing import Router
from routing.store import agents, history
from server.demo import load_demo
from server.settings import Settings
from storage import Database, migrate
from telephony import Telephony
from telephony.store import AccountBook, PhoneStore, outside_usage

log = logging.getLogger("hotline")
RETRY_SECONDS = 2.0
REMEMBERED = timedelta(days=2)
"""How far back the log is read for the agents' states and the day's statistics."""


class Business:
    """Loads once; ``loaded`` says whether that has happened."""

    def __init__(
        self, settings: Settings, database: Database, accounts: AccountBook, vault: Vault, clock: Clock
    ) -> None:
        self._settings, self._database, self._accounts = settings, database, accounts
        self._vault, self._clock = vault, clock
        self._began = clock.now()
        self.loaded = False

    async def prepare(self) -> bool:
        """Bring the tables up to date and read the phones. False when the database is away. Raises ConfigError."""
        try:
            await migrate(self._database)
            if self._settings.demo:
                await load_demo(self._database, self._settings.data, self._settings.sip.realm)
            self._accounts.replace(await PhoneStore(self._database).accounts())
        except DatabaseAway as error:
            log.warning("%s; calls are answered without customers, agents and history until it is back", error)
            return False
        return True

    async def seat(self, router: Router, telephony: Telephony) -> None:
        """Take up agents and queues where the last process left them; seal what it could not. Raises DatabaseAway."""
        for agent in await agents(self._database):
            router.seat(agent)
        router.rebuild(await history(self._database, self._clock.now() - REMEMBERED))
        today = self._began.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        telephony.tolls.restore(await outside_usage(self._database, today, self._began), today.date())
        await self._vault.recover()
        self.loaded = True

    async def keep_trying(self, router: Router, telephony: Telephony) -> None:
        """For a database that was away at the start: load everything as soon as it answers."""
        while not self.loaded:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                if await self.prepare():
                    await self.seat(router, telephony)
                    router.sync_phones(telephony.phones.reachable)
                    log.info("the database is back: customers, agents and history are known again")
            except DatabaseAway:
                continue
