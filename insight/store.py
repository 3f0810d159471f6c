"""Calls as the log of events tells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path

from calls import Event, Insight
from insight.accounting import account
from storage import Database, queries

_SQL = queries.load(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, slots=True)
class CallRow:
    """One line of the list of calls. ``caller`` is masked, and empty where withheld."""

    id: str
    began: datetime
    caller: str
    called: str
    answered: bool
    ended: bool
    insight: Insight


async def story(db: Database, call_id: str) -> list[Event]:
    """Everything that happened to one call, in order; empty for an unknown call. Raises DatabaseAway."""
    return [Event(**row) for row in await db.fetch(_SQL["story_of_call"], call_id)]


async def calls(db: Database, limit: int = 20) -> list[CallRow]:
    """The calls that came in last, newest first. Raises DatabaseAway."""
    events = [Event(**row) for row in await db.fetch(_SQL["latest_stories"], limit)]
    return [_row(list(of_call)) for _, of_call in groupby(events, key=lambda event: event.call_id)]


def _row(events: list[Event]) -> CallRow:
    invited = next(event for event in events if event.kind == "call.invited")
    kinds = {event.kind for event in events}
    return CallRow(
        id=str(invited.call_id),
        began=invited.at,
        caller=str(invited.details.get("caller") or ""),
        called=str(invited.details.get("called") or ""),
        answered="call.answered" in kinds,
        ended="call.ended" in kinds,
        insight=account(events),
    )
