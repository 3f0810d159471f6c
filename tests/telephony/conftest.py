"""A whole exchange on loopback, with timers so short that nothing is left over soon after a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest
import uvloop

from calls.clock import SystemClock
from calls.events import Event
from media.engine import MediaConfig
from media.native import NativeEngine
from media.server import MediaServer
from telephony.config import TelephonyConfig
from telephony.exchange import Telephony
from telephony.incoming import IncomingCall
from telephony.phones import BindingStore, PhoneAccount
from telephony.sip.address import Address
from telephony.store import AccountBook, with_password
from telephony.trunking import Trunk
from tests.telephony.softphone import T1


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], Any]]:
    """The loop that the server runs on: its sockets, streams and TLS are not those of asyncio."""
    return {"uvloop": uvloop.new_event_loop}


OnCall = Callable[[IncomingCall], Awaitable[None]]
PASSWORD = "wo-ai-dianhua"
MUSIC = b"\x10\x20" * 800
"""A tenth of a second of one constant sample: easy to recognise."""
LEFT_OVER_PATIENCE = 10.0


def account(user: str, **fields: str) -> PhoneAccount:
    return with_password(PhoneAccount(user, **fields), "hotline", PASSWORD)


@dataclass
class Switchboard:
    """A running exchange; ``serve`` says what happens to the next calls."""

    telephony: Telephony
    book: AccountBook
    serve: OnCall
    incoming: list[IncomingCall] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    """What was noted of trunks and of calls out of the house."""

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.telephony.port)

    async def on_call(self, incoming: IncomingCall) -> None:
        self.incoming.append(incoming)
        await self.serve(incoming)

    async def leaves_nothing_behind(self) -> None:
        """Wait until every call is over; then let the time pass that transactions are kept for (RFC 3261 section 17).
        Fail with what is still there."""
        try:
            async with asyncio.timeout(LEFT_OVER_PATIENCE):
                while any(self.in_use().values()):  # noqa: ASYNC110 — calls end unannounced
                    await asyncio.sleep(0.002)
        except TimeoutError:
            raise AssertionError(f"left over: {self.telephony.live()}") from None
        sip = self.telephony.office.sip
        sip.endpoint.tick(sip.now() + 64 * T1 + 1)
        sip.flush()
        assert not any(self.telephony.live().values()), self.telephony.live()

    def told(self, kind: str) -> list[dict[str, object]]:
        """The details of every event of this kind so far."""
        return [dict(event.details) for event in self.events if event.kind == kind]

    async def tells(self, kind: str) -> dict[str, object]:
        """Wait for the first event of this kind; its details."""
        async with asyncio.timeout(LEFT_OVER_PATIENCE):
            while not self.told(kind):  # noqa: ASYNC110 — events come unannounced
                await asyncio.sleep(0.002)
        return self.told(kind)[0]

    def in_use(self) -> dict[str, int]:
        """What is live beside transactions and their timers."""
        return {name: count for name, count in self.telephony.live().items() if name not in ("transactions", "timers")}


async def answer_and_wait(incoming: IncomingCall) -> None:
    await incoming.phone.answer()
    await incoming.phone.ended()


@asynccontextmanager
async def running(bindings: BindingStore | None = None, **changes: Any) -> AsyncIterator[Switchboard]:
    """An exchange: trunk ``carrier`` sends from 127.0.0.2, everybody else is a stranger."""
    settings: dict[str, Any] = {
        "listen": (Address("127.0.0.1", 0),),
        "trunks": (Trunk("carrier", (ip_network("127.0.0.2/32"),), trusted=True),),
        "numbers": frozenset({"4008001234"}),
        "hold_music": MUSIC,
        "agent_silence": 0.2,
        "t1": T1,
    }
    engine = NativeEngine(MediaConfig(port_low=40000, port_high=40999, realtime=False, silence_after=0.3))
    media = MediaServer(engine)
    media.start()
    book = AccountBook([account("1001"), account("8001", kind="customer", number="13900139000", display_name="李女士")])
    events: list[Event] = []
    telephony = Telephony(
        TelephonyConfig(**{**settings, **changes}), media, book, SystemClock(), bindings, note=events.append
    )
    board = Switchboard(telephony, book, answer_and_wait, events=events)
    await telephony.start(board.on_call)
    try:
        yield board
    finally:
        await telephony.close()
        media.close()


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with running() as board:
        yield board
