"""``rtpload.cpp`` from Python: compiled on first use, fed with port pairs, its figures as values."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Address = tuple[str, int]

SOURCE = Path(__file__).with_name("rtpload.cpp")
BINARY = Path(__file__).resolve().parents[2] / "build" / "rtpload"


@dataclass(frozen=True, slots=True)
class Bridged:
    """One bridged call: both ends' own RTP addresses and where each sends to (from the far side's SDP)."""

    caller_local: Address
    caller_remote: Address
    agent_local: Address
    agent_remote: Address

    def __str__(self) -> str:
        ends = (self.caller_local, self.caller_remote, self.agent_local, self.agent_remote)
        return " ".join(f"{ip}:{port}" for ip, port in ends)


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
    delay_ms: Quantiles
    lateness_ms: Quantiles


def build() -> Path:
    """Compile where the binary is missing or older than its source. CalledProcessError carries the compiler's words."""
    if not BINARY.exists() or BINARY.stat().st_mtime < SOURCE.stat().st_mtime:
        BINARY.parent.mkdir(exist_ok=True)
        fresh = BINARY.with_suffix(f".{os.getpid()}")
        subprocess.run(["g++", "-std=c++20", "-O2", "-Wall", "-Wextra", "-o", fresh, SOURCE], check=True)
        fresh.replace(BINARY)  # at once, should two builds meet
    return BINARY


async def run(calls: Sequence[Bridged], seconds: float = 10.0, warmup: float = 1.0) -> Load:
    """Send 50 packets a second from every end of ``calls`` for ``seconds``; RuntimeError tells what failed."""
    command = [str(build()), "--seconds", str(seconds), "--warmup", str(warmup)]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        printed, complaint = await asyncio.wait_for(
            process.communicate("\n".join(map(str, calls)).encode()), seconds + warmup + 10)
    except BaseException:
        process.kill()
        raise
    if process.returncode:
        raise RuntimeError(complaint.decode().strip())
    told = json.loads(printed)
    told["delay_ms"], told["lateness_ms"] = Quantiles(**told["delay_ms"]), Quantiles(**told["lateness_ms"])
    return Load(**told)
