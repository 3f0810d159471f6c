"""A worker process under supervision: started with ``python -m``, never forked, because the parent holds media threads
and a running loop; spoken to over a packet socket that carries JSON and descriptors; restarted when it dies."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from calls.errors import HotlineError, ModelError

log = logging.getLogger(__name__)

MAX_MESSAGE = 65_536
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 15.0
_PROVEN_AFTER = 30.0
"""A worker that lived so long has earned a quick restart again."""
_CLOSE_WITHIN = 2.0
_ROOT = Path(__file__).resolve().parents[1]


class WorkerDown(HotlineError):
    """The worker cannot take a message now."""


class WorkerProcess:
    """Keeps one ``python -m module arguments… --control FD`` alive.

    The worker says ``{"ready": true}`` when its model is loaded, or ``{"failed": "why"}`` and exits. It exits by
    itself when the control socket closes, so a killed parent leaves no orphan.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        on_message: Callable[[Mapping[str, Any]], None],
        on_down: Callable[[], None],
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._command = (sys.executable, "-m", module, *arguments)
        self._name = module
        self._on_message, self._on_down, self._on_ready = on_message, on_down, on_ready
        self._control: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._proven = False
        self._failure = ""
        self._supervision: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self._process.pid if self._process else None

    @property
    def ready(self) -> bool:
        """Whether a message would be taken now."""
        return self._ready.is_set()

    async def start(self) -> None:
        """Return when the model is loaded. Raises ModelError with the worker's reason when it cannot be."""
        first_life = asyncio.Event()
        self._supervision = asyncio.create_task(self._supervise(first_life), name=f"supervise {self._name}")
        waits = [asyncio.create_task(event.wait()) for event in (self._ready, first_life)]
        try:
            await asyncio.wait((*waits, self._supervision), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not self.ready:
            await self.close()
            raise ModelError(self._failure or f"{self._name} died while it loaded its model")

    async def available(self, within: float) -> bool:
        """Wait up to ``within`` seconds for a worker that is being restarted."""
        try:
            await asyncio.wait_for(self._ready.wait(), within)
        except TimeoutError:
            return False
        return True

    def send(self, message: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
        """Hand over ``message`` and copies of ``fds``. Raises WorkerDown."""
        if self._control is None or not self.ready:
            raise WorkerDown(f"{self._name} is not running")
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], list(fds))
        except OSError as error:
            raise WorkerDown(f"{self._name} does not take messages: {error.strerror}") from error

    async def close(self) -> None:
        """Stop the worker and wait until it is gone. May be called twice."""
        if self._supervision is not None:
            self._supervision.cancel()
            await asyncio.gather(self._supervision, return_exceptions=True)
            self._supervision = None

    async def _supervise(self, first_life: asyncio.Event) -> None:
        """Life after life. A worker that never became ready is not tried again: ``start`` tells why."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            born = loop.time()
            await self._live()
            first_life.set()
            if not self._proven:
                return
            pause = _FIRST_PAUSE if loop.time() - born > _PROVEN_AFTER else min(pause * 2, _LONGEST_PAUSE)
            log.warning("%s died%s; restarting in %.1f s", self._name, _because(self._failure), pause)
            await asyncio.sleep(pause)

    async def _live(self) -> None:
        """One life of the process, from start to reaping."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            ours.setblocking(False)
            self._failure = ""
            self._process = await self._spawn(theirs)
            theirs.close()
            self._control = ours
            loop.add_reader(ours, self._read)
            await self._process.wait()
            self._read()  # its last words
        finally:
            loop.remove_reader(ours)
            self._control = None
            ours.close()
            theirs.close()
            self._ready.clear()
            self._on_down()
            await self._reap()

    async def _spawn(self, control: socket.socket) -> asyncio.subprocess.Process:
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        return await asyncio.create_subprocess_exec(
            *self._command,
            "--control",
            str(control.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(control.fileno(),),
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C in the terminal is for the parent, which still drains its calls
        )

    async def _reap(self) -> None:
        """After the control socket closed the worker leaves by itself; one that hangs is killed."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            await asyncio.wait_for(process.wait(), _CLOSE_WITHIN)
        except TimeoutError:
            process.kill()
            await process.wait()

    def _read(self) -> None:
        while self._control is not None:
            try:
                packet = self._control.recv(MAX_MESSAGE)
            except BlockingIOError:
                return
            except OSError:  # reset by a killed worker: the same as the end of the stream
                packet = b""
            if not packet:
                asyncio.get_running_loop().remove_reader(self._control)
                self._ready.clear()
                return
            self._take(json.loads(packet))

    def _take(self, message: Mapping[str, Any]) -> None:
        if "ready" in message:
            self._proven = True
            self._ready.set()
            self._on_ready()
        elif "failed" in message:
            self._failure = str(message["failed"])
        else:
            self._on_message(message)


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
