"""The media engine by itself: what it adds to a packet's way, what it costs, and how much one core carries.

Every call is bridged, recorded in stereo and tapped for a recogniser. The engine runs in a process of its own on the
first core; load, its clock and the taps' reader are on the last one (``bench/load/rtpload.cpp``, ``tapsink.cpp``).

    python -m bench media [--seconds 10] [--only relay,floor,mix,most,busy,prompt,memory,cycles] [--threads 2]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from bench import report
from bench.load import mediahost, rtp

CALLS, MIXED, SUPERVISED = 400, 1000, 0.1
STEP, MOST = 200, 2400
WITHIN_MS = 5.0
CYCLES = 100_000
PARTS = ("relay", "floor", "busy", "prompt", "memory", "cycles", "mix", "most")
T = TypeVar("T")


class Process:
    """The engine's process, with calls open in it."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self.calls: list[rtp.Bridged] = []
        self.scheduling = ""

    async def do(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)


@asynccontextmanager
async def engine(terms: Terms, calls: int, supervised: int = 0) -> AsyncIterator[Process]:
    """Open ``calls`` in a process of its own; the taps' pieces must all have been read in the end."""
    its_cores = {*sorted(cores())[: terms.threads]}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), mediahost.pin, (its_cores,)) as pool:
        process = Process(pool)
        process.calls, process.scheduling = await process.do(mediahost.opened, calls, supervised, terms.threads)
        try:
            yield process
        finally:
            pieces, drops = await process.do(mediahost.closed)
            note(f"{calls} calls: {pieces} pieces tapped, {drops} dropped")


@dataclass(frozen=True, slots=True)
class Terms:
    """How everything is measured."""

    seconds: float = 10.0
    """Of load in each run."""
    threads: int = 1
    """Media threads; the engine's process has as many cores, the first ones."""


@dataclass(frozen=True, slots=True)
class Run:
    """One stretch of load on open calls."""

    load: rtp.Load
    cpu_ms: float
    """Of the engine's process, per call and second."""


def cores() -> set[int]:
    return os.sched_getaffinity(0)


def note(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


async def loaded(process: Process, terms: Terms) -> Run:
    """Load on all calls; CPU is measured over the middle of it."""
    load = asyncio.create_task(rtp.run(process.calls, terms.seconds, 1.0, core=max(cores())))
    await asyncio.sleep(1.5)
    before = await process.do(mediahost.spent)
    await asyncio.sleep(terms.seconds - 1)
    after = await process.do(mediahost.spent)
    run = Run(await load, 1000 * (after.total - before.total) / (after.at - before.at) / len(process.calls))
    threads = {name: after.threads[name] - before.threads.get(name, 0.0) for name in sorted(after.threads)}
    shares = ", ".join(f"{name} {1000 * used / (after.at - before.at) / len(process.calls):.3f}"
                       for name, used in threads.items())
    note(f"{len(process.calls)} calls ({process.scheduling}): delay {run.load.delay_ms}, loss {run.load.loss:g}, "
         f"CPU ms per call-second {run.cpu_ms:.3f} ({shares}), generator late {run.load.lateness_ms}, "
         f"mixed late {run.load.mixed_late_ms} lost {run.load.mixed_lost} of {run.load.mixed}; "
         f"machine's load {os.getloadavg()[0]:.1f}")
    return run


async def relay(terms: Terms) -> dict[str, float]:
    """400 calls, everything on."""
    async with engine(terms, CALLS) as process:
        run = await loaded(process, terms)
    return {
        "relay400_p50_ms": run.load.delay_ms.p50,
        "relay400_p99_ms": run.load.delay_ms.p99,
        "relay400_p999_ms": run.load.delay_ms.p999,
        "relay400_loss": run.load.loss,
        "relay400_cpu_ms_per_call_s": run.cpu_ms,
        "generator_late_p99_ms": run.load.lateness_ms.p99,
    }


async def floor(terms: Terms) -> dict[str, float]:
    """What the kernel alone takes for 400 calls on this machine: no server's relay can cost less."""
    here = "127.0.0.1"
    calls = [rtp.Bridged(mediahost.far_end(mediahost.CALLERS, number), (here, mediahost.FIRST_PORT + 2 * number),
                         mediahost.far_end(mediahost.AGENTS, number), (here, mediahost.FIRST_PORT + 2 * number + 1))
             for number in range(CALLS)]
    spent = await rtp.forwarded(calls, terms.seconds, core=min(cores()), load_core=max(cores()))
    note(f"{CALLS} calls forwarded unread: CPU ms per call-second {1000 * spent / CALLS:.3f}")
    return {"floor400_cpu_ms_per_call_s": 1000 * spent / CALLS}


async def busy(terms: Terms) -> dict[str, float]:
    """The same while Python burns the core that the media thread is on."""
    async with engine(terms, CALLS) as process:
        load = asyncio.create_task(rtp.run(process.calls, terms.seconds, 1.0, core=max(cores())))
        await process.do(mediahost.busy, terms.seconds + 2)
        delay = (await load).delay_ms
        note(f"busy Python: delay {delay}")
    return {"busy_python_p99_ms": delay.p99}


async def prompt(terms: Terms) -> dict[str, float]:
    """From the command to the first packet, while 400 calls go on."""
    async with engine(terms, CALLS) as process:
        load = asyncio.create_task(rtp.run(process.calls, terms.seconds, 1.0, core=max(cores())))
        await asyncio.sleep(1)
        starts = await process.do(mediahost.prompts, round(terms.seconds * 20))
        await load
    return {"prompt_start_p99_ms": report.quantile(starts, 0.99)}


async def memory(terms: Terms) -> dict[str, float]:
    """Resident memory of a leg."""
    async with engine(terms, 0) as process:
        return {"leg_kb": await process.do(mediahost.leg_kb, 2000)}


async def mix(terms: Terms) -> dict[str, float]:
    """1,000 calls, every tenth with a supervisor who talks."""
    async with engine(terms, MIXED, round(MIXED * SUPERVISED)) as process:
        run = await loaded(process, terms)
    return {"mix1000_within_5ms": run.load.within_5ms, "mix1000_loss": run.load.loss,
            "mix1000_cpu_ms_per_call_s": run.cpu_ms}


async def most(terms: Terms) -> dict[str, float]:
    """More and more calls until the 99th percentile of the delay is over 5 ms or packets are lost, twice in a row: a
    neighbour's moment of work must not count as ours."""
    carried, short = 0, replace(terms, seconds=min(terms.seconds, 5.0))
    for calls in range(STEP * 2, MOST + 1, STEP):
        if not await carries(short, calls) and not await carries(short, calls):
            break
        carried = calls
    return {"one_core_calls": carried}


async def carries(terms: Terms, calls: int) -> bool:
    async with engine(terms, calls) as process:
        load = (await loaded(process, terms)).load
    return load.delay_ms.p99 <= WITHIN_MS and load.loss <= 0.001


async def cycles(terms: Terms) -> dict[str, float]:
    """What is left of memory and descriptors when ``CYCLES`` calls have come and gone, one by one."""
    async with engine(terms, 0) as process:
        kilobytes, descriptors = await process.do(mediahost.cycles, CYCLES)
    return {"cycles100k_growth_kb": kilobytes, "cycles100k_descriptors": descriptors}


async def main() -> None:
    """Measure everything that was asked for and write ``bench/results/media.json`` when that was everything."""
    words = argparse.ArgumentParser(prog="python -m bench media")
    words.add_argument("--seconds", type=float, default=10.0, help="of load in each run")
    words.add_argument("--only", default=",".join(PARTS), help="some of: " + ", ".join(PARTS))
    words.add_argument("--threads", type=int, default=1, help="media threads, on as many cores; nothing is written")
    options = words.parse_args()
    terms = Terms(options.seconds, options.threads)
    parts = dict(zip(PARTS, (relay, floor, busy, prompt, memory, cycles, mix, most), strict=True))
    metrics: dict[str, float] = {}
    for name in options.only.split(","):
        metrics |= await parts[name](terms)
    if set(options.only.split(",")) == set(PARTS) and terms.threads == 1:
        report.write("media", metrics)
    else:
        print("\n".join(f"{name:32} {value:g}" for name, value in metrics.items()))


if __name__ == "__main__":
    asyncio.run(main())
