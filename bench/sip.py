"""Signalling by itself: what a call costs, how many go through, and what happens beyond that. No audio is sent.

The server (``bench/load/siphost.py``) is a process of its own on the first core; SIPp, caller and phones alike, is on
the last one. ``docs/sip.md`` says what each metric means.

    python -m bench sip [--seconds 60] [--only answer,dial,register,phones,overload,parse,endpoint]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor

from bench import report, sip_endpoint, sip_parse, sip_register
from bench.load.signalling import NothingAnswered, Outcome, Server, phones, server

ANSWERS, DIALS = 300.0, 200.0
"""Calls a second that are offered: what one core has to carry."""
STORM, BESIDE = 500.0, 50.0
"""Registrations a second of all phones, and calls a second meanwhile."""
AT_ONCE = 40
"""Calls at once that keep a server busy and let nobody wait for long: what it then does is its capacity."""
CAPACITY_CALLS, OVERLOADED = 6000, 15.0
"""Calls that measure the capacity, and seconds of twice as many."""
Part = Callable[[float], Awaitable[dict[str, float]]]


def note(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


async def answering(seconds: float) -> dict[str, float]:
    """Answer, and hang up: one leg."""
    async with server() as host, host.callers(round(ANSWERS * seconds), ANSWERS) as callers:
        before = host.cpu_seconds()
        outcome = await callers.ended()
        return await _told("answer", host, outcome, before)


async def dialling(seconds: float) -> dict[str, float]:
    """A call that is passed on to a phone: two legs, joined."""
    calls = round(DIALS * seconds)
    async with phones(calls) as bank, server("--ring", bank.uri) as host, host.callers(calls, DIALS) as callers:
        before = host.cpu_seconds()
        outcome = await callers.ended()
        rung = bank.logged()
        waited = [(rung[number] - began) * 1000 for number, began in outcome.logged.items() if number in rung]
        note(f"forwarded within {report.quantile(waited, 0.5):.2f} ms (median)")
        return await _told("dial", host, outcome, before) | {"dial_forward_p99_ms": report.quantile(waited, 0.99)}


async def _told(name: str, host: Server, outcome: Outcome, before: float) -> dict[str, float]:
    """Processor time is counted until the last call is forgotten."""
    counters = await host.idle()
    note(f"{name}: {outcome.calls} calls, answered within {report.quantile(outcome.answered, 0.99):.1f} ms "
         f"(99%), {outcome.refused} refused, {outcome.repeated} messages repeated; {counters}")
    return {
        f"{name}_cps": outcome.rate,
        f"{name}_cpu_ms": (host.cpu_seconds() - before) / outcome.calls * 1000,
        f"{name}_failed": outcome.failed + outcome.refused,
    }


async def registering(seconds: float) -> dict[str, float]:
    """The registrar by itself; then all phones over the wire while calls go on."""
    alone = await _apart(sip_register.measure, 1000)
    phones, calls = sip_register.PHONES, round(BESIDE * sip_register.PHONES / STORM)
    async with server("--phones", str(phones)) as host:
        before = host.cpu_seconds()
        async with host.registering(phones, STORM) as storm:
            registered = await storm.ended()
        cpu_ms = (host.cpu_seconds() - before) / registered.calls * 1000
        async with host.registering(phones, STORM) as storm, host.callers(calls, BESIDE) as callers:
            refreshed, called = await storm.ended(), await callers.ended()
        note(f"register: {await host.idle()}")
    return {
        "register_per_s": alone["register_per_s"],
        "register_wire_per_s": registered.rate,
        "register_wire_cpu_ms": cpu_ms,
        "register_failed": alone["register_failed"] + registered.failed + refreshed.failed,
        "register_storm_lost_calls": called.failed + called.refused,
    }


async def weighing(seconds: float) -> dict[str, float]:
    """What registered phones weigh."""
    measured = await _apart(sip_register.measure, sip_register.PHONES)
    return {"phones5000_mb": measured["phones5000_mb"]}


async def overloading(seconds: float) -> dict[str, float]:
    """The capacity, with as many calls as it can do; then twice as many callers as that."""
    async with server() as host, host.callers(CAPACITY_CALLS, 5000, AT_ONCE) as callers:
        before = host.cpu_seconds()
        busy = await callers.ended()
        await host.idle()
        capacity, busy_ms = busy.rate, (host.cpu_seconds() - before) / busy.calls * 1000
    async with server() as host, host.callers(round(2 * capacity * OVERLOADED), 2 * capacity) as callers:
        outcome = await callers.ended()
        counters = await host.idle()
    served = outcome.calls - outcome.refused - outcome.failed
    note(f"overload: {capacity:.0f} calls/s at most; of {outcome.rate:.0f}/s: {served} served, "
         f"{outcome.refused} refused, {outcome.failed} failed, {outcome.repeated} messages repeated; {counters}")
    return {
        "overload_capacity_cps": capacity,
        "overload_capacity_cpu_ms": busy_ms,
        "overload_goodput": served / outcome.calls * outcome.rate / capacity,
        "overload_refused_p99_ms": report.quantile(outcome.times.get("refused", []), 0.99),
        "overload_failed": outcome.failed,
    }


async def parsing(seconds: float) -> dict[str, float]:
    """Reading an INVITE."""
    return await _apart(sip_parse.measure)


async def within(seconds: float) -> dict[str, float]:
    """A call in the endpoint by itself."""
    return await _apart(sip_endpoint.measure)


async def _apart(measure: Callable[..., dict[str, float]], *arguments: object) -> dict[str, float]:
    """In a process of its own, so that nothing of what was measured before is in the way."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, measure, *arguments)


PARTS: dict[str, Part] = {
    "answer": answering, "dial": dialling, "register": registering, "phones": weighing, "overload": overloading,
    "parse": parsing, "endpoint": within,
}


async def measured(chosen: list[str], seconds: float) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for name in chosen:
        metrics |= await PARTS[name](seconds)
    return metrics


def main() -> None:
    """Measure what was asked for; write ``bench/results/sip.json`` when that was everything."""
    words = argparse.ArgumentParser(prog="python -m bench sip")
    words.add_argument("--seconds", type=float, default=60.0, help="of load for answer and dial")
    words.add_argument("--only", default=",".join(PARTS), help="some of: " + ", ".join(PARTS))
    asked = words.parse_args()
    chosen = asked.only.split(",")
    if unknown := [name for name in chosen if name not in PARTS]:
        words.error(f"--only {','.join(unknown)}: must be some of {', '.join(PARTS)}")
    try:
        metrics = asyncio.run(measured(chosen, asked.seconds))
    except NothingAnswered as error:
        sys.exit(f"nothing was measured: {error}")
    if set(chosen) == set(PARTS):
        report.write("sip", metrics)
    else:
        print("\n".join(f"{metric:32} {value:g}" for metric, value in metrics.items()))


if __name__ == "__main__":
    main()
