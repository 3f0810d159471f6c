"""The product itself, run as its users run it: a process of its own, asked over SIP, HTTP and the command line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.partners.process import free_port

ROOT = Path(__file__).parents[2]
START_WITHIN = 90.0


def _port() -> int:
    return free_port("127.0.0.1")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one server of a test lives. ``top`` is TOML of the first section, ``extra`` is appended at the end."""

    folder: Path
    sip_port: int = field(default_factory=_port)
    http_port: int = field(default_factory=_port)
    agent_port: int = field(default_factory=_port)
    """Where the fixed phone of the queue ``diagnosis`` listens."""
    rtp_low: int = 20000
    rtp_high: int = 29999
    top: str = ""
    listen: str = ""
    """Further listening addresses, such as ``, "tls:127.0.0.1:5061"``."""
    sip: str = ""
    media: str = ""
    """Further lines of the sections [sip] and [media]."""
    extra: str = ""
    flows: Mapping[str, str] = field(default_factory=dict)
    """Dialplans of the test's own by the number that leads to them; the product's are there as well."""

    @property
    def settings(self) -> Path:
        return self.folder / "hotline.toml"

    @property
    def dialplans(self) -> Path:
        """The product's folder, or one of our own with links to all that is in it."""
        return self.folder / "dialplans" if self.flows else ROOT / "dialplans"

    def _write_flows(self) -> None:
        self.dialplans.mkdir(exist_ok=True)
        for path in (ROOT / "dialplans").iterdir():
            (self.dialplans / path.name).symlink_to(path)
        for number, flow in self.flows.items():
            (self.dialplans / f"flow-{number}.yaml").write_text(flow, encoding="utf-8")

    def write(self) -> Path:
        """Write the settings file; the demo business, on ports of its own."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.flows and not self.dialplans.exists():
            self._write_flows()
        numbers = "\n".join(f'"{number}" = "flow-{number}"' for number in self.flows)
        self.settings.write_text(
            f"""
data = "{self.folder / "data"}"
dialplans = "{self.dialplans}"
demo = true
{self.top}
[sip]
listen = ["udp:127.0.0.1:{self.sip_port}", "tcp:127.0.0.1:{self.sip_port}"{self.listen}]
{self.sip}
[http]
port = {self.http_port}
token = "test-token-of-some-length"
[media]
port_low = {self.rtp_low}
port_high = {self.rtp_high}
{self.media}
[numbers]
"4008001234" = "main"
"9196" = "echo"
"9197" = "music"
"9198" = "route"
{numbers}
[[trunks]]
name = "carrier"
addresses = ["127.0.0.1", "127.0.0.2"]
trusted = true
[own_calls]
wrap_up_seconds = 0
[queues.service]
skills = ["service"]
ring_seconds = 5
wrap_up_seconds = 0
[queues.refunds]
skills = ["refunds"]
ring_seconds = 3
wrap_up_seconds = 0
[queues.complaints]
skills = ["complaints"]
wrap_up_seconds = 0
[queues.diagnosis]
phones = ["sip:agent@127.0.0.1:{self.agent_port}"]
ring_seconds = 5
wrap_up_seconds = 0
{self.extra}
""",
            encoding="utf-8",
        )
        return self.settings


class Hotline:
    """A running server."""

    def __init__(self, layout: Layout, process: asyncio.subprocess.Process) -> None:
        self.layout, self.process = layout, process
        self.said: list[str] = []
        """Its output, line by line."""

    @property
    def data(self) -> Path:
        return self.layout.folder / "data"

    @property
    def passwords(self) -> Mapping[str, str]:
        """The demo phones' passwords by user."""
        phones: dict[str, str] = json.loads((self.data / "demo-phones.json").read_text(encoding="utf-8"))
        return phones

    async def get(self, path: str) -> Any:
        """One GET of the API; JSON where it is JSON, text otherwise."""
        url = f"http://127.0.0.1:{self.layout.http_port}{path}"
        async with (
            aiohttp.ClientSession(headers={"Authorization": "Bearer test-token-of-some-length"}) as session,
            session.get(url) as answer,
        ):
            if answer.content_type == "application/json":
                return await answer.json()
            return await answer.text()

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """One request that changes something: its status, and the JSON of its answer (None without one)."""
        url = f"http://127.0.0.1:{self.layout.http_port}{path}"
        async with (
            aiohttp.ClientSession(headers={"Authorization": "Bearer test-token-of-some-length"}) as session,
            session.request(method, url, json=body) as answer,
        ):
            return answer.status, await answer.json() if answer.content_type == "application/json" else None

    async def gauge(self, name: str) -> float:
        """One number of /metrics. Raises KeyError."""
        for line in (await self.get("/metrics")).splitlines():
            if line.split(" ")[0].split("{")[0] == name:
                return float(line.rsplit(" ", 1)[1])
        raise KeyError(name)

    async def live(self) -> dict[str, float]:
        """What is in use just now: all gauges whose name begins with ``hotline_live_``."""
        lines = (await self.get("/metrics")).splitlines()
        rows = [line.rsplit(" ", 1) for line in lines if line.startswith("hotline_live_")]
        return {name.removeprefix("hotline_live_"): float(value) for name, value in rows}

    async def idle(self, within: float = 45.0) -> dict[str, float]:
        """Wait until nothing is left over (SIP timers included: 32 s); the last reading, zero or not."""
        async with asyncio.timeout(within):
            while True:
                live = await self.live()
                if not any(live.values()):
                    return live
                await asyncio.sleep(0.2)

    async def events(self, *, kind: str = "", call_id: str = "", sip_call_id: str = "") -> list[dict[str, Any]]:
        """The events of one call (by its id or its SIP Call-ID), optionally of one kind only."""
        if sip_call_id:
            call_id = await self.call_id(sip_call_id)
        story = await self.get(f"/api/calls/{call_id}")
        return [event for event in story["events"] if not kind or event["kind"] == kind]

    async def call_id(self, sip_call_id: str) -> str:
        """Our id of the call with this SIP Call-ID. Raises LookupError."""
        for row in (await self.get("/api/calls?limit=200"))["latest"]:
            invited = (await self.events(kind="call.invited", call_id=row["id"]))[0]
            if invited["details"]["sip_call_id"] == sip_call_id:
                return str(row["id"])
        raise LookupError(f"no call with Call-ID {sip_call_id}")

    async def command(self, *words: str) -> tuple[int, str]:
        """Run ``hotline WORDS``; its exit status and everything it printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server.main", *words, "--settings", str(self.layout.settings), cwd=ROOT,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def stop(self, number: signal.Signals = signal.SIGINT, within: float = 40.0) -> int:
        """Send a signal and wait for the end; the exit status."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), within)


@asynccontextmanager
async def running(layout: Layout, environment: Mapping[str, str] | None = None) -> AsyncIterator[Hotline]:
    """Start a server and wait until it says that it answers calls; stopped, or killed, at the end."""
    layout.write()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.main", "run", "--settings", str(layout.settings), cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )
    hotline = Hotline(layout, process)
    ready = asyncio.Event()
    reader = asyncio.create_task(_read(process, hotline.said, ready))
    try:
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({waiting, reader}, timeout=START_WITHIN, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not ready.is_set():
            raise AssertionError("the server did not come up:\n" + "\n".join(hotline.said[-30:]))
        yield hotline
    finally:
        if process.returncode is None:
            try:
                await hotline.stop()
            except TimeoutError:
                process.kill()
        await reader


async def _read(process: asyncio.subprocess.Process, said: list[str], ready: asyncio.Event) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        said.append(line.decode(errors="replace").rstrip())
        if "answers calls" in said[-1]:
            ready.set()
