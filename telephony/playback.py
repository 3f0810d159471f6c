"""One prompt that is being played to one leg."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import Protocol

from calls.errors import LegGone
from calls.phone import Sound
from media.engine import MediaEngine, MediaEvent, Node, PlayFinished
from media.server import MediaServer

SAMPLE_RATE = 8000


class Room(Protocol):
    """What a prompt needs of the leg that it is played to."""

    media: MediaServer
    engine: MediaEngine

    def own(self, node: Node) -> Node: ...
    def release(self, node: Node) -> None: ...
    def hear(self, source: Node, gain: float) -> None: ...


class Playing:
    """One prompt on one leg (``calls.Playback``). It has a player of its own, so that what the core reports about
    one prompt can never be taken for another's."""

    def __init__(self, room: Room, sound: Sound | AsyncIterable[Sound], *, loop: bool) -> None:
        self._room, self._engine = room, room.engine
        self._done: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._broken: Exception | None = None
        self._cut = False
        self._pump: asyncio.Task[None] | None = None
        self._node = room.own(room.engine.open_player())
        room.media.watch(self._node, self._event)
        room.hear(self._node, 1.0)
        if isinstance(sound, Sound):
            self._queue(sound.pcm, last=True, loop=loop)
        else:
            self._pump = asyncio.create_task(self._stream(sound, loop))

    async def finished(self) -> float:
        return await asyncio.shield(self._done)

    async def stop(self) -> float:
        """As in the protocol; 0.0 when the leg ended before the core could say how much was heard."""
        self.cut()
        try:
            return await asyncio.shield(self._done)
        except LegGone:
            return 0.0

    def cut(self) -> None:
        """Ask the core to stop; ``PlayFinished`` will tell how much was heard."""
        if self._cut or self._done.done():
            return
        self._cut = True
        self._stop_pump()
        self._room.hear(self._node, 0.0)
        self._engine.stop(self._node)

    def abandon(self) -> None:
        """The leg is gone and its nodes with it."""
        self._stop_pump()
        if not self._done.done():
            self._done.set_exception(LegGone("the leg ended while a prompt was playing"))
            self._done.exception()  # marked as seen: nobody has to wait for a prompt

    def _stop_pump(self) -> None:
        if self._pump is not None:
            self._pump.cancel()

    def _queue(self, pcm: bytes | memoryview, *, last: bool, loop: bool) -> None:
        if pcm:
            self._engine.play(self._node, pcm, loop=last and loop)
        if last and not (loop and pcm):
            self._engine.finish(self._node)

    async def _stream(self, pieces: AsyncIterable[Sound], loop: bool) -> None:
        heard = bytearray()
        try:
            async for piece in pieces:
                self._queue(piece.pcm, last=False, loop=False)
                if loop:
                    heard += piece.pcm
        except Exception as error:  # noqa: BLE001 — whatever broke the stream is for whoever awaits the prompt
            self._broken = error
            heard.clear()
        finally:
            close = getattr(pieces, "aclose", None)  # generators hold resources; other iterables have no aclose
            if close is not None:
                await close()
        self._queue(bytes(heard), last=True, loop=loop)

    def _event(self, event: MediaEvent) -> None:
        if not isinstance(event, PlayFinished):
            return
        self._stop_pump()
        self._room.release(self._node)
        if self._done.done():
            return
        if self._broken is not None:
            self._done.set_exception(self._broken)
            self._done.exception()
        else:
            self._done.set_result(event.samples / SAMPLE_RATE)
