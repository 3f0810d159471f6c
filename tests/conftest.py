"""A real database for every test that asks for one: one server a session, one copy of a migrated template a test."""

from __future__ import annotations

import asyncio
import gc
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import asyncpg
import hypothesis
import pytest

from storage import Database, EventLog, migrate
from storage.cluster import Cluster

THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "32MB"}
"""Settings of a server whose data nobody will miss."""

_numbers = count(1)

hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")
"""A property holds or does not, however much else the machine has to do."""


@pytest.fixture(scope="module", autouse=True)
def short_pauses() -> None:
    """What earlier modules and the collected tests have left is not looked through for garbage again and again. That
    has stopped this process for half a second and more, and with it the parties who speak and hear in it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def scratch() -> Path:
    """Where databases are made: in memory if the machine has room there, since their data live for one run.

    Not below pytest's own folder: as root, every run of pytest closes that to the user who runs the server.
    """
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > 2**30 else Path(tempfile.gettempdir())


@pytest.fixture(scope="session")
def template_server(scratch: Path) -> Iterator[Cluster]:
    """The session's server. Its database ``hotline`` is migrated and serves as the template of all others."""
    folder = Path(tempfile.mkdtemp(prefix="hotline-test-", dir=scratch))
    cluster = Cluster(folder, THROWAWAY)
    try:
        cluster.start()
        asyncio.run(_migrate(cluster.dsn))
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


async def _migrate(dsn: str) -> None:
    async with Database(dsn) as db:
        await migrate(db)


@pytest.fixture
async def database(template_server: Cluster) -> AsyncIterator[Database]:
    """An open, empty, migrated database of this test's own."""
    name = f"test_{next(_numbers)}"
    maintenance = template_server.dsn.replace("/hotline?", "/postgres?")
    server = await asyncpg.connect(maintenance)
    try:
        await server.execute(f"CREATE DATABASE {name} TEMPLATE hotline")
        async with Database(template_server.dsn.replace("/hotline?", f"/{name}?")) as db:
            yield db
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()


@pytest.fixture
async def event_log(database: Database, tmp_path: Path) -> AsyncIterator[EventLog]:
    """A running log of events on ``database``; ``flush`` it before you read the table."""
    async with EventLog(database, tmp_path / "events.spool") as log:
        yield log
