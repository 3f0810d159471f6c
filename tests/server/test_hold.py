"""Music on hold ends when the waiting ends, and whoever hangs up at that very moment is not overheard."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from calls import Sound
from calls.errors import LegGone
from server.hold import holding


class SlowToStop:
    """A phone whose music takes until ``stopped`` to stop, or is gone by then."""

    def __init__(self, gone: bool = False) -> None:
        self.gone, self.stopped, self.playing = gone, asyncio.Event(), asyncio.Event()

    async def play(self, sound: object, *, loop: bool = False) -> SlowToStop:
        self.playing.set()
        return self

    async def stop(self) -> float:
        await self.stopped.wait()
        if self.gone:
            raise LegGone("the leg has ended")
        return 0.0


class NobodyMoves:
    """A ticket without a place to announce."""

    position, queue = 0, SimpleNamespace(announce_every=0.0)

    async def moved(self, since: int) -> None:
        await asyncio.Event().wait()


def hold(phone: SlowToStop, notes: list[str]) -> Any:
    music: Any = Sound(b"\0" * 320)
    ticket: Any = NobodyMoves()
    voice: Any = None
    caller: Any = phone
    return holding(caller, ticket, voice, music, lambda kind, details: notes.append(kind))


async def test_a_hang_up_while_the_music_is_being_stopped_is_not_lost() -> None:
    phone, went_on = SlowToStop(), False

    async def wait_and_talk() -> None:
        nonlocal went_on
        async with hold(phone, []):
            await phone.playing.wait()
        went_on = True

    call = asyncio.create_task(wait_and_talk())
    await phone.playing.wait()
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the agent has answered; the music is asked to stop
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert not went_on


async def test_a_caller_who_is_gone_does_not_break_off_the_waiting_in_another_way() -> None:
    phone = SlowToStop(gone=True)
    notes: list[str] = []
    phone.stopped.set()
    async with hold(phone, notes):
        await phone.playing.wait()
    assert notes == []
