"""A hotline in miniature for the web application: a real router without telephones, and an archive in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from calls import Event, Exchange, Insight, SystemClock
from calls.errors import DatabaseAway
from desktop import LiveCalls, Part, RouterBoard, make_app
from desktop.supervision import Refused
from insight import CallRow
from routing import Agent, Queue, Router
from telephony.supervision import Mode

TOKEN = "a-token-of-sixteen-or-more"
CALL = "11111111-2222-3333-4444-555555555555"
BEGAN = datetime(2025, 3, 3, 1, 0, tzinfo=UTC)
STORY = [
    Event("call.invited", BEGAN, CALL, details={"called": "95188", "caller": "+86138****8000"}),
    Event("caller.identified", BEGAN, CALL, details={"number": "+8613800138000", "customer": 1}),
    Event("call.dialling", BEGAN, CALL, details={"target": "sip:13900139000@example.com", "leg": CALL}),
]
ROW = CallRow(CALL, BEGAN, "+86138****8000", "95188", True, True,
              Insight(CALL, 42.0, ("refund",), "refunds", "1001", 3.0, 30.0, True, "caller", (("caller", "我要退款"),)))


class ArchiveInMemory:
    """``away`` makes it behave as without a database."""

    away = False

    async def latest(self, limit: int) -> list[CallRow]:
        if self.away:
            raise DatabaseAway("the database does not answer")
        return [ROW][:limit]

    async def story(self, call_id: str) -> list[Event]:
        if self.away:
            raise DatabaseAway("the database does not answer")
        return STORY if call_id == CALL else []


class MemoryLog:
    def __init__(self, live: LiveCalls) -> None:
        self.append = live.note


class CountedBoard(RouterBoard):
    """Knows how many watch it."""

    watchers = 0

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        end = super().subscribe(changed)
        self.watchers += 1

        def leave() -> None:
            self.watchers -= 1
            end()

        return leave


class Seats:
    """Notes what supervisors wish; lets the telephone 1900 alone take part."""

    def __init__(self, live: LiveCalls) -> None:
        self.wishes: list[tuple[str, str]] = []
        self._live = live

    def supervise(self, call_id: str, phone: str, mode: Mode) -> None:
        if phone != "1900":
            raise Refused(403, f"{phone} is no supervisor's telephone")
        self.wishes.append((call_id, mode))
        self._note("supervision.began", call_id, {"phone": phone, "mode": mode})

    def leave(self, call_id: str) -> None:
        self.wishes.append((call_id, "leave"))
        self._note("supervision.ended", call_id, {})

    def _note(self, kind: str, call_id: str, details: dict[str, object]) -> None:
        self._live.note(Event(kind, datetime.now(UTC), call_id, details=details))


class Office:
    """The application and what stands behind it."""

    def __init__(self) -> None:
        self.live = LiveCalls()
        self.archive = ArchiveInMemory()
        queues = [Queue("refunds", "退款", ("refunds",))]
        agents = [Agent("1001", "李娜", "1001", {"refunds": 3}), Agent("1002", "张伟", "1002")]
        self.router = Router(cast(Exchange, None), MemoryLog(self.live), SystemClock(), queues, agents)
        self.seats = Seats(self.live)
        self.well = {"sip": True, "recogniser": True}
        self.board = CountedBoard(self.router, self.live)
        self.app = make_app(self.board, token=TOKEN, archive=self.archive,
                            parts={"sip": Part(self.sip), "recogniser": Part(self.recogniser, essential=False)},
                            gauges=lambda: {"loop_stalls": 2.0, "sip.refused stranger": 1.0}, supervisors=self.seats)

    @property
    def watchers(self) -> int:
        return self.board.watchers

    async def sip(self) -> bool:
        return self.well["sip"]

    async def recogniser(self) -> bool:
        if not self.well["recogniser"]:
            raise ConnectionError("the worker is gone")
        return True

    def bridged(self) -> None:
        self.live.note(Event("call.bridged", datetime.now(UTC), CALL))

    def invited(self, call_id: str = CALL) -> None:
        self.live.note(Event("call.invited", datetime.now(UTC), call_id,
                             details={"called": "95188", "caller": "+86138****8000"}))


Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    office = Office()
    yield office
    await office.router.close()


@pytest.fixture
async def stranger(office: Office) -> AsyncIterator[Client]:
    """A client without the token."""
    async with TestClient(TestServer(office.app)) as client:
        yield client


@pytest.fixture
async def supervisor(office: Office) -> AsyncIterator[Client]:
    """A client with the token."""
    async with TestClient(TestServer(office.app), headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client
