"""Brings waiting callers to agents, at once on every change: no polling, no lock, one ring at a time per caller.

Every change is an event first and then, by ``Book.apply``, a fact. What only a living process has (phones, futures,
timers) is in the tickets and here. All methods except ``waiting`` return at once and must run on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

from calls import Call, Caller, Clock, Event, Exchange, Phone
from calls.errors import ConfigError
from routing import invariants, policy
from routing.agents import Agent, ImpossibleTransition, Signal, State
from routing.book import Book, Place, Seat
from routing.direct import Direct
from routing.floor import Floor, Log
from routing.queues import Queue
from routing.ticket import Ticket

PICKED_UP = "代接同事的来电"
"""The reason for an agent who picked up a call that rang at a colleague's phone."""


class Router(Floor):
    """All queues and agents of one node. Raises ConfigError for an unknown queue, KeyError for an unknown agent."""

    def __init__(self, exchange: Exchange, log: Log, clock: Clock, queues: Iterable[Queue],
                 agents: Iterable[Agent] = (), rules: policy.Rules | None = None) -> None:
        super().__init__(log, clock, queues, agents, rules or policy.Rules())
        self.exchange = exchange
        self.tickets: dict[str, Ticket] = {}
        self.direct = Direct(self, exchange)
        self._began = self.now()

    # Callers

    @asynccontextmanager
    async def waiting(self, call: Call, caller: Caller, queue_name: str, *, priority: int | None = None,
                      head: bool = False, max_wait: float | None = None) -> AsyncIterator[Ticket]:
        """While inside, the call has a place in the queue or an agent to talk to; afterwards it has neither.

        ``priority`` is that of the caller's tier unless given; ``max_wait`` that of the queue.
        """
        queue = self.book.queues.get(queue_name)
        if queue is None:
            raise ConfigError(f"queue {queue_name}", "is not known", f"there are {', '.join(self.book.queues)}")
        if call.id in self.tickets:
            raise RuntimeError(f"call {call.id} already waits in a queue")
        priority = self.rules.tiers.get(caller.tier, 0) if priority is None else priority
        ticket = Ticket(self, call, caller, queue, queue.max_wait if max_wait is None else max_wait)
        self._enter(ticket, priority, head)
        why = "left"
        try:
            yield ticket
        except asyncio.CancelledError:
            why = "abandoned"
            raise
        finally:
            await ticket.close(why)

    def offer(self, ticket: Ticket) -> asyncio.Future[policy.Offer]:
        """The next agent for a ticket that searches: done at once when one is idle."""
        if ticket.call.id not in self.book.places:
            raise RuntimeError(f"call {ticket.call.id} is in no line: its talk is over and again() was not called")
        offer: asyncio.Future[policy.Offer] = asyncio.get_running_loop().create_future()
        self.hungry[ticket.call.id] = offer
        self.settle()
        return offer

    def stands(self, ticket: Ticket, offer: policy.Offer) -> bool:
        """Whether the offer has not been taken back."""
        place = self.book.places.get(ticket.call.id)
        return place is not None and place.agent == offer.agent.id and place.answered_at is None

    def refused(self, ticket: Ticket, offer: policy.Offer, signal: Signal, status: int) -> None:
        """The ringing leg failed. A fixed phone has no break and no presence: it only rests for a while."""
        signal = Signal.BUSY if offer.agent.fixed else signal
        seconds = {Signal.NO_ANSWER: self.rules.missed_pause, Signal.UNREACHABLE: self.rules.unreachable_for}
        until = self.now() + seconds[signal] if signal in seconds else None
        self.record("queue.refused", ticket.call.id, offer.agent.id, queue=ticket.queue.name, signal=signal.value,
                    status=status, until=until)
        self.settle()

    def answered_by(self, ticket: Ticket, offer: policy.Offer, phone: Phone) -> policy.Offer | None:
        """Who has the call: a colleague may have picked it up, and then it is as if that one had been offered it. None
        where that one is in another call by now: somebody else must be asked."""
        taker = self.direct.seat_of(phone.user) if phone.user else None
        if taker is None or taker.agent.id == offer.agent.id:
            return offer
        call_id, queue = ticket.call.id, ticket.queue.name
        self.record("queue.withdrawn", call_id, offer.agent.id, queue=queue)
        self.direct.freed(taker)
        if taker.state is not State.IDLE:
            return None
        self.record("queue.offered", call_id, taker.agent.id, reasons=[PICKED_UP], queue=queue)
        return policy.Offer(call_id, taker.agent, (PICKED_UP,))

    def answered(self, ticket: Ticket, offer: policy.Offer, phone: Phone) -> None:
        """The agent took the call: from here on the leg is watched."""
        waited = self.now() - self.book.places[ticket.call.id].waiting.since
        self.record("queue.answered", ticket.call.id, offer.agent.id, queue=ticket.queue.name,
                    waited=round(waited, 3), leg=phone.id)
        self.watch(ticket, phone)
        ticket.position = 0
        self._line_moved(ticket.queue)
        self.settle()

    def watch(self, ticket: Ticket, phone: Phone) -> None:
        """The talk is over when this phone's leg is, unless the agent has gone on to another."""
        self.chore(self._watch(ticket, phone))

    def search_over(self, ticket: Ticket) -> None:
        """The search ended, with an agent or without; an offer that still stands is taken back."""
        self.hungry.pop(ticket.call.id, None)
        self.withdrawn(ticket)

    def withdrawn(self, ticket: Ticket) -> None:
        """No phone rings for the ticket any more: the agent is as before the offer, if one stood."""
        place = self.book.places.get(ticket.call.id)
        if place is not None and place.agent is not None and place.answered_at is None:
            self.record("queue.withdrawn", ticket.call.id, place.agent, queue=ticket.queue.name)
        self.settle()

    def talk_over(self, ticket: Ticket) -> None:
        """The agent hung up or was hung up: wrap-up begins. Harmless when it already has."""
        place = self.book.places.get(ticket.call.id)
        if place is None or place.agent is None or place.answered_at is None:
            return
        fixed = self.book.seats[place.agent].agent.fixed
        wrap_up = 0.0 if fixed else ticket.queue.wrap_up_seconds
        now = self.now()
        self.record("agent.talked", ticket.call.id, place.agent, queue=ticket.queue.name,
                    seconds=round(now - place.answered_at, 3), until=now + wrap_up if wrap_up else None)
        self.settle()

    def returned(self, ticket: Ticket) -> None:
        """The talk broke off: back to the head of the line, and not to the same agent at once."""
        lost = [] if ticket.talked_to is None else [ticket.talked_to]
        self.talk_over(ticket)
        if ticket.call.id in self.book.places:
            raise RuntimeError(f"call {ticket.call.id} is still in the line")
        self._enter(ticket, 0, head=True, lost=lost)

    def leave(self, ticket: Ticket, why: str) -> None:
        """The call goes: out of the line, or out of the talk."""
        self.search_over(ticket)
        self.talk_over(ticket)
        if ticket.call.id in self.book.places:
            self.record("queue.left", ticket.call.id, queue=ticket.queue.name, why=why)
        ticket.position = 0
        self.tickets.pop(ticket.call.id, None)
        self._line_moved(ticket.queue)
        self.settle()

    # Agents

    def phone_changed(self, user: str, reachable: bool) -> None:
        """A phone registered or went away. A registered phone is a present agent unless signed out."""
        self._phones[user] = reachable
        for seat in self.book.seats.values():
            if seat.agent.phone == user and not seat.agent.fixed and seat.reachable != reachable:
                self._presence(seat, seat.signed_in, reachable)

    def sign_in(self, agent: str) -> None:
        """Begin to work; calls come as soon as the phone is reachable."""
        seat = self.book.seats[agent]
        self._presence(seat, True, seat.reachable)

    def sign_out(self, agent: str) -> None:
        """Stop working: at once, ringing included, or after the talk."""
        seat = self.book.seats[agent]
        self._presence(seat, False, seat.reachable)
        self._withdraw(seat)

    def pause(self, agent: str, why: str = "") -> None:
        """Take a break until ``ready``: at once, ringing included, or after talk and wrap-up."""
        self.record("agent.paused", agent=agent, why=why)
        self._withdraw(self.book.seats[agent])
        self.settle()

    def ready(self, agent: str) -> None:
        """End a break, a pause after a missed call, or the wrap-up."""
        self.record("agent.ready", agent=agent)
        self.settle()

    def seat(self, agent: Agent) -> None:
        """Add an agent, or change the name and skills of one."""
        self.book.seat(agent, self.now())
        if agent.phone in self._phones:  # it registered before its agent was known
            self.phone_changed(agent.phone, self._phones[agent.phone])
        self.settle()

    # Life

    def rebuild(self, events: Iterable[Event]) -> None:
        """Take up the log where the last process left it; what this process has seen itself is passed over.

        Calls that were alive then are gone: they leave the line, and their agents are idle or offline. May come late,
        when the database was away at the start: agents who are in a call by then stay in it.
        """
        agents = [seat.agent for seat in self.book.seats.values()]
        past = Book(self.book.queues.values(), agents, self.rules, self._began)
        for event in events:
            if event.at.timestamp() < self._began:
                with suppress(ImpossibleTransition):  # the log begins in mid-call, or skills and queues have changed
                    past.apply(event)
        for call_id, place in list(past.places.items()):
            for kind, details in _closing(place):
                past.apply(self.write(kind, call_id, place.agent if kind != "queue.left" else None, **details))
        for seat in past.seats.values():
            for dialled in [*seat.dialled]:
                past.apply(self.write("agent.rang_off", dialled, seat.agent.id))
            if seat.direct:
                self._close_direct(past, seat)
        self.book.adopt(past)
        for user, reachable in self._phones.items():
            self.phone_changed(user, reachable)
        self.settle()

    def sync_phones(self, reachable: Callable[[str], bool]) -> None:
        """Ask about every agent's phone, after a start: a phone may be gone, or never have had to register."""
        for seat in self.book.seats.values():
            if not seat.agent.fixed:
                self.phone_changed(seat.agent.phone, reachable(seat.agent.phone))

    def check(self) -> list[str]:
        """Violated invariants, in words; empty when all is well."""
        return invariants.check(self)

    # Within

    def _enter(self, ticket: Ticket, priority: int, head: bool, lost: Sequence[str] = ()) -> None:
        self.record("queue.entered", ticket.call.id, queue=ticket.queue.name, priority=priority, head=head,
                    lost=list(lost))
        self.tickets[ticket.call.id] = ticket
        ticket.waits_until = self.now() + ticket.max_wait
        self._line_moved(ticket.queue)
        self.settle()

    def _presence(self, seat: Seat, signed_in: bool, reachable: bool) -> None:
        self.record("agent.presence", agent=seat.agent.id, signed_in=signed_in, reachable=reachable)
        self.settle()

    def _withdraw(self, seat: Seat) -> None:
        """Take back the offer that rings; an answer that comes first is an answer."""
        if seat.state is not State.RINGING or seat.call_id is None:
            return
        ticket = self.tickets[seat.call_id]
        if ticket.withdraw is None:  # offered in this very turn of the loop: nothing rings yet
            self.withdrawn(ticket)
        elif not ticket.withdraw.expired():
            ticket.withdraw.reschedule(asyncio.get_running_loop().time())

    def _line_moved(self, queue: Queue) -> None:
        for position, call_id in enumerate(self.book.in_line(queue.name), 1):
            self.tickets[call_id].position = position

    def _close_direct(self, past: Book, seat: Seat) -> None:
        """End a call past the queues that the last process took with it."""
        kind = "agent.released" if seat.state is State.TALKING else "agent.not_connected"
        past.apply(self.write(kind, seat.call_id, seat.agent.id, signal=Signal.WITHDRAWN.value, until=None))

    async def _watch(self, ticket: Ticket, phone: Phone) -> None:
        await phone.ended()
        if ticket.phone is phone:
            self.talk_over(ticket)


def _closing(place: Place) -> list[tuple[str, dict[str, object]]]:
    """The events that end a call which the last process took with it."""
    queue = place.waiting.queue.name
    if place.answered_at is not None:
        return [("agent.talked", {"queue": queue, "until": None})]
    withdrawn: list[tuple[str, dict[str, object]]] = [("queue.withdrawn", {"queue": queue})] if place.agent else []
    return [*withdrawn, ("queue.left", {"queue": queue, "why": "lost"})]
