"""What the running server wrote down of one call: its events in order, and its recording."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.partners.audio import Pcm, read_channels
from tests.partners.hotline import Hotline
from tests.partners.sipp import SippCaller

END = "call.accounted"
"""The last event of every call."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event. ``at`` is Unix time in seconds."""

    kind: str
    at: float
    agent: str | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """The events of one call, oldest first, and where its recordings lie."""

    call_id: str
    events: Sequence[Told]
    recordings: Path

    def all(self, kind: str) -> list[Told]:
        """Every event of this kind."""
        return [told for told in self.events if told.kind == kind]

    def one(self, kind: str, **details: Any) -> Told:
        """The first event of this kind with these details. Raises AssertionError with all that was told."""
        for told in self.all(kind):
            if details.items() <= told.details.items():
                return told
        raise AssertionError(f"no {kind} {details or ''} in:\n{self}")

    def agents(self, kind: str) -> list[str | None]:
        """Whose events of this kind, in order."""
        return [told.agent for told in self.all(kind)]

    @property
    def recording(self) -> Path:
        """The sealed file."""
        return self.recordings / str(self.one("recording.sealed").details["path"])

    def channels(self) -> tuple[Pcm, Pcm]:
        """What the caller said (left), and what the caller heard (right)."""
        left, right = read_channels(self.recording)
        return left, right

    def __str__(self) -> str:
        return "\n".join(f"{told.at - self.events[0].at:8.3f} {told.kind} {told.agent or ''} {told.details}"
                         for told in self.events)


async def told_of(hotline: Hotline, caller: SippCaller, until: str = END, count: int = 1, within: float = 15) -> Story:
    """The story of this caller's call, once it holds ``count`` events of kind ``until``."""
    sip_call_id = caller.messages[0].header("Call-ID")
    call_id, story = "", Story("", (), hotline.data)
    try:
        async with asyncio.timeout(within):
            while len(story.all(until)) < count:
                await asyncio.sleep(0.1)
                call_id = call_id or await _id_of(hotline, sip_call_id)
                if call_id:
                    story = await _read(hotline, call_id)
    except TimeoutError:
        raise TimeoutError(f"{count} × {until}: not within {within:g} s; so far:\n{story}") from None
    return story


async def latest(hotline: Hotline, caller: str, within: float = 15) -> Story:
    """The story of the newest call of ``caller``, as the log names callers, once it is over."""
    story = Story("", (), hotline.data)
    try:
        async with asyncio.timeout(within):
            while not story.all(END):
                await asyncio.sleep(0.1)
                rows = (await hotline.get("/api/calls?limit=50"))["latest"] or ()
                newest = next((row["id"] for row in rows if row["caller"] == caller), "")
                story = await _read(hotline, newest) if newest else story
    except TimeoutError:
        raise TimeoutError(f"no call of {caller} has ended within {within:g} s; so far:\n{story}") from None
    return story


async def _id_of(hotline: Hotline, sip_call_id: str) -> str:
    """Our id of the call with this SIP Call-ID; empty while the log does not show it."""
    for row in (await hotline.get("/api/calls?limit=50"))["latest"] or ():
        invited = (await _read(hotline, row["id"])).all("call.invited")
        if invited and invited[0].details["sip_call_id"] == sip_call_id:
            return str(row["id"])
    return ""


async def _read(hotline: Hotline, call_id: str) -> Story:
    rows = (await hotline.get(f"/api/calls/{call_id}")).get("events", [])
    events = [Told(row["kind"], datetime.fromisoformat(row["at"]).timestamp(), row["agent"], row["details"])
              for row in rows]
    return Story(call_id, events, hotline.data / "recordings")
