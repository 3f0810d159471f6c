"""SIP by itself: what a message costs to read.

    python -m bench sip [--only parse]
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import report
from telephony.sip.message import parse

WIRE = Path(__file__).parents[1] / "tests" / "wire"
ROUNDS, TIMES = 3000, 20


def note(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def least_us(what: Callable[[], object]) -> float:
    """Microseconds of one call, by the best of many short rounds: what neighbours on the machine add is left out."""
    best = float("inf")
    gc.disable()
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(TIMES):
            what()
        best = min(best, time.perf_counter() - begun)
    gc.enable()
    return best / TIMES * 1e6


def route(data: bytes) -> tuple[object, ...]:
    """Split a message and understand what routes it: of From and To that is the tag."""
    message = parse(data)  # Content-Length is looked at here
    return (
        message.via, message.from_tag, message.to_tag, message.call_id, message.cseq, message.max_forwards,
        message.contacts, message.values("Route"), message.get("Content-Type"),
    )


def understand(data: bytes) -> tuple[object, ...]:
    """The same with the addresses of From and To, as a call's beginning needs them."""
    message = parse(data)
    return (
        message.via, message.from_, message.to, message.call_id, message.cseq, message.max_forwards,
        message.contacts, message.values("Route"), message.get("Content-Type"),
    )


def parse_part() -> dict[str, float]:
    """The INVITEs of real telephones, with their SDP: the mean over them."""
    invites = [path.read_bytes() for path in sorted(WIRE.glob("*-invite.sip"))]
    metrics = {
        metric: sum(least_us(partial(reader, data)) for data in invites) / len(invites)
        for metric, reader in (("parse_us", route), ("parse_with_addresses_us", understand))
    }
    note(f"{len(invites)} INVITEs; machine's load {os.getloadavg()[0]:.1f}")
    return metrics


PARTS: dict[str, Callable[[], dict[str, float]]] = {"parse": parse_part}


def main() -> None:
    """Measure what was asked for and write ``bench/results/sip.json`` when that was everything."""
    words = argparse.ArgumentParser(prog="python -m bench sip")
    words.add_argument("--only", default=",".join(PARTS), help="some of: " + ", ".join(PARTS))
    chosen = words.parse_args().only.split(",")
    if unknown := [name for name in chosen if name not in PARTS]:
        words.error(f"--only {','.join(unknown)}: must be some of {', '.join(PARTS)}")
    metrics: dict[str, float] = {}
    for name in chosen:
        metrics |= PARTS[name]()
    if set(chosen) == set(PARTS):
        report.write("sip", metrics)
    else:
        print("\n".join(f"{metric:32} {value:g}" for metric, value in metrics.items()))


if __name__ == "__main__":
    main()
