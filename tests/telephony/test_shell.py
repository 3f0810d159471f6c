"""The shell around the endpoint wakes up in time, and not for every timer by itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from calls.clock import SystemClock
from telephony.sip.address import Address, Transport
from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.transport.shell import GRAIN, Shell


class Nowhere:
    """A link to nobody."""

    transports = frozenset({Transport.UDP})

    async def open(self, shell: Shell) -> None: ...
    def send(self, data: bytes, to: Address) -> None: ...
    async def close(self) -> None: ...


@dataclass
class Alarms:
    """Moments at which somebody wants to be woken, and when that happened, by turn."""

    due: list[float]
    turns: list[list[float]] = field(default_factory=list)
    silent: asyncio.Event = field(default_factory=asyncio.Event)

    def deadline(self) -> float | None:
        return min(self.due, default=None)

    def tick(self, now: float) -> None:
        self.turns.append([moment for moment in self.due if moment <= now])
        self.due = [moment for moment in self.due if moment > now]
        if not self.due:
            self.silent.set()


async def test_what_is_due_within_a_grain_is_done_in_one_turn() -> None:
    clock = SystemClock()
    began = clock.monotonic() + 0.05
    moments = [began + number * GRAIN / 20 for number in range(10)]
    alarms = Alarms([*moments])
    endpoint = Endpoint(EndpointConfig(host="127.0.0.1", port=5060))
    shell = Shell(endpoint, clock, lambda event: None, Counter(), (alarms,))
    await shell.open(Nowhere())
    async with asyncio.timeout(10):
        await alarms.silent.wait()
    await shell.close()
    assert alarms.turns == [moments]
