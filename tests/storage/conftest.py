"""A server that tests may kill, freeze and restart; the session's own must stay up for everybody else."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from storage import Database, migrate
from storage.cluster import Cluster

_numbers = count(1)


class FragileServer(Cluster):
    """A server with means to go away."""

    def signal(self, sign: signal.Signals) -> None:
        assert self.pid is not None
        os.kill(self.pid, sign)

    def kill(self) -> None:
        """kill -9, and what the kernel then does to its children's shared memory is PostgreSQL's own affair."""
        self.signal(signal.SIGKILL)
        self.wait_until_nobody_is_left()

    def wait_until_nobody_is_left(self) -> None:
        while self._inhabited():
            if self._process is not None:
                self._process.poll()

    def _inhabited(self) -> bool:
        """Whether any process stands in the server's folder: after a kill its children live a moment longer."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended meanwhile
                if os.path.samefile(process / "cwd", self.data):
                    return True
        return False

    def freeze(self) -> None:
        """Stop every process of the server: connections stay open and nothing answers."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        assert self.pid is not None
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]


@pytest.fixture(scope="session")
def fragile_folder(scratch: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="hotline-fragile-", dir=scratch))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def server(fragile_folder: Path) -> Iterator[FragileServer]:
    """A running server with real durability short of the disk's own: a commit survives its kill -9."""
    server = FragileServer(fragile_folder, {"fsync": "off"})
    server.start()
    yield server
    if server.pid is not None:
        server.thaw()
    server.stop()


@pytest.fixture
async def fragile(server: FragileServer) -> AsyncIterator[Database]:
    """A database of this test's own on the server that may be killed, with the events table."""
    name = f"test_{next(_numbers)}"
    maintenance = await asyncpg.connect(server.dsn)
    await maintenance.execute(f"CREATE DATABASE {name}")
    await maintenance.close()
    dsn = server.dsn.replace("/hotline?", f"/{name}?")
    async with Database(dsn, connect_within=0.5, answer_within=0.5) as db:
        await migrate(db, [Path(__file__).parents[2] / "storage" / "migrations"])
        yield db
