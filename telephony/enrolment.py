"""Registering with somebody else's registrar: as a telephone of theirs, or as a trunk whose carrier wants it so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from calls.errors import CallFailed
from telephony.sip.address import Address
from telephony.sip.auth import ClientCredentials
from telephony.sip.events import Responded
from telephony.sip.headers import NameAddr
from telephony.sip.registering import Registration
from telephony.sip.uri import Uri
from telephony.transport.shell import Shell

GRANTED_WITHIN = 8.0
"""Seconds for the first REGISTER and its challenge."""
TAKEN_BACK_WITHIN = 2.0


class Enrolments:
    """Every registration that we keep up elsewhere; woken by the transport's timer."""

    def __init__(self) -> None:
        self._kept: dict[Registration, asyncio.Future[int]] = {}

    @asynccontextmanager
    async def registered(self, sip: Shell, registrar: Address, user: str, password: str) -> AsyncIterator[None]:
        """While inside, ``user`` is registered at ``registrar`` with our contact. Raises CallFailed when refused."""
        host = Uri(host=registrar.host, port=registrar.port)
        address = NameAddr(Uri(user=user, host=registrar.host))
        registration = Registration(sip.endpoint, host, registrar, address, ClientCredentials(user, password))
        granted = self._kept[registration] = asyncio.get_running_loop().create_future()
        try:
            registration.start(sip.now())
            sip.flush()
            async with asyncio.timeout(GRANTED_WITHIN):
                status = await granted
            if not registration.registered:
                raise CallFailed(status, f"{user} may not register")
            yield
        except TimeoutError:
            raise CallFailed(408, f"{registrar} does not answer") from None
        finally:
            await asyncio.shield(self._take_back(sip, registration))

    async def _take_back(self, sip: Shell, registration: Registration) -> None:
        """Unregister, and wait until that is granted: it is challenged too, and somebody has to answer that."""
        taken_back = self._kept[registration] = asyncio.get_running_loop().create_future()
        was_registered = registration.registered
        registration.stop(sip.now())
        sip.flush()
        try:
            if was_registered:
                async with asyncio.timeout(TAKEN_BACK_WITHIN):
                    await taken_back
        except TimeoutError:
            pass  # the registrar is gone, or will let it expire
        finally:
            del self._kept[registration]

    def take(self, event: Responded, now: float) -> None:
        """A response outside any dialog: whichever registration asked for it."""
        for registration, granted in self._kept.items():
            if registration.handle(event, now) and not granted.done() and event.response.status != 423:
                granted.set_result(event.response.status)

    def deadline(self) -> float | None:
        return min((due for each in self._kept if (due := each.deadline()) is not None), default=None)

    def tick(self, now: float) -> None:
        for registration in self._kept:
            registration.tick(now)
