"""Anybody hangs up at any moment, on lines that lose and reorder: afterwards nothing of any call is left over."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from recordings import wavfile
from routing.agents import State
from storage import Database
from telephony.sip.events import Answered, Ringing, SipEvent
from tests.journeys.house import PORTS, House, open_house
from tests.journeys.restless import Moments, RestlessAgent, RestlessPhone, one_call

pytestmark = pytest.mark.journey

SCHEDULES = 50
AT_ONCE = 20
AGENTS = 8


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def bound_ports() -> list[int]:
    """The UDP ports of the media range that this process has."""
    rows = [row.split() for row in Path("/proc/self/net/udp").read_text().splitlines()[1:]]
    ours = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that lists the folder is gone by now
            ours.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    ports = {int(row[1].partition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in ours}
    return sorted(ports & set(PORTS))


@pytest.fixture
async def warm(database: Database) -> Database:
    """The database with all connections made: those are no descriptors left over."""
    async with AsyncExitStack() as stack:
        for _ in range(8):
            await stack.enter_async_context(database.connection())
    return database


async def call_all(house: House, line: RestlessPhone, chance: random.Random, moments: Moments) -> None:
    """All schedules, some at a time; the router's invariants hold meanwhile."""
    turns = asyncio.Semaphore(AT_ONCE)
    callers: dict[str, str] = {}

    def notice(event: SipEvent) -> None:
        if isinstance(event, Ringing | Answered):
            moments.now("ringing" if isinstance(event, Ringing) else "answered", callers[event.call])

    async def turn(number: int) -> None:
        async with turns:
            await one_call(line, chance, f"139{number:08}", house.address, moments, callers)

    async def watch() -> None:
        while True:
            assert house.parts.router.check() == []
            await asyncio.sleep(0.05)

    line.noticed = notice
    watching = asyncio.create_task(watch())
    await asyncio.gather(*map(turn, range(SCHEDULES)))
    watching.cancel()
    await asyncio.wait([watching])
    if not watching.cancelled():
        watching.result()


@pytest.mark.parametrize("seed", range(4))
async def test_random_schedules_leave_nothing_behind(seed: int, warm: Database, tmp_path: Path) -> None:
    chance = random.Random(seed)
    moments = Moments()
    tasks, files = asyncio.all_tasks(), descriptors()
    async with AsyncExitStack() as stack:
        agents = [
            await stack.enter_async_context(RestlessAgent(chance, "127.0.0.5", f"10{n:02}", moments))
            for n in range(AGENTS)
        ]
        line = await stack.enter_async_context(RestlessPhone(chance, "127.0.0.2", "trunk"))
        contacts = {agent.user: agent.uri for agent in agents}
        house = await stack.enter_async_context(open_house(warm, tmp_path, contacts, chance))
        idle_tasks, idle_files = len(asyncio.all_tasks()), descriptors()
        await call_all(house, line, chance, moments)
        await house.quiet()
        await settled(house)
        assert await house.log.flush()  # what the log is still writing is no call's
        assert house.live() == dict.fromkeys(house.live(), 0)
        assert house.parts.router.check() == []
        assert (len(asyncio.all_tasks()), descriptors(), bound_ports()) == (idle_tasks, idle_files, [])
        for trouble in ("calls_broken", "dispatch_failed", "malformed", "recorder_trouble"):
            assert house.parts.telephony.counters[trouble] == 0, trouble
        await accounted_for(house, warm)
        moods = sum((agent.moods for agent in agents), Counter())
    assert len(moods) >= 5, f"too little happened: {moods}"
    assert all(moments.happened(kind) > 5 for kind in Moments.KINDS)
    assert (asyncio.all_tasks(), descriptors()) == (tasks, files)


async def settled(house: House) -> None:
    """Every agent is back among the idle: pauses after a missed call are short here."""
    async with asyncio.timeout(5):
        seats = house.parts.router.book.seats.values()
        while {seat.state for seat in seats} != {State.IDLE}:  # noqa: ASYNC110 - agents get ready unannounced
            await asyncio.sleep(0.02)
    assert not house.parts.router.tickets
    assert not house.parts.router.book.places


async def accounted_for(house: House, database: Database) -> None:
    """Every call ended once and was accounted for once; its recording is sealed, or it never had one."""
    kinds: dict[str, Counter[str]] = {}
    for row in await database.fetch("SELECT call_id::text, kind FROM events WHERE call_id IS NOT NULL"):
        kinds.setdefault(row["call_id"], Counter())[row["kind"]] += 1
    assert len(kinds) == SCHEDULES == house.parts.telephony.counters["calls"]
    files = {path.stem: path for path in house.parts.vault.folder.glob("*/*/*/*")}
    for call_id, seen in kinds.items():
        assert (seen["call.invited"], seen["call.ended"], seen["call.accounted"]) == (1, 1, 1), seen
        assert seen["queue.entered"] == seen["queue.left"] + seen["agent.talked"], seen
        assert (call_id in files) == (seen["recording.sealed"] == 1), seen
        assert seen["recording.unsealed"] == 0
    for path in files.values():
        found = wavfile.layout(path)
        assert found.stated == found.present
        assert not wavfile.being_written(path)
