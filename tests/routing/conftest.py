"""A contact centre without telephones: a fake exchange, in virtual time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from calls import Call, Caller, Event, Hangup, Identity, Phone, PhoneNumber, Side
from calls.errors import CallFailed
from calls.phone import Talk
from routing import Agent, Queue, Router, Rules, State, Ticket

MORNING = datetime(2025, 3, 3, 1, 0, tzinfo=UTC)
"""Monday, 9:00 in Shanghai."""


class VirtualSelector(selectors.SelectSelector):
    """Where a real selector would sleep, the clock jumps."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everybody waits and no timer runs: a deadlock")
        self.now += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.virtual = VirtualSelector()
        super().__init__(self.virtual)

    def time(self) -> float:
        return self.virtual.now


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Time is virtual in this folder, except for tests that talk to a real database."""
    if "database" in getattr(item, "fixturenames", ()):
        return {"real-time": asyncio.new_event_loop}
    return {"virtual-time": VirtualLoop}


class VirtualClock:
    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return MORNING + timedelta(seconds=self.monotonic())


class FakePhone:
    """The answered leg of an agent. Only what the router uses is here."""

    def __init__(self, exchange: FakeExchange, target: str, call: Call) -> None:
        self.exchange, self.target, self.call, self.user = exchange, target, call, exchange.picks_up
        self.id = f"{target}/{call.id}"
        self._over: asyncio.Future[Hangup] = asyncio.get_running_loop().create_future()

    @property
    def live(self) -> bool:
        return not self._over.done()

    def end(self, by: Side) -> None:
        if self.live:
            self.exchange.talking.remove(self)
            self._over.set_result(Hangup(by))

    async def ended(self) -> Hangup:
        return await asyncio.shield(self._over)

    async def hang_up(self, reason: str = "") -> None:
        await asyncio.sleep(0)
        self.end(Side.HOTLINE)


class FakeExchange:
    """Rings according to ``habits``: a target answers (seconds), fails (status, after seconds), or stays silent."""

    def __init__(self) -> None:
        self.habits: dict[str, float | tuple[int, float]] = {}
        self.rung: list[tuple[float, str, str]] = []
        self.ringing: list[tuple[str, str]] = []
        self.talking: list[FakePhone] = []
        self.cancelled: list[tuple[str, str]] = []
        self.picks_up = ""
        """Whose phone answers, whichever is rung."""

    async def ring(self, target: str, *, call: Call, shown: PhoneNumber | None, name: str = "",
                   by: str = "", answer_within: float = 20.0, early_media: bool = False) -> Phone:
        self.rung.append((asyncio.get_running_loop().time(), target, call.id))
        if any(target == busy for busy, _ in self.ringing) or any(target == phone.target for phone in self.talking):
            raise AssertionError(f"{target} was rung while it is in a call")
        self.ringing.append((target, call.id))
        try:
            await self._decide(target, answer_within)
        except asyncio.CancelledError:
            self.cancelled.append((target, call.id))
            raise
        finally:
            self.ringing.remove((target, call.id))
        phone = FakePhone(self, target, call)
        self.talking.append(phone)
        return cast(Phone, phone)

    async def _decide(self, target: str, answer_within: float) -> None:
        habit = self.habits.get(target, float("inf"))
        status, after = habit if isinstance(habit, tuple) else (200, habit)
        await asyncio.sleep(min(after, answer_within))
        if after > answer_within:
            raise CallFailed(408, "nobody answered")
        if status != 200:
            raise CallFailed(status)

    @asynccontextmanager
    async def joined(self, caller: Phone, agent: Phone) -> AsyncIterator[Talk]:
        yield cast(Talk, agent)


class Hall:
    """Callers and agents, and a router between them."""

    def __init__(self) -> None:
        self.exchange = FakeExchange()
        self.clock = VirtualClock()
        self.log: list[Event] = []
        self.tickets: dict[str, Ticket] = {}
        self.journeys: dict[str, asyncio.Task[str]] = {}

    def opens(self, queues: Iterable[Queue], agents: Iterable[Agent] = (), rules: Rules | None = None) -> Router:
        self.router = Router(self.exchange, self.log, self.clock, queues, agents, rules)
        for seat in self.router.book.seats.values():
            self.router.phone_changed(seat.agent.phone, True)
        return self.router

    def dials(self, call_id: str, queue: str = "service", *, tier: str = "", max_wait: float | None = None,
              head: bool = False) -> None:
        self.journeys[call_id] = asyncio.get_running_loop().create_task(
            self._journey(self.call(call_id), self.caller(tier), queue, max_wait, head), name=call_id)

    def call(self, call_id: str) -> Call:
        return Call(call_id, "test", "95188", PhoneNumber("+8613800138000"), "main", MORNING)

    def caller(self, tier: str = "") -> Caller:
        return Caller(Identity.ONE, PhoneNumber("+8613800138000"), 1, "王芳", "王", "女士", tier)

    async def _journey(self, call: Call, caller: Caller, queue: str, max_wait: float | None, head: bool) -> str:
        async with self.router.waiting(call, caller, queue, max_wait=max_wait, head=head) as ticket:
            self.tickets[call.id] = ticket
            while True:
                try:
                    phone, _ = await ticket.agent()
                except TimeoutError:
                    return "overflow"
                async with ticket.talking():
                    hangup = await phone.ended()
                if hangup.by is not Side.NETWORK:
                    return "talked"
                await ticket.again()

    def hangs_up(self, call_id: str) -> None:
        self.journeys[call_id].cancel()

    def talks(self, target: str) -> FakePhone | None:
        return next((phone for phone in self.exchange.talking if phone.target == target), None)

    def state(self, agent: str) -> State:
        return self.router.book.seats[agent].state

    @property
    def ringing(self) -> list[tuple[str, str]]:
        return sorted(self.exchange.ringing)

    def kinds(self, call_id: str) -> list[str]:
        return [event.kind for event in self.log if event.call_id == call_id]

    async def passes(self, seconds: float = 0.0) -> None:
        """Let time pass, then check every invariant."""
        await asyncio.sleep(seconds)
        for _ in range(60):  # refusals without delay follow one another within one moment
            await asyncio.sleep(0)
        assert self.router.check() == []


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    hall = Hall()
    yield hall
    for journey in hall.journeys.values():
        journey.cancel()
    await asyncio.gather(*hall.journeys.values(), return_exceptions=True)
    await hall.router.close()


@pytest.fixture
def li() -> Agent:
    return Agent("1001", "李娜", "1001", {"service": 3, "refunds": 2})


@pytest.fixture
def zhang() -> Agent:
    return Agent("1002", "张伟", "1002", {"service": 3})


@pytest.fixture
def service() -> Queue:
    return Queue("service", skills=("service",))
