"""``hotline run``: answer calls until told to stop, then let the running ones end."""

from __future__ import annotations

import asyncio
import gc
import signal
from pathlib import Path

import uvloop

from server.banner import banner
from server.notify import keep_alive, notify
from server.settings import Settings, load_settings
from server.wiring import Server, assemble


def run(path: Path) -> int:
    """Serve with the settings of ``path``; returns the exit status."""
    settings = load_settings(path)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))
    return 0


async def _serve(settings: Settings) -> None:
    loop, asked_to_stop = asyncio.get_running_loop(), Asked()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked_to_stop)
    async with assemble(settings) as server:
        settle_memory()
        print(banner(settings, server), flush=True)
        notify("READY=1")
        watchdog = asyncio.create_task(keep_alive())
        await asked_to_stop.once.wait()
        notify("STOPPING=1")
        await _drain(server, settings.shutdown.drain_seconds, asked_to_stop)
        watchdog.cancel()


def settle_memory() -> None:
    """What exists by now stays for good: the garbage collector need not look through it while callers wait.

    A full collection of the start-up's objects takes tens of milliseconds, on the loop that answers calls. Finished
    calls leave nothing to collect, so little has to be looked for afterwards, and it is the pauses that count: 2 to
    5 ms for the youngest 10,000 objects, 25 to 40 ms for four times as many, which is what the second generation holds
    at most; when it held twenty times 20,000, it stopped the loop for 240 to 300 ms. All of them are looked through
    after 40 million at the earliest.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 3, 1_000)


class Asked:
    """How often somebody asked us to stop: once to drain, twice to cut."""

    def __init__(self) -> None:
        self.once, self.twice = asyncio.Event(), asyncio.Event()

    def __call__(self) -> None:
        (self.twice if self.once.is_set() else self.once).set()


async def _drain(server: Server, seconds: float, asked: Asked) -> None:
    """Take no new calls; wait for the running ones, at most ``seconds``, or until asked again."""
    running = server.calls()
    if running:
        print(f"Stopping: no new calls; {running} may go on for {seconds:.0f} s. Ctrl-C again cuts them.", flush=True)
    draining = asyncio.create_task(server.parts.telephony.drain(seconds))
    cut = asyncio.create_task(asked.twice.wait())
    await asyncio.wait({draining, cut}, return_when=asyncio.FIRST_COMPLETED)
    for task in (draining, cut):
        task.cancel()
    await asyncio.gather(draining, cut, return_exceptions=True)
    print("Stopped; recordings are closed.", flush=True)
