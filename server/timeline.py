"""The timeline that ``hotline try`` prints: what the simulated parties saw, and what the server says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from calls import Event
from calls.errors import HotlineError
from insight import calls, story
from server.settings import Settings
from storage import Database
from storage.cluster import Cluster

_TELLING: Mapping[str, str] = {
    "call.ringing": "ringing",
    "caller.identified": "the server knows the caller: {identity}, tier {tier}",
    "prompt.played": "the server said: {text}",
    "caller.heard": "the server heard: {text} ({syllables})",
    "intent.understood": "intent {intent}, confidence {confidence:.2f}",
    "intent.unclear": "no intent; the nearest is {intent}, confidence {confidence:.2f}",
    "service.answered": "self-service {service} answered",
    "queue.entered": "queue {queue}",
    "queue.offered": "an agent is chosen: {reasons}",
    "call.bridged": "bridged",
    "leg.quality": "the {side}'s line: heard MOS {from_mos}, loss {from_loss}, jitter {from_jitter_ms} ms; "
    "hears MOS {to_mos}, loss {to_loss}; round trip {round_trip_ms} ms",
    "leg.no_audio": "no audio, {side}: {text} ({english})",
    "recording.trouble": "the recording cannot be written: {problem}",
    "recording.resumed": "the recording is written again, {missing_ms} ms are missing",
    "recording.incomplete": "the recording is incomplete, {missing_ms} ms are missing",
    "recording.sealed": "recording {path}, {seconds:.1f} s",
}
PATIENCE = 10.0


class NotThere(HotlineError):
    """The server's log has no such call, or its end is missing."""


class Timeline:
    """``began`` is zero on the scale."""

    def __init__(self, began: datetime) -> None:
        self.began = self._started = began
        self._marks: list[tuple[datetime, str]] = []

    def mark(self, text: str) -> None:
        """Something happened now."""
        self._marks.append((datetime.now(UTC), text))

    def text(self) -> str:
        """Everything in order, in milliseconds since the customer dialled."""
        rows = sorted(self._marks)
        return "\n".join(f"{(at - self.began).total_seconds() * 1000:>8.0f} ms  {text}" for at, text in rows)

    async def add_what_the_server_says(self, settings: Settings) -> None:
        """Add the call's events from the server's log. Raises NotThere when they show that something went wrong."""
        async with Database(settings.database.dsn or Cluster(settings.data).dsn) as database:
            events = await self._events(database)
        for event in events:
            if event.kind in _TELLING:
                self._marks.append((event.at, f"    {_TELLING[event.kind].format_map(_Gentle(event.details))}"))
        kinds = {event.kind for event in events}
        if "intent.understood" not in kinds:
            raise NotThere("the server did not understand the customer")
        if not kinds & {"call.bridged", "service.answered"}:
            raise NotThere("the call was neither served nor brought to an agent")
        if "recording.sealed" not in kinds:
            raise NotThere("the recording was not sealed")

    async def _events(self, database: Database) -> list[Event]:
        """Of the call that began after us, once it is accounted for."""
        events: list[Event] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while not any(event.kind == "call.accounted" for event in events):
                    await asyncio.sleep(0.1)
                    newest = [row for row in await calls(database, 5) if row.began >= self.began]
                    events = await story(database, newest[-1].id) if newest else []
        except TimeoutError:
            raise NotThere("the server's log does not show the end of the call; is its database there?") from None
        return events


class _Gentle(dict[str, object]):
    """Details for a format string; one that an event does not have is a dash, not an error."""

    def __getitem__(self, key: str) -> object:
        value = super().__getitem__(key) if key in self else "–"
        return "，".join(map(str, value)) if isinstance(value, list) else value

    def __missing__(self, key: str) -> str:
        return "–"
