"""The recogniser as the server uses it: a pool of supervised worker processes behind the ``Recogniser`` protocol."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.messages import unpack
from asr.process import WorkerDown, WorkerProcess
from asr.recogniser import Listening, Partial, RecogniserDown, SpeechEvent
from calls.speech import Heard, HeardBy

_RESTART_PATIENCE = 1.5
"""Seconds that a new listening waits for a worker that is just being restarted."""


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Which recogniser to run: ``engine`` is zipformer, whisper or vosk; ``model`` its folder."""

    engine: str
    model: Path


class PooledListening:
    """A ``Listening`` whose events come from a worker."""

    def __init__(self, audio: socket.socket) -> None:
        self._audio = audio
        self._events: asyncio.Queue[SpeechEvent | None] = asyncio.Queue()
        self._partial = Partial(())
        self._over = False

    @property
    def fd(self) -> int:
        return self._audio.fileno()

    def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        return self

    async def __anext__(self) -> SpeechEvent:
        if self._over:
            raise StopAsyncIteration
        event = await self._events.get()
        if event is None:
            event = self._last_words()
        if isinstance(event, Partial):
            self._partial = event
        self._over = isinstance(event, Heard)
        return event

    def put(self, event: SpeechEvent | None) -> None:
        """The worker says ``event``; None: the worker died."""
        self._events.put_nowait(event)

    def _last_words(self) -> Heard:
        """What had been understood when the worker died, if anything: half a sentence often is enough."""
        self._over = True
        if not self._partial.syllables:
            raise RecogniserDown("the recogniser died while it listened; the next utterance finds a new one")
        return Heard(HeardBy.VOICE, self._partial.syllables, self._partial.text, confidence=0.5)


class PoolWorker:
    """One process and the listenings that it serves."""

    def __init__(self, spec: EngineSpec, module: str) -> None:
        self.open: dict[int, PooledListening] = {}
        self.process = WorkerProcess(
            module,
            ("--engine", spec.engine, "--model", str(spec.model)),
            on_message=self._message,
            on_down=self._down,
        )

    def _message(self, message: Mapping[str, Any]) -> None:
        if listening := self.open.get(message["id"]):
            listening.put(unpack(message))

    def _down(self) -> None:
        for listening in self.open.values():
            listening.put(None)
        self.open.clear()


class WorkerPool:
    """Implements ``Recogniser``. Each listening goes to the ready worker that has the fewest.

    ``module`` is run with ``python -m``; another one may bring another engine.
    """

    def __init__(self, spec: EngineSpec, workers: int = 1, *, module: str = "asr.worker") -> None:
        self._workers = [PoolWorker(spec, module) for _ in range(workers)]
        self._ids = itertools.count(1)

    @property
    def ready(self) -> bool:
        """Whether a listening would find a worker at once."""
        return any(worker.process.ready for worker in self._workers)

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the processes that run now, for supervision and tests."""
        return tuple(worker.process.pid for worker in self._workers if worker.process.pid)

    async def start(self) -> None:
        """Return when all workers have loaded the model. Raises ModelError; then nothing is left running."""
        starts = await asyncio.gather(*(worker.process.start() for worker in self._workers), return_exceptions=True)
        for failure in filter(None, starts):
            await self.close()
            raise failure

    async def close(self) -> None:
        """Stop the workers; open listenings raise RecogniserDown. May be called twice."""
        await asyncio.gather(*(worker.process.close() for worker in self._workers))

    @asynccontextmanager
    async def listening(self, *, phrases: Sequence[str] = ()) -> AsyncIterator[Listening]:
        """See ``Recogniser.listening``. Both descriptors are closed on leaving, whatever happened inside."""
        worker = await self._ready_worker()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        key = next(self._ids)
        try:
            ours.setblocking(False)
            listening = PooledListening(ours)
            worker.open[key] = listening
            _hand_over(worker, key, theirs, phrases)
            theirs.close()
            yield listening
        finally:
            if worker.open.pop(key, None):
                with contextlib.suppress(WorkerDown):  # then nothing of it is left to stop
                    worker.process.send({"stop": key})
            ours.close()
            theirs.close()

    async def _ready_worker(self) -> PoolWorker:
        if not self.ready:
            waits = [asyncio.create_task(w.process.available(_RESTART_PATIENCE)) for w in self._workers]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        ready = [worker for worker in self._workers if worker.process.ready]
        if not ready:
            raise RecogniserDown("no recogniser is running; it is being restarted")
        return min(ready, key=lambda worker: len(worker.open))


def _hand_over(worker: PoolWorker, key: int, audio: socket.socket, phrases: Sequence[str]) -> None:
    try:
        worker.process.send({"listen": key, "phrases": list(phrases)}, [audio.fileno()])
    except WorkerDown as error:
        raise RecogniserDown(str(error)) from error
