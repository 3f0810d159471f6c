"""The embedded server: made, started, taken over, restarted, stopped."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from calls.errors import ConfigError, DatabaseAway
from storage import Database, embedded
from storage.cluster import Cluster

if TYPE_CHECKING:
    from tests.storage.conftest import FragileServer

FAST = {"fsync": "off"}


@pytest.fixture
def new_folder(scratch: Path) -> Iterator[Path]:
    """A data folder that does not hold a database yet."""
    folder = Path(tempfile.mkdtemp(prefix="hotline-new-", dir=scratch))
    yield folder
    shutil.rmtree(folder)


async def answer(dsn: str) -> int:
    async with Database(dsn) as db:
        value: int = await db.fetch_value("SELECT 42")
        return value


async def test_a_folder_with_spaces_beyond_the_length_of_a_socket_path(new_folder: Path) -> None:
    folder = new_folder / "客服 数据" / ("a" * 100)
    server = await embedded.start(folder, FAST)
    try:
        assert await answer(server.dsn) == 42
        assert str(folder) not in server.psql
        psql = await asyncio.create_subprocess_shell(f"{server.psql} -c 'SELECT 42 AS n'", stdout=subprocess.PIPE)
        said, _ = await psql.communicate()
        assert b"42" in said
    finally:
        await server.stop()
    assert server.cluster.pid is None
    assert not (folder / "postgres" / "postmaster.pid").exists()
    server.cluster.socket_folder.unlink()


def test_a_foreign_link_in_the_way_is_refused(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "with space")
    link = cluster.socket_folder
    link.unlink()
    link.symlink_to("/elsewhere")
    try:
        with pytest.raises(ConfigError, match=rf"{link}: does not lead to {cluster.data}; remove it"):
            _ = cluster.dsn
    finally:
        link.unlink()


async def test_data_survive_a_stop_and_a_start(server: FragileServer) -> None:
    async with Database(server.dsn) as db:
        await db.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        await db.execute("INSERT INTO kept VALUES (7)")
    server.stop()
    assert server.pid is None
    server.start()
    async with Database(server.dsn) as db:
        assert await db.fetch_value("SELECT number FROM kept") == 7
        await db.execute("DROP TABLE kept")


async def test_a_pid_file_left_by_a_kill_is_no_obstacle(server: FragileServer) -> None:
    server.kill()
    assert (server.data / "postmaster.pid").exists()
    assert not server.ready
    server.start()
    assert await answer(server.dsn) == 42


async def test_a_stale_pid_that_now_belongs_to_somebody_else(server: FragileServer) -> None:
    server.kill()
    pid_file = server.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert server.pid is None
    server.start()
    assert await answer(server.dsn) == 42


async def test_a_second_process_joins_and_leaves_it_running(server: FragileServer) -> None:
    second = Cluster(server.folder)
    second.start()
    assert not second.owned
    assert await answer(second.dsn) == 42
    second.stop()
    assert await answer(server.dsn) == 42


def test_a_server_left_by_a_killed_process_is_taken_over(server: FragileServer) -> None:
    server.stop()
    script = (
        "import os, pathlib, sys; from storage.cluster import Cluster\n"
        "Cluster(pathlib.Path(sys.argv[1]), {'fsync': 'off'}).start(); os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", script, server.folder], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    orphan = server.pid
    assert orphan is not None
    server.start()
    assert server.owned
    assert server.pid == orphan
    assert asyncio.run(answer(server.dsn)) == 42
    server.stop()
    assert server.pid is None


async def test_a_server_that_dies_is_started_again(new_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = await embedded.start(new_folder, FAST)
    try:
        async with Database(server.dsn) as db:
            first = server.cluster.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            async with asyncio.timeout(20):
                while server.cluster.pid in (None, first) or not server.cluster.ready:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert await db.fetch_value("SELECT 42") == 42
    finally:
        await server.stop()
    assert "the database server ended; starting it again" in caplog.text
    assert server.cluster.pid is None


async def test_two_statements_of_a_log_hold_no_number(server: FragileServer) -> None:
    connection = await asyncpg.connect(server.dsn)
    await connection.execute("CREATE TEMP TABLE numbers (number text PRIMARY KEY)")
    await connection.execute("INSERT INTO numbers VALUES ($1)", "+8613800138000")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("INSERT INTO numbers VALUES ($1)", "+8613800138000")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("INSERT INTO numbers VALUES ('+8613800138000')")
    await connection.close()
    log = server.log.read_text()
    assert "duplicate key" in log
    assert "13800138000" not in log


def test_an_error_that_ends_the_process_ends_the_server(server: FragileServer) -> None:
    server.stop()
    script = (
        "import pathlib, sys; from storage.cluster import Cluster\n"
        "Cluster(pathlib.Path(sys.argv[1]), {'fsync': 'off'}).start(); raise SystemExit(3)"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", script, server.folder], cwd=root, check=False)
    assert ended.returncode == 3
    assert server.pid is None


def test_a_setting_that_postgresql_refuses_is_said(server: FragileServer) -> None:
    server.stop()
    broken = Cluster(server.folder, {"shared_buffers": "much"})
    try:
        with pytest.raises(DatabaseAway, match=r"did not start: .*shared_buffers.*postgres\.log"):
            broken.start()
    finally:
        broken.stop()


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "letters.txt").touch()
    cluster = Cluster(tmp_path, FAST)
    with pytest.raises(ConfigError, match="is no PostgreSQL data folder; move it away"):
        cluster.start()
    cluster.stop()
