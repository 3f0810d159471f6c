"""The calls that run: one task each, cancelled by the hang-up of whose call it is, and nothing left when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from calls.call import Hangup, Side
from calls.errors import LegGone
from telephony.faults import describe
from telephony.incoming import IncomingCall
from telephony.leg import Leg

log = logging.getLogger(__name__)
AFTERWARDS = 10.0
"""Seconds that a call which was cut has for what it does after the hang-up."""
SHUTTING_DOWN = Hangup(Side.HOTLINE, 503, "shutting down")
OnCall = Callable[[IncomingCall], Awaitable[None]]


@dataclass(slots=True)
class Served:
    """A call that runs. ``leg`` is that of the party whose call it is."""

    id: str
    leg: Leg | None


class Serving:
    """All calls of one exchange; each is given to ``on_call``. ``legs``: see ``Office``."""

    def __init__(self, legs: dict[str, Leg], counters: Counter[str]) -> None:
        self.on_call: OnCall = _nobody
        self._legs, self._counters = legs, counters
        self._tasks: dict[asyncio.Task[None], Served] = {}
        self._calls: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def begin(self, leg: Leg, incoming: IncomingCall) -> asyncio.Task[None]:
        """Run ``on_call`` for a call that came in: it is that of the leg by which it came."""
        return self._run(Served(leg.id, leg), lambda: self.on_call(incoming))

    def originate(self, call_id: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run ``work`` for a call that nobody's INVITE began; it is nobody's until ``belongs`` says whose."""
        return self._run(Served(call_id, None), work)

    def whose(self, call_id: str) -> Leg | None:
        """The leg whose call it is."""
        task = self._calls.get(call_id)
        return self._tasks[task].leg if task is not None else None

    def belongs(self, call_id: str, leg: Leg) -> None:
        """From now on the call is that of ``leg``: it ends with this leg, and no longer with another."""
        task = self._calls.get(call_id)
        if task is not None:
            _bind(task, self._tasks[task], leg)

    def _run(self, served: Served, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._serve(served, work), name=f"call {served.id}")
        self._tasks[task], self._calls[served.id] = served, task
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        del self._calls[self._tasks.pop(task).id]

    async def over(self, seconds: float | None) -> None:
        """Wait for all, and no longer than ``seconds``."""
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=seconds)

    async def cut(self) -> None:
        """End all."""
        for task, served in [*self._tasks.items()]:
            if served.leg is None:
                task.cancel()
            elif served.leg.hangup is None:  # whose leg is over is doing what must be done after a hang-up
                served.leg.release(SHUTTING_DOWN, refuse_with=503)
                task.cancel()
        await self.over(AFTERWARDS)
        for task in self._tasks:
            task.cancel()
        await self.over(None)

    async def _serve(self, served: Served, work: Callable[[], Awaitable[None]]) -> None:
        """One call. Whatever happens, its legs are over when this returns."""
        refuse_with = 480
        if served.leg is not None:
            # Not before it runs: a task that is cancelled first never begins, and nobody would note that a caller hung
            # up at once. This one's first word to its phone raises LegGone.
            self.belongs(served.id, served.leg)
        try:
            await work()
        except LegGone:
            pass  # the caller's hang-up was faster than its cancellation
        except Exception as error:  # noqa: BLE001 — the last resort: one call's mishap must not reach another's
            refuse_with = 500
            self._counters["calls_broken"] += 1
            log.error("call %s broke off: %s", served.id, describe(error))
        finally:
            for leg in [each for each in self._legs.values() if served.id in (each.id, each.for_call)]:
                leg.release(Hangup(Side.HOTLINE, 200), refuse_with=refuse_with)


def _bind(task: asyncio.Task[None], served: Served, leg: Leg) -> None:
    """Let the task end with ``leg``, unless it is us who end that."""
    served.leg = leg
    leg.when_over(lambda hangup: task.cancel() if hangup.by is not Side.HOTLINE and served.leg is leg else None)


async def _nobody(incoming: IncomingCall) -> None:
    """Before the exchange is started nobody calls."""
