"""Queues clauses for the synthesiser's process: what a caller waits for goes before what is prepared ahead."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asr.process import WorkerDown, WorkerProcess
from calls.errors import HotlineError

_TOO_LATE = 15.0
"""Seconds after which a clause is given up; nobody waits longer on the telephone."""


class VoiceDown(HotlineError):
    """A text can be spoken neither by a recording nor by a synthesiser now."""


@dataclass(frozen=True, slots=True)
class VoiceSpec:
    """``engine`` is kokoro (with ``model`` and ``voice``, files) or espeak."""

    engine: str
    model: Path | None = None
    voice: Path | None = None
    speed: float = 1.0


@dataclass(order=True, slots=True)
class _Job:
    priority: int
    number: int
    text: str = field(compare=False)
    path: Path = field(compare=False)
    done: asyncio.Future[None] = field(compare=False)
    tried: bool = field(default=False, compare=False)


class Renderer:
    """One synthesiser under supervision. Its death delays the clause at hand; the others wait for the next life."""

    def __init__(self, spec: VoiceSpec, module: str) -> None:
        self._waiting: list[_Job] = []
        self._by_path: dict[Path, _Job] = {}
        self._running: _Job | None = None
        self._numbers = itertools.count(1)
        self.process = WorkerProcess(
            module,
            _arguments(spec),
            on_message=self._message,
            on_down=self._down,
            on_ready=self._next,
        )

    async def start(self) -> None:
        """Load the voice. Raises ModelError."""
        await self.process.start()

    async def close(self) -> None:
        """Stop; whoever still waits gets VoiceDown."""
        await self.process.close()
        for job in self._by_path.values():
            _fail(job, "the voice was closed")
        self._by_path.clear()
        self._waiting.clear()

    async def render(self, text: str, path: Path, *, urgent: bool) -> None:
        """Return when ``path`` holds ``text`` as speech. Raises VoiceDown. A cancelled caller does not stop the work:
        the next one who needs the clause finds it."""
        job = self._job(text, path, 0 if urgent else 1)
        try:
            await asyncio.wait_for(asyncio.shield(job.done), _TOO_LATE if urgent else None)
        except TimeoutError:
            raise VoiceDown(f"“{text}” was not rendered within {_TOO_LATE:.0f} s") from None

    def _job(self, text: str, path: Path, priority: int) -> _Job:
        job = self._by_path.get(path)
        if job is None:
            job = _Job(priority, next(self._numbers), text, path, asyncio.get_running_loop().create_future())
            self._by_path[path] = job
            heapq.heappush(self._waiting, job)
            self._next()
        elif priority < job.priority:
            job.priority = priority
            heapq.heapify(self._waiting)
        return job

    def _next(self) -> None:
        if self._running or not self._waiting or not self.process.ready:
            return
        job = self._running = heapq.heappop(self._waiting)
        try:
            self.process.send({"render": job.number, "text": job.text, "path": str(job.path)})
        except WorkerDown as error:
            self._finished(str(error))

    def _message(self, message: Mapping[str, Any]) -> None:
        if self._running and message["id"] == self._running.number:
            self._finished(message.get("problem", ""))
            self._next()

    def _down(self) -> None:
        """A clause gets a second life; one that kills its synthesiser twice is given up."""
        job = self._running
        if job and not job.tried:
            job.tried, self._running = True, None
            heapq.heappush(self._waiting, job)
        elif job:
            self._finished("the synthesiser died of it twice")

    def _finished(self, problem: str) -> None:
        job, self._running = self._running, None
        if job is None:
            return
        self._by_path.pop(job.path, None)
        if problem:
            _fail(job, problem)
        elif not job.done.done():
            job.done.set_result(None)


def _fail(job: _Job, problem: str) -> None:
    if not job.done.done():
        job.done.set_exception(VoiceDown(f"“{job.text}” cannot be spoken: {problem}"))
        job.done.exception()  # whoever asked may have hung up: then nobody retrieves it


def _arguments(spec: VoiceSpec) -> list[str]:
    arguments = ["--engine", spec.engine, "--speed", str(spec.speed)]
    for name, path in (("--model", spec.model), ("--voice", spec.voice)):
        arguments += [name, str(path)] if path else []
    return arguments
