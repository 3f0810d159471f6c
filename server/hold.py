"""What a caller hears while waiting for an agent: music, and the place in the line when it changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from calls import Phone, Sound
from calls.errors import HotlineError, LegGone
from ivr.saying import Note
from ivr.voice import Voice
from routing import Ticket

CONNECTING = "正在为您转接人工客服，请稍候。"


def place(position: int) -> str:
    """What is said about a place in the line; 1 is the next to be served."""
    return CONNECTING if position <= 1 else f"您前面还有{position - 1}位客人，请稍候。"


@asynccontextmanager
async def holding(phone: Phone, ticket: Ticket, voice: Voice, music: Sound, note: Note) -> AsyncIterator[None]:
    """While inside, the caller hears music, and the place in the line as often as the queue says."""
    entertaining = asyncio.create_task(_entertain(phone, ticket, voice, music, note))
    try:
        yield
    finally:
        entertaining.cancel()
        # The caller may hang up at this very await: gather tells our own cancellation, which must get through, from
        # the music's, and what the music ran into must not take its place.
        [outcome] = await asyncio.gather(entertaining, return_exceptions=True)
        if isinstance(outcome, Exception) and not isinstance(outcome, LegGone):
            note("voice.failed", {"text": "", "problem": repr(outcome)})


async def _entertain(phone: Phone, ticket: Ticket, voice: Voice, music: Sound, note: Note) -> None:
    said = 0
    while True:
        position = ticket.position
        if position and position != said:
            await _announce(phone, voice, position, note)
        said = position  # 0 as well: whoever is out of the line waits for nothing but the agent
        playback = await phone.play(music, loop=True)
        try:
            async with asyncio.timeout(ticket.queue.announce_every or None):
                await ticket.moved(said)
        except TimeoutError:
            said = 0  # the time has come to say the place again, moved or not
        finally:
            await playback.stop()


async def _announce(phone: Phone, voice: Voice, position: int, note: Note) -> None:
    """Say the place, or as much of it as there is time for. A voice that is down costs the announcement only."""
    text = place(position)
    note("queue.position", {"position": position, "text": text})
    playback = await phone.play(voice.say(text))
    try:
        await playback.finished()
    except HotlineError as error:
        note("voice.failed", {"text": text, "problem": str(error)})
    finally:
        await playback.stop()
