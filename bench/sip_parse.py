"""What a message costs to read."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from telephony.sip.message import parse

WIRE = Path(__file__).parents[1] / "tests" / "wire"
ROUNDS, TIMES = 3000, 20


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


def measure() -> dict[str, float]:
    """The INVITEs of real telephones, with their SDP: the mean over them."""
    invites = [path.read_bytes() for path in sorted(WIRE.glob("*-invite.sip"))]
    return {
        metric: sum(least_us(partial(reader, data)) for data in invites) / len(invites)
        for metric, reader in (("parse_us", route), ("parse_with_addresses_us", understand))
    }
