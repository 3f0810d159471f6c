"""What a caller on hold hears: the place in the line, music, and every move."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from calls import Call, Phone, Sound
from calls.errors import HotlineError, LegGone
from ivr.voice import Voice
from routing import Ticket
from server.hold import CONNECTING, holding, place

NOON = datetime(2025, 3, 3, 4, 0, tzinfo=UTC)
CALL = Call("7a1cfb0e-6a0a-4b0a-8a73-0e0b1f3f1d11", "carrier", "4008001234", None, "main", NOON)


@dataclass
class Played:
    """A playback: speech is over at once, music goes on until it is stopped."""

    sounds: list[str]
    failure: HotlineError | None = None
    stopped: bool = False

    async def finished(self) -> float:
        if self.failure:
            raise self.failure
        return 1.0

    async def stop(self) -> float:
        self.stopped = True
        return 1.0


@dataclass
class Listener:
    """A caller's phone that remembers what was played to it."""

    played: list[Played] = field(default_factory=list)
    gone: bool = False

    async def play(self, sound: Sound | AsyncIterable[Sound], *, loop: bool = False) -> Played:
        if self.gone:
            raise LegGone("the leg has ended")
        try:
            texts = [sound.text] if isinstance(sound, Sound) else [piece.text async for piece in sound]
            self.played.append(Played(texts))
        except HotlineError as error:
            self.played.append(Played([], error))
        return self.played[-1]

    @property
    def heard(self) -> list[str]:
        return [text for played in self.played for text in played.sounds]


class Speaker:
    """A voice that says at once what it is to say, or nothing at all."""

    def __init__(self, failure: HotlineError | None = None) -> None:
        self.failure = failure

    async def say(self, text: str) -> AsyncIterator[Sound]:
        if self.failure:
            raise self.failure
        yield Sound(bytes(2), text)


class Line:
    """A ticket whose place in the line the test decides."""

    def __init__(self, position: int, announce_every: float = 0.0) -> None:
        self.position, self.queue = position, SimpleNamespace(announce_every=announce_every)
        self._news = asyncio.Event()

    async def moved(self, since: int) -> int:
        while self.position == since:
            self._news.clear()
            await self._news.wait()
        return self.position

    def moves(self, position: int) -> None:
        self.position = position
        self._news.set()


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@contextmanager
def notes() -> Iterator[tuple[list[tuple[str, Mapping[str, object]]], Callable[[str, Mapping[str, object]], None]]]:
    written: list[tuple[str, Mapping[str, object]]] = []
    yield written, lambda kind, details: written.append((kind, details))


def on_hold(phone: Listener, line: Line, speaker: Speaker, note: Callable[[str, Mapping[str, object]], None]) -> Any:
    return holding(cast(Phone, phone), cast(Ticket, line), cast(Voice, speaker), Sound(bytes(2), "♪"), note)


async def test_on_hold_one_hears_the_place_and_music_and_every_move() -> None:
    phone, line = Listener(), Line(3)
    with notes() as (written, note):
        async with on_hold(phone, line, Speaker(), note):
            await turns()
            assert phone.heard == [place(3), "♪"] == ["您前面还有2位客人，请稍候。", "♪"]
            line.moves(1)
            await turns()
            assert phone.heard == [place(3), "♪", CONNECTING, "♪"]
            line.moves(0)  # an agent has answered: there is no place to be told any more
            await turns()
            assert phone.heard[4:] == ["♪"]
    assert all(played.stopped for played in phone.played)
    assert [details["position"] for _, details in written] == [3, 1]


async def test_the_place_is_said_again_as_often_as_the_queue_wants() -> None:
    phone, line = Listener(), Line(2, announce_every=0.01)
    with notes() as (_, note):
        async with on_hold(phone, line, Speaker(), note), asyncio.timeout(10):
            while phone.heard.count(place(2)) < 3:  # noqa: ASYNC110 - time itself is what is awaited
                await asyncio.sleep(0.005)
    assert phone.heard[:4] == [place(2), "♪", place(2), "♪"]


async def test_a_voice_that_is_down_costs_the_announcement_and_not_the_music() -> None:
    phone, line = Listener(), Line(2)
    with notes() as (written, note):
        async with on_hold(phone, line, Speaker(HotlineError("no voice")), note):
            await turns()
    assert phone.heard == ["♪"]
    assert ("voice.failed", {"text": place(2), "problem": "no voice"}) in written


async def test_a_caller_who_is_gone_is_entertained_no_more() -> None:
    with notes() as (_, note):
        async with on_hold(Listener(gone=True), Line(1), Speaker(), note):
            await turns()
