"""Random schedules of everything that callers, agents and phones can do, each from its seed, in virtual time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest

from calls import Event, Side
from routing import Agent, Queue, Router, Rules, State
from routing.book import Book

if TYPE_CHECKING:
    from tests.routing.conftest import Hall

QUEUES = [
    Queue("service", skills=("service",), wrap_up_seconds=5, ring_seconds=8, max_wait=90),
    Queue("refunds", skills=("refunds",), min_proficiency=2, wrap_up_seconds=0, ring_seconds=8, max_wait=40),
    Queue("line", phones=("sip:echo@127.0.0.1:5070", "8001"), ring_seconds=5, max_wait=60),
]
AGENTS = [
    Agent("1001", "李娜", "1001", {"service": 3, "refunds": 2}),
    Agent("1002", "张伟", "1002", {"service": 4}),
    Agent("1003", "陈静", "1003", {"refunds": 5, "complaints": 3}),
    Agent("1004", "王磊", "1004", {"service": 1, "refunds": 1}),
]
RULES = Rules(again_after=3, cool_down=12, missed_pause=10, unreachable_for=15)
TARGETS = [*(agent.phone for agent in AGENTS), *QUEUES[2].phones]


class Schedule:
    """One random day of a small hotline."""

    def __init__(self, hall: Hall, seed: int) -> None:
        self.hall, self.random, self.calls = hall, Random(seed), 0
        hall.opens(QUEUES, AGENTS, RULES)
        self.deeds = [self.arrives] * 6 + [self.hangs_up] * 3 + [self.changes_habit] * 4 + [
            self.agent_hangs_up, self.leg_dies, self.phone_comes_or_goes, self.signs_in_or_out, self.pauses, self.ready]

    def arrives(self) -> None:
        self.calls += 1
        queue = self.random.choice(QUEUES).name
        tier = self.random.choice(["", "", "T2", "T4", "APASS"])
        max_wait = self.random.choice([None, None, 4.0])
        self.hall.dials(f"call-{self.calls}", queue, tier=tier, max_wait=max_wait)

    def hangs_up(self) -> None:
        if live := [call for call, journey in self.hall.journeys.items() if not journey.done()]:
            self.hall.hangs_up(self.random.choice(live))

    def changes_habit(self) -> None:
        habit: list[float | tuple[int, float]] = [
            0.0, 1.0, 3.0, 7.9, 30.0, (486, 0.0), (486, 1.0), (603, 2.0), (480, 0.0), (503, 0.0), (404, 1.0)]
        self.hall.exchange.habits[self.random.choice(TARGETS)] = self.random.choice(habit)

    def agent_hangs_up(self) -> None:
        if self.hall.exchange.talking:
            self.random.choice(self.hall.exchange.talking).end(Side.AGENT)

    def leg_dies(self) -> None:
        if self.hall.exchange.talking:
            self.random.choice(self.hall.exchange.talking).end(Side.NETWORK)

    def phone_comes_or_goes(self) -> None:
        self.hall.router.phone_changed(self.random.choice(TARGETS), self.random.random() < 0.6)

    def signs_in_or_out(self) -> None:
        change = self.random.choice([self.hall.router.sign_in, self.hall.router.sign_in, self.hall.router.sign_out])
        change(self.random.choice(AGENTS).id)

    def pauses(self) -> None:
        self.hall.router.pause(self.random.choice(AGENTS).id)

    def ready(self) -> None:
        self.hall.router.ready(self.random.choice(AGENTS).id)

    async def runs(self, steps: int) -> None:
        """Several deeds may fall into one moment, and a moment may be any part of a turn of the loop."""
        for _ in range(steps):
            for _ in range(self.random.choice([1, 1, 1, 2, 4])):
                self.random.choice(self.deeds)()
                for _ in range(self.random.choice([0, 0, 1, 2, 3])):
                    await asyncio.sleep(0)
            await self.hall.passes(self.random.choice([0.0, 0.0, 0.5, 1.0, 3.0, 8.0]))
            nobody_is_in_two_calls(self.hall)


def nobody_is_in_two_calls(hall: Hall) -> None:
    busy = [target for target, _ in hall.exchange.ringing] + [phone.target for phone in hall.exchange.talking]
    calls = [call for _, call in hall.exchange.ringing] + [phone.call.id for phone in hall.exchange.talking]
    assert len(busy) == len(set(busy))
    assert len(calls) == len(set(calls))
    states = {seat.agent.phone: seat.state for seat in hall.router.book.seats.values()}
    assert {target for target, _ in hall.exchange.ringing} == {
        target for target, state in states.items() if state is State.RINGING}
    assert {phone.target for phone in hall.exchange.talking} == {
        target for target, state in states.items() if state is State.TALKING}


def as_stored(event: Event) -> Event:
    """The event as it comes back from a table with a JSON column."""
    return replace(event, details=json.loads(json.dumps(dict(event.details))))


def the_log_tells_the_same(hall: Hall, router: Router) -> None:
    book = Book(QUEUES, AGENTS, RULES, hall.log[0].at.timestamp())
    for event in hall.log:
        book.apply(as_stored(event))
    assert book.seats == router.book.seats
    assert book.places == router.book.places
    assert [book.tally(queue.name, router.now()) for queue in QUEUES] == [
        router.book.tally(queue.name, router.now()) for queue in QUEUES]


@pytest.mark.parametrize("seed", range(250))
async def test_whatever_happens_the_invariants_hold_and_nothing_is_left_over(hall: Hall, seed: int) -> None:
    tasks = asyncio.all_tasks()
    schedule = Schedule(hall, seed)
    await schedule.runs(30)
    the_log_tells_the_same(hall, hall.router)
    for call in list(hall.journeys):
        hall.hangs_up(call)
    await hall.passes()
    assert (hall.router.tickets, hall.router.hungry, hall.router.book.places) == ({}, {}, {})
    assert (hall.exchange.ringing, hall.exchange.talking) == ([], [])
    assert asyncio.all_tasks() == tasks
    await hall.passes(200)
    the_log_tells_the_same(hall, hall.router)
    assert {seat.state for seat in hall.router.book.seats.values()} <= {State.IDLE, State.OFFLINE, State.PAUSED}
    assert [journey.exception() for journey in hall.journeys.values() if not journey.cancelled()
            and journey.exception()] == []


@pytest.mark.parametrize("seed", range(1000, 1030))
async def test_a_killed_router_takes_up_its_log(hall: Hall, seed: int) -> None:
    await Schedule(hall, seed).runs(30)
    log, old = [as_stored(event) for event in hall.log], hall.router
    seats = {agent: replace(seat) for agent, seat in old.book.seats.items()}
    answers = [old.book.tally(queue.name, old.now()).answers for queue in QUEUES]
    await asyncio.sleep(1)
    new = Router(hall.exchange, hall.log, hall.clock, QUEUES, AGENTS, RULES)
    new.rebuild(log)
    assert (new.book.places, new.check()) == ({}, [])
    for agent, seat in seats.items():
        taken_up = new.book.seats[agent]
        assert (taken_up.present, taken_up.call_id) == (seat.present, None)
        if seat.call_id is None:
            assert taken_up.state == seat.state
            assert seat.agent.fixed or taken_up.since == seat.since
    assert [new.book.tally(queue.name, new.now()).answers for queue in QUEUES] == answers
    new.sync_phones(lambda user: user == "1002")
    assert {seat.agent.phone for seat in new.book.seats.values() if seat.reachable and not seat.agent.fixed} <= {"1002"}
    await new.close()


async def test_a_log_that_comes_late_leaves_living_calls_alone(hall: Hall, li: Agent, zhang: Agent) -> None:
    """The database was away at the start: calls came, then agents, then the history."""
    queue = Queue("service", skills=("service",), wrap_up_seconds=30)
    hall.opens([queue], [li, zhang])
    hall.exchange.habits["1001"] = 1.0
    hall.dials("before")
    await hall.passes(5)
    hall.router.pause("1002", "午休")
    history, hall.log = [as_stored(event) for event in hall.log], []
    await hall.passes(1)
    for journey in hall.journeys.values():
        journey.cancel()
    await hall.passes(1)
    old, hall.log = hall.router, []
    late = hall.opens([queue])
    late.phone_changed("1001", True)
    hall.exchange.habits["1001"] = 2.0
    hall.dials("during")
    await hall.passes(1)
    for agent in (li, zhang):
        late.seat(agent)
    await hall.passes(3)
    late.rebuild(history)
    await hall.passes()
    assert (hall.state("1001"), hall.state("1002")) == (State.TALKING, State.PAUSED)
    tally = late.book.tally("service", late.now())
    assert (tally.offered, tally.answers) == (2, 2)
    assert [event.kind for event in hall.log if event.call_id == "before"] == ["agent.talked"]
    await old.close()
