"""What a supervisor sees of queues and agents at one moment: pure, from the book."""

from __future__ import annotations

from dataclasses import dataclass

from routing.agents import State
from routing.book import Book
from routing.policy import serves


@dataclass(frozen=True, slots=True)
class QueueNow:
    """One queue. ``longest_wait`` and ``average_wait`` are seconds; counts are today's (Shanghai)."""

    name: str
    title: str
    waiting: int
    """Ringing ones included."""
    longest_wait: float
    talking: int
    idle_agents: int
    """Idle agents who may take its calls."""
    offered: int
    answered: int
    abandoned: int
    overflowed: int
    service_level: float | None
    """0…1, see ``Tally.service_level``."""
    average_wait: float | None
    """Of the answered; None before the first."""


@dataclass(frozen=True, slots=True)
class AgentNow:
    """One agent. ``since`` is Unix time."""

    id: str
    name: str
    phone: str
    state: State
    since: float
    skills: dict[str, int]
    call_id: str | None
    fixed: bool
    occupancy: float | None
    """0…1 of today's working time, see ``Worked.occupancy``."""


@dataclass(frozen=True, slots=True)
class Wallboard:
    """Everything, by name."""

    queues: tuple[QueueNow, ...]
    agents: tuple[AgentNow, ...]


def wallboard(book: Book, now: float) -> Wallboard:
    """The queues in their configured order and the agents by id, at Unix time ``now``."""
    seats = sorted(book.seats.values(), key=lambda seat: (seat.agent.fixed, seat.agent.id))
    agents = tuple(AgentNow(seat.agent.id, seat.agent.name, seat.agent.phone, seat.state, seat.since,
                            dict(seat.agent.skills), seat.call_id, seat.agent.fixed,
                            seat.worked.occupancy(seat.state, now)) for seat in seats)
    return Wallboard(tuple(_queue(book, name, now) for name in book.queues), agents)


def _queue(book: Book, name: str, now: float) -> QueueNow:
    queue, tally = book.queues[name], book.tally(name, now)
    places = [place for place in book.places.values() if place.waiting.queue.name == name]
    waits = [now - place.waiting.since for place in places if place.answered_at is None]
    idle = sum(seat.state is State.IDLE and serves(seat.agent, queue) for seat in book.seats.values())
    return QueueNow(name, queue.title or name, len(waits), max(waits, default=0.0), len(places) - len(waits), idle,
                    tally.offered, tally.answers, tally.abandoned, tally.overflowed, tally.service_level,
                    tally.waited / tally.answers if tally.answers else None)
