"""What lies under the router: events become facts, offers are made at once, and one timer wakes what must end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Protocol, TypeVar

from calls import Clock, Event
from routing import policy
from routing.agents import Agent, State
from routing.book import Book
from routing.queues import Queue

T = TypeVar("T")


class Log(Protocol):
    """Where events go before they become facts."""

    def append(self, event: Event) -> None:
        """Keep the event. Never blocks, never loses."""


class Floor:
    """The book, those who want an agent now, and the timer. ``record`` then ``settle`` is every change's way."""

    def __init__(self, log: Log, clock: Clock, queues: Iterable[Queue], agents: Iterable[Agent],
                 rules: policy.Rules) -> None:
        self._log, self._clock, self.rules = log, clock, rules
        self.book = Book(queues, agents, rules, self.now())
        self.hungry: dict[str, asyncio.Future[policy.Offer]] = {}
        """Calls that want an agent now, and where the offer is awaited."""
        self._phones: dict[str, bool] = {}
        """Which phones are reachable, as far as we were told."""
        self._timer: asyncio.TimerHandle | None = None
        self._chores: set[asyncio.Task[object]] = set()
        self._watchers: set[Callable[[], None]] = set()

    def now(self) -> float:
        """Unix time by the clock."""
        return self._clock.now().timestamp()

    def record(self, kind: str, call_id: str | None = None, agent: str | None = None, **details: object) -> None:
        """Write an event, then make it a fact."""
        self.book.apply(self.write(kind, call_id, agent, **details))

    def write(self, kind: str, call_id: str | None = None, agent: str | None = None, **details: object) -> Event:
        """Write an event of this moment."""
        event = Event(kind, self._clock.now(), call_id, agent, details)
        self._log.append(event)
        return event

    def settle(self) -> None:
        """After a change: make every offer that can be made, arm the one timer, tell who watches."""
        now = self.now()
        if callers := self._callers():
            for offer in policy.choose(now, callers, self.book.candidates(), self.rules):
                self.record("queue.offered", offer.call_id, offer.agent.id, reasons=list(offer.reasons),
                            queue=self.book.places[offer.call_id].waiting.queue.name)
                self.hungry.pop(offer.call_id).set_result(offer)
        self._arm(now)
        for changed in tuple(self._watchers):
            changed()

    def _callers(self) -> list[policy.Waiting]:
        # A future that is done but still here was cancelled a moment ago: its caller is hanging up.
        return [self.book.places[call_id].waiting for call_id, offer in self.hungry.items() if not offer.done()]

    def _arm(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        times = [seat.until for seat in self.book.seats.values() if seat.until is not None]
        callers = self._callers()
        change = policy.next_change(now, callers, self.book.candidates(), self.rules) if callers else None
        if (wake := min(times + ([] if change is None else [change]), default=None)) is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.001, wake - now), self._tick)

    def _tick(self) -> None:
        now = self.now()
        for seat in self.book.seats.values():
            if seat.until is None or seat.until > now:
                continue
            if seat.state is State.OFFLINE:  # was unreachable: worth another try
                there = self._phones.get(seat.agent.phone, True)  # unless its phone is known to be gone
                self.record("agent.presence", agent=seat.agent.id, signed_in=seat.signed_in, reachable=there)
            else:
                self.record("agent.wrapped_up" if seat.state is State.WRAP_UP else "agent.ready", agent=seat.agent.id)
        self.settle()

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` after every change; returns what ends the subscription."""
        self._watchers.add(changed)
        return lambda: self._watchers.discard(changed)

    async def close(self) -> None:
        """Stop the timer and what is still being tidied up. The calls' own tasks must have ended before."""
        if self._timer is not None:
            self._timer.cancel()
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)

    async def afterwards(self, work: Coroutine[object, object, T]) -> T:
        """Finish ``work`` even when the waiting coroutine is cancelled."""
        return await asyncio.shield(self.chore(work))

    def chore(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Run ``work`` to its end, and remember it until then."""
        chore = asyncio.get_running_loop().create_task(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)
        return chore
