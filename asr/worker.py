"""The recogniser's process: ``python -m asr.worker --engine NAME --model PATH --control FD``.

Takes ``{"listen": id, "phrases": […]}`` with a datagram socket to read audio from, and ``{"stop": id}``; sends the
events of ``asr.messages`` with their ``id``. Ends when the control socket does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.engines.base import Engine
from asr.listener import Listener
from asr.loading import ENGINES, load
from asr.messages import pack
from asr.process import MAX_MESSAGE
from asr.recogniser import SpeechEvent
from asr.vad import FRAME_BYTES, FRAME_SECONDS
from calls.errors import ModelError
from media.pieces import PieceReader

NICE = 5
_TICK = 0.1


@dataclass(eq=False, slots=True)
class Ear:
    """One listening with its audio socket."""

    id: int
    audio: socket.socket
    listener: Listener
    pieces: PieceReader


class Worker:
    """Serves many listenings on one loop; what takes long runs on the one thread of ``_slow``."""

    def __init__(self, control: socket.socket, engine: Engine) -> None:
        self._control, self._engine = control, engine
        self._ears: dict[int, Ear] = {}
        self._slow = ThreadPoolExecutor(1)
        self._finishing: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Until the parent closes the control socket."""
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        loop.add_reader(self._control, self._command, over)
        self._slow.submit(self._engine.warm_up)
        send(self._control, {"ready": True})
        while not over.is_set():
            self._tick()
            try:
                await asyncio.wait_for(over.wait(), _TICK)
            except TimeoutError:
                continue
        self._slow.shutdown(wait=False, cancel_futures=True)

    def _command(self, over: asyncio.Event) -> None:
        data, fds, _, _ = socket.recv_fds(self._control, MAX_MESSAGE, 1)
        if not data:
            asyncio.get_running_loop().remove_reader(self._control)
            over.set()
            return
        message = json.loads(data)
        if "listen" in message:
            self._listen(message["listen"], fds[0], message["phrases"])
        elif ear := self._ears.get(message["stop"]):
            self._stop(ear)

    def _listen(self, ear_id: int, fd: int, phrases: Sequence[str]) -> None:
        audio = socket.socket(fileno=fd)
        audio.setblocking(False)
        ear = Ear(ear_id, audio, Listener(self._engine, phrases), PieceReader(audio))
        self._ears[ear_id] = ear
        asyncio.get_running_loop().add_reader(audio, self._hear, ear)

    def _stop(self, ear: Ear) -> None:
        if self._ears.pop(ear.id, None):
            asyncio.get_running_loop().remove_reader(ear.audio)
            ear.audio.close()

    def _hear(self, ear: Ear) -> None:
        """Take all waiting frames. When we are late, the earlier ones arrived a frame's time apart before ``now``."""
        frames = waiting_frames(ear.pieces)
        now = time.monotonic()
        for waiting, frame in zip(range(len(frames) - 1, -1, -1), frames, strict=True):
            if event := ear.listener.frame(frame, now - waiting * FRAME_SECONDS):
                self._say(ear, event)
            if ear.listener.ended:
                self._begin_to_finish(ear)
                return

    def _tick(self) -> None:
        for ear in list(self._ears.values()):
            if not ear.listener.ended:
                ear.listener.tick(time.monotonic())
                if ear.listener.ended:
                    self._begin_to_finish(ear)

    def _begin_to_finish(self, ear: Ear) -> None:
        # Audio waits in the socket meanwhile, so that no word after a cough is lost.
        asyncio.get_running_loop().remove_reader(ear.audio)
        task = asyncio.create_task(self._finish(ear))
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def _finish(self, ear: Ear) -> None:
        loop = asyncio.get_running_loop()
        heard = await loop.run_in_executor(self._slow, ear.listener.finish)
        if ear.id not in self._ears:
            return
        if heard is None:
            loop.add_reader(ear.audio, self._hear, ear)
            return
        self._say(ear, heard)
        self._stop(ear)

    def _say(self, ear: Ear, event: SpeechEvent) -> None:
        send(self._control, {"id": ear.id, **pack(event)})


def waiting_frames(pieces: PieceReader) -> list[bytes]:
    """The frames that wait. What we were too slow for is silence, so that the others keep their times."""
    frames: list[bytes] = []
    for missing, pcm in pieces.waiting():
        frames += [bytes(FRAME_BYTES)] * (2 * missing // FRAME_BYTES)
        frames += [pcm[begin : begin + FRAME_BYTES] for begin in range(0, len(pcm), FRAME_BYTES)]
    return frames


def send(control: socket.socket, message: dict[str, Any]) -> None:
    """Say ``message`` to the parent; a parent that went away is noticed by the reader."""
    try:
        control.send(json.dumps(message).encode())
    except (BrokenPipeError, ConnectionResetError):
        return


def main() -> None:
    """Load the model, say so, serve."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--engine", choices=ENGINES, required=True)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--control", type=int, required=True)
    options = arguments.parse_args()
    run(options.control, lambda: load(options.engine, options.model))


def run(control_fd: int, load_engine: Callable[[], Engine]) -> None:
    """Serve until the parent goes away. Exits with 2, having told why, when the engine raises ModelError."""
    os.nice(NICE)
    control = socket.socket(fileno=control_fd)
    try:
        engine = load_engine()
    except ModelError as error:
        send(control, {"failed": str(error)})
        raise SystemExit(2) from None
    asyncio.run(Worker(control, engine).serve())


if __name__ == "__main__":
    main()
