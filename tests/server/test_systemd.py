"""What systemd is told, and that it takes our unit."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from calls import Call
from server import notify as systemd

NOON = datetime(2025, 3, 3, 4, 0, tzinfo=UTC)
CALL = Call("7a1cfb0e-6a0a-4b0a-8a73-0e0b1f3f1d11", "carrier", "4008001234", None, "main", NOON)


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket where systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield sock


def test_systemd_is_told_that_the_server_is_ready(listening: socket.socket) -> None:
    assert systemd.notify("READY=1")
    assert listening.recv(100) == b"READY=1"


def test_without_systemd_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not systemd.notify("READY=1")


def test_an_abstract_socket_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{tmp_path}")
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{tmp_path}")
        assert systemd.notify("STOPPING=1")
        assert sock.recv(100) == b"STOPPING=1"


async def test_the_watchdog_is_fed_twice_a_period(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    began = asyncio.get_running_loop().time()
    feeding = asyncio.create_task(systemd.keep_alive())
    for _ in range(4):
        assert await asyncio.to_thread(listening.recv, 100) == b"WATCHDOG=1"
    assert asyncio.get_running_loop().time() - began >= 0.05
    feeding.cancel()
    with suppress(asyncio.CancelledError):
        await feeding


async def test_no_watchdog_no_feeding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    await asyncio.wait_for(systemd.keep_alive(), 5)


def test_the_unit_is_accepted_by_systemd(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    unit = (Path(__file__).parents[2] / "systemd" / "hotline.service").read_text(encoding="utf-8")
    program = "/opt/hotline/.venv/bin/hotline"
    assert f"ExecStart={program} run " in unit
    # Only what exists is accepted as a program, and the project need not be installed where the unit expects it.
    copy = tmp_path / "hotline.service"
    copy.write_text(unit.replace(program, "/bin/true").replace("file:/opt/hotline/README.md", "man:true(1)"))
    verify = ["systemd-analyze", "verify", "--man=no", str(copy)]
    verdict = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (verdict.returncode, verdict.stderr) == (0, "")
