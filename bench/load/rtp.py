"""``rtpload.cpp`` from Python: compiled on first use, fed with port pairs, its figures as values."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Address = tuple[str, int]

SOURCES = Path(__file__).parent
BINARIES = Path(__file__).resolve().parents[2] / "build"


@dataclass(frozen=True, slots=True)
class Bridged:
    """One bridged call: both ends' own RTP addresses and where each sends to (from the far side's SDP). With a
    supervisor's it is a mix of three."""

    caller_local: Address
    caller_remote: Address
    agent_local: Address
    agent_remote: Address
    supervisor_local: Address | None = None
    supervisor_remote: Address | None = None

    def __str__(self) -> str:
        ends = (self.caller_local, self.caller_remote, self.agent_local, self.agent_remote,
                self.supervisor_local, self.supervisor_remote)
        return " ".join(f"{end[0]}:{end[1]}" for end in ends if end is not None)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """In milliseconds; -1 when nothing was measured."""

    p50: float
    p99: float
    p999: float
    max: float


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a run. ``delay_ms`` is from just before ``send`` to the kernel's arrival stamp; ``lateness_ms`` is
    how late the generator itself was, which is not part of the delay."""

    calls: int
    seconds: float
    sent: int
    received: int
    loss: float
    unsent: int
    foreign: int
    """Packets without our stamp: the server's own audio, or payloads that did not pass bit for bit."""
    misrouted: int
    reordered: int
    mixed: int
    """Packets that came out of mixes of three, and below how many of those were missing."""
    mixed_lost: int
    within_5ms: float
    """The share of all packets, relayed and mixed, that came, and not more than 5 ms late."""
    delay_ms: Quantiles
    lateness_ms: Quantiles
    mixed_late_ms: Quantiles
    """How much later than the earliest packet of its stream a mix's packet came, by its own RTP clock."""


def build(name: str = "rtpload") -> Path:
    """Compile where the binary is missing or older than its source. CalledProcessError carries the compiler's words."""
    source, binary = SOURCES / f"{name}.cpp", BINARIES / name
    newest = max(path.stat().st_mtime for path in (source, *SOURCES.glob("*.hpp")))
    if not binary.exists() or binary.stat().st_mtime < newest:
        binary.parent.mkdir(exist_ok=True)
        fresh = binary.with_suffix(f".{os.getpid()}")
        subprocess.run(["g++", "-std=c++20", "-O2", "-Wall", "-Wextra", "-o", fresh, source], check=True)
        fresh.replace(binary)  # at once, should two builds meet
    return binary


async def forwarded(calls: Sequence[Bridged], seconds: float, *, core: int, load_core: int) -> float:
    """Processor seconds a second that ``forward.cpp`` needs on ``core`` to pass the load of ``calls`` on."""
    process = await asyncio.create_subprocess_exec(build("forward"), "--seconds", str(seconds), stdin=PIPE, stdout=PIPE)
    os.sched_setaffinity(process.pid, {core})
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("\n".join(map(str, calls)).encode())
        process.stdin.close()
        await asyncio.wait_for(process.stdout.readline(), 10)
        await run(calls, seconds + 1, core=load_core)
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), 10))
    except BaseException:
        process.kill()
        raise
    await process.wait()
    return float(told["cpu"]) / float(told["seconds"])


async def run(calls: Sequence[Bridged], seconds: float = 10.0, warmup: float = 1.0, *, core: int | None = None) -> Load:
    """Send 50 packets a second from every end of ``calls`` for ``seconds``; RuntimeError tells what failed.

    On ``core`` alone and ahead of everybody else there, as far as permitted, when one is given.
    """
    command = [str(build()), "--seconds", str(seconds), "--warmup", str(warmup)]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    if core is not None:
        os.sched_setaffinity(process.pid, {core})
        with suppress(PermissionError):
            os.sched_setscheduler(process.pid, os.SCHED_FIFO, os.sched_param(10))
    try:
        printed, complaint = await asyncio.wait_for(
            process.communicate("\n".join(map(str, calls)).encode()), seconds + warmup + 10)
    except BaseException:
        process.kill()
        raise
    if process.returncode:
        raise RuntimeError(complaint.decode().strip())
    told = json.loads(printed)
    values: dict[str, Any] = {
        key: Quantiles(**value) if isinstance(value, dict) else value for key, value in told.items()}
    return Load(**values)
