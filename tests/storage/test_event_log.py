"""The log of events against a real server that goes away and comes back."""

from __future__ import annotations

from datetime import UTC, datetime

from calls import Event
from storage import Database, EventLog

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def event(number: int) -> Event:
    return Event("test.counted", AT, call_id="c1", details={"number": number})


async def numbers(db: Database) -> list[int]:
    rows = await db.fetch("SELECT details FROM events WHERE kind = 'test.counted' ORDER BY seq")
    return [row["details"]["number"] for row in rows]


async def test_events_reach_the_table_in_order(database: Database, event_log: EventLog) -> None:
    for number in range(1200):
        event_log.append(event(number))
    assert await event_log.flush()
    assert await numbers(database) == list(range(1200))
    assert event_log.waiting == 0
