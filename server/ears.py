"""What a simulated party hears: when speech begins and when it falls silent."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack

from asr.vad import FRAME_BYTES, VoiceDetector
from calls import Phone
from media.pieces import PieceReader

_STARTS = 5
"""Voiced frames of 20 ms in a row that are speech, not a click."""


class Ears:
    """Listens to one phone while inside a ``with`` block."""

    def __init__(self, phone: Phone) -> None:
        self._phone, self._stack = phone, ExitStack()
        self._began, self._last, self._run = asyncio.Event(), 0.0, 0
        self._vad = VoiceDetector()

    def __enter__(self) -> Ears:
        self._loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (ours, theirs):
            end.setblocking(False)
            self._stack.enter_context(end)
        self._stack.enter_context(self._phone.tapped(theirs.fileno()))
        self._loop.add_reader(ours, self._listen, PieceReader(ours))
        self._stack.callback(self._loop.remove_reader, ours)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def speech(self) -> None:
        """Wait until speech begins, or return at once when it has begun since ``forget``."""
        await self._began.wait()

    async def silence(self, seconds: float) -> None:
        """Wait until nothing was said for so long."""
        # Silence is no event: it has come when so much time has passed since the last sound.
        while (left := self._last + seconds - self._loop.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left)

    def forget(self) -> None:
        """What was heard so far does not count."""
        self._began.clear()
        self._run = 0

    def _listen(self, reader: PieceReader) -> None:
        for missing, pcm in reader.waiting():
            if missing:
                self._run = 0
            for at in range(0, len(pcm), FRAME_BYTES):
                self._frame(pcm[at : at + FRAME_BYTES])

    def _frame(self, frame: bytes) -> None:
        self._run = self._run + 1 if self._vad.voiced(frame) else 0
        if self._run:
            self._last = self._loop.time()
        if self._run >= _STARTS:
            self._began.set()
