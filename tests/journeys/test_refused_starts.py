"""What keeps the server from starting is told in one line, the exit status is 1, and nothing of it is left running."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.partners.hotline import ROOT, Layout, running

pytestmark = pytest.mark.journey
WITHIN = 60
MARK = "HOTLINE_TEST_MARK"


@pytest.fixture
def folder(scratch: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="refused-", dir=scratch) as name:
        yield Path(name)


def descendants(mark: str) -> list[str]:
    """The processes that carry ``mark`` in their environment: the server's and those that it started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has just ended
    return found


async def refusal(settings: Path) -> str:
    """Start a server that cannot start; the line in which it says why."""
    mark = uuid.uuid4().hex
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.main", "run", "--settings", str(settings), cwd=ROOT,
        env=os.environ | {MARK: mark}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )
    output = (await asyncio.wait_for(process.communicate(), WITHIN))[0].decode()
    assert process.returncode == 1, output
    assert "Traceback" not in output
    assert "answers calls" not in output
    assert descendants(mark) == []
    said = [line for line in output.splitlines() if line.startswith("hotline: ")]
    assert len(said) == 1, output
    return said[0].removeprefix("hotline: ")


@pytest.mark.parametrize(("wrong", "told"), [
    ({"top": "[sip"}, "is not TOML: "),
    ({"top": "dialplan = 5"}, "dialplan: unknown setting; did you mean 'dialplans'?"),
    ({"sip": "realm = 5"}, "[sip] realm: 5 is not text in quotes"),
    ({"extra": '[speech]\nrecogniser = "parrot"'}, "[speech] recogniser: 'parrot' is unknown; one of auto, "),
    ({"extra": '[database]\ndsn = "mysql://root@localhost"'}, "[database] dsn: is no PostgreSQL address; write postgr"),
])
async def test_a_wrong_settings_file(folder: Path, wrong: dict[str, str], told: str) -> None:
    layout = Layout(folder, **wrong)  # type: ignore[arg-type]
    assert (await refusal(layout.write())).startswith(f"{layout.settings}: {told}")
    assert not (folder / "data").exists()


async def test_a_number_that_leads_to_no_flow(folder: Path) -> None:
    layout = Layout(folder)
    layout.write()
    text = layout.settings.read_text(encoding="utf-8").replace('"9196" = "echo"', '"9196" = "ecko"')
    layout.settings.write_text(text, encoding="utf-8")
    assert await refusal(layout.settings) == (
        f"{layout.settings}: [numbers] 9196: there is no flow 'ecko'; did you mean 'echo'?")


async def test_a_wrong_dialplan(folder: Path) -> None:
    flow = "start: hello\nsteps:\n  hello:\n    queue: nobodys\n    max_wait: 60\n    overflow: end\n"
    told = await refusal(Layout(folder, flows={"7000": f"{flow}  end:\n    hang_up:\n"}).write())
    assert told == ("flow-7000.yaml:4: 'queue' cannot be 'nobodys'; "
                    "known: complaints, diagnosis, refunds, service")


async def test_a_database_that_does_not_let_us_in(folder: Path, template_server: object) -> None:
    dsn = template_server.dsn.replace("/hotline?", "/no_such_database?")  # type: ignore[attr-defined]
    told = await refusal(Layout(folder, extra=f'[database]\ndsn = "{dsn}"').write())
    assert told == ('[database] dsn: the server refuses us: database "no_such_database" does not exist; '
                    "correct user, password or name")


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
async def test_a_port_that_is_in_use(folder: Path, kind: socket.SocketKind) -> None:
    layout = Layout(folder)
    with closing(socket.socket(socket.AF_INET, kind)) as other:
        other.bind(("127.0.0.1", layout.sip_port if kind is socket.SOCK_DGRAM else layout.http_port))
        if kind is socket.SOCK_STREAM:
            other.listen()
        told = await refusal(layout.write())
    where, port = ("[sip] listen: cannot listen on UDP ", layout.sip_port) if kind is socket.SOCK_DGRAM else (
        "[http] port: cannot listen on ", layout.http_port)
    assert told.startswith(f"{where}127.0.0.1:{port}: ")
    assert "in use" in told


async def test_a_data_folder_that_cannot_be_made_or_written(folder: Path) -> None:
    layout = Layout(folder)
    layout.write()
    good = layout.settings.read_text(encoding="utf-8")
    (folder / "file").touch()
    for data in (str(folder / "file" / "data"), "/sys/kernel"):  # the second exists, and not even root may write there
        layout.settings.write_text(good.replace(str(folder / "data"), data), encoding="utf-8")
        assert (await refusal(layout.settings)).startswith(f"data: {data} cannot be written: ")


async def test_a_second_server_in_the_same_data_folder(folder: Path) -> None:
    first = Layout(folder / "first")
    async with running(first) as hotline:
        second = Layout(folder / "second")
        second.write()
        text = second.settings.read_text(encoding="utf-8").replace(str(folder / "second" / "data"), str(hotline.data))
        second.settings.write_text(text, encoding="utf-8")
        assert await refusal(second.settings) == (
            f"data: {hotline.data} is in use by another server; stop that one, or name another")
        assert (await hotline.get("/health"))["parts"]["database"] == "ok"
        assert await hotline.stop() == 0
    shutil.rmtree(folder / "second")
