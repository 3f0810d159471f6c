"""Past calls as JSON values, with every telephone number masked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Protocol

from calls import Event, PhoneNumber
from insight import CallRow
from insight import calls as latest_calls
from insight import story as story_of_call
from storage import Database

_NUMBER = re.compile(r"(?<![\w.-])\+?\d{8,15}(?![\w.-])")
"""Eight digits and more that stand alone: a telephone number, or near enough. Identifiers in UUID form do not."""


class Archive(Protocol):
    """Where past calls are read. Both raise DatabaseAway."""

    async def latest(self, limit: int) -> list[CallRow]:
        """The calls that came in last, newest first."""

    async def story(self, call_id: str) -> list[Event]:
        """The events of one call in order; empty for an unknown call."""


class DatabaseArchive:
    """Reads the log of events."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def latest(self, limit: int) -> list[CallRow]:
        return await latest_calls(self._db, limit)

    async def story(self, call_id: str) -> list[Event]:
        return await story_of_call(self._db, call_id)


def row_json(row: CallRow) -> dict[str, object]:
    """One line of the list of calls. What was said is in the call's own page."""
    insight = {key: value for key, value in asdict(row.insight).items() if key not in ("call_id", "turns")}
    return {"id": row.id, "began": row.began.isoformat(), "caller": row.caller, "called": row.called,
            "answered": row.answered, "ended": row.ended, **insight}


def event_json(event: Event) -> dict[str, object]:
    """One event; under the key ``number``, and wherever digits look like one, a number is masked."""
    return {"kind": event.kind, "at": event.at.isoformat(), "agent": event.agent, "details": masked(event.details)}


def masked(value: object, key: str = "") -> object:
    """``value`` without readable telephone numbers. ``called`` is the hotline's own number and stays."""
    if isinstance(value, Mapping):
        return {name: masked(inside, str(name)) for name, inside in value.items()}
    if isinstance(value, list | tuple):
        return [masked(inside, key) for inside in value]
    if not isinstance(value, str) or key == "called":
        return value
    if key == "number":
        return str(PhoneNumber(value))
    return _NUMBER.sub(lambda found: str(PhoneNumber(found[0])), value)
