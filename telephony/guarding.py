"""The defence in the exchange: what it is told, and how its bans outlive the process."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from calls.clock import Clock
from calls.errors import DatabaseAway
from telephony.sip.address import Address
from telephony.sip.defence import Ban, Defence, DefenceConfig
from telephony.sip.message import Request
from telephony.sip.offences import OFFENCES, Offence, is_scanner, of_stranger
from telephony.sip.registration import RegisterReply

log = logging.getLogger(__name__)
RETRY_SECONDS = 5.0
SAID_AT_ONCE = 10
"""Bans that are named in the log one by one; of more, only how many."""


class BanStore(Protocol):
    """Where bans outlive the process. Both raise DatabaseAway."""

    async def load_bans(self, now: float) -> list[Ban]: ...
    async def save_bans(self, bans: Sequence[Ban], now: float) -> None: ...
    def lifted(self) -> AsyncIterator[str | None]:
        """The networks that an operator lifts from now on; None where some may have been missed."""
        ...


class Guarding:
    """Tells the defence what the exchange finds out about its callers."""

    def __init__(
        self,
        config: DefenceConfig,
        is_trunk: Callable[[Address], bool],
        is_flow: Callable[[Address], bool],
        clock: Clock,
        counters: Counter[str],
        store: BanStore | None = None,
    ) -> None:
        self.defence = Defence(config, is_trunk, is_flow, counters)
        self._clock, self._counters, self._store = clock, counters, store
        self._unsaved: dict[str, Ban] = {}
        self._to_save = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    # -- what is found out ----------------------------------------------------------------------------------------

    def admitted(self, request: Request, source: Address, refused: int | None) -> int | None:
        """``refused`` is what a request outside dialogs gets for where it comes from (None: it is let in); returns
        what it gets after all."""
        if self.defence.exempt(source):
            return refused
        if request.method == "REGISTER" and not self.defence.may_register(source):
            refused = 403
        if is_scanner(request):
            self._note(Offence.SCANNER, source)
        elif refused is not None:
            self._note(of_stranger(request), source)
        elif request.method != "REGISTER":
            self.defence.expect(source)  # a carrier that calls us on its line, from wherever it likes
        return refused

    def registered(self, reply: RegisterReply, source: Address) -> None:
        """A REGISTER was answered."""
        offence = OFFENCES.get(reply.verdict)
        if offence is not None:
            self._note(offence, source)
        elif reply.status == 200:
            self.defence.trust(source)

    def malformed(self, source: Address) -> None:
        """What came from there could not be read."""
        self._note(Offence.MALFORMED, source)

    def _note(self, offence: Offence, source: Address) -> None:
        ban = self.defence.note(offence, source, self._clock.monotonic())
        if ban is not None:
            self._counters["bans"] += 1
            self._unsaved[ban.network] = ban
            self._to_save.set()

    # -- bans that last -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Know the bans of before the restart, and keep up with what operators lift."""
        self._tasks.append(asyncio.create_task(self._keep(), name="bans"))
        if self._store is not None:
            await self._load(self._store)
            self._tasks.append(asyncio.create_task(self._obey(self._store), name="lifted bans"))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _load(self, store: BanStore) -> None:
        try:
            kept = await store.load_bans(self._clock.monotonic())
        except DatabaseAway:
            log.warning("bans were not loaded: the database is away")
            return
        self.defence.load([*kept, *self._unsaved.values()])

    async def _obey(self, store: BanStore) -> None:
        async for network in store.lifted():
            if network is None:
                await self._load(store)
            elif self.defence.lift(network):
                self._unsaved.pop(network, None)
                log.info("the ban of %s was lifted", network)

    async def _keep(self) -> None:
        """Say and write new bans, all that came together at once: forged addresses must not flood log or database."""
        while True:
            await self._to_save.wait()
            self._to_save.clear()
            new = dict(self._unsaved)
            self._say([*new.values()])
            while self._store is not None:
                try:
                    await self._store.save_bans([*new.values()], self._clock.monotonic())
                    break
                except DatabaseAway:
                    await asyncio.sleep(RETRY_SECONDS)
            self._unsaved = {key: ban for key, ban in self._unsaved.items() if new.get(key) is not ban}
            await asyncio.sleep(0.2)

    def _say(self, bans: Sequence[Ban]) -> None:
        for ban in bans[:SAID_AT_ONCE]:
            log.warning("banned %s for %.0f s: %s", ban.network, ban.until - ban.began, ban.offence)
        if len(bans) > SAID_AT_ONCE:
            log.warning("banned %d more; see: hotline bans", len(bans) - SAID_AT_ONCE)
