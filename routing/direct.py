"""Calls that reach an agent past the queues: transfers, and calls of an agent's own. They are work all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager

from calls import Call, Exchange, Phone
from calls.errors import CallFailed
from calls.phone import user_of
from routing.agents import REFUSALS, Signal, State
from routing.book import Seat
from routing.floor import Floor
from routing.policy import serves

BUSY = 486
FREE = frozenset({State.IDLE, State.PAUSED, State.WRAP_UP})
"""Agents in no call, who may take a colleague's."""


class Direct:
    """Rings people by name. Whoever is an agent is marked, so that no queue offers a call at the same time."""

    def __init__(self, floor: Floor, exchange: Exchange) -> None:
        self._floor, self._exchange = floor, exchange
        self._handed_on: dict[str, float] = {}
        """Agent → the wrap-up of the call in which they go on."""

    @asynccontextmanager
    async def reached(self, target: str, call: Call, *, name: str = "", by: str = "",
                      answer_within: float = 20.0, wrap_up: float = 0.0,
                      early_media: bool = False) -> AsyncIterator[Phone]:
        """Ring ``target`` (an agent's number or phone, or whatever ``Exchange.ring`` takes); while inside, it talks.

        Afterwards its phone is hung up, and an agent has ``wrap_up`` seconds for notes. Raises CallFailed: 486 for an
        agent who is not idle, at once and without ringing.
        """
        seat = self.seat_of(target)
        anyone = user_of(target) == target
        phone = await self._ring(seat.agent.phone if seat and anyone else target, seat, call, name, by, answer_within,
                                 early_media)
        seat = await self._answered_by(phone, seat, call)
        try:
            async with self._talking(seat, call, wrap_up):
                yield phone
        finally:
            await self._floor.afterwards(phone.hang_up())

    @asynccontextmanager
    async def _talking(self, seat: Seat | None, call: Call, wrap_up: float) -> AsyncIterator[None]:
        if seat is None:
            yield
            return
        agent = seat.agent.id
        self._floor.record("agent.connected", call.id, agent)
        try:
            yield
        finally:
            notes = self._handed_on.pop(agent, wrap_up)
            self._floor.record("agent.released", seat.call_id, agent, until=self._until(seat, notes))
            self._floor.settle()

    async def _answered_by(self, phone: Phone, rung: Seat | None, call: Call) -> Seat | None:
        """Who has the call: a colleague may have picked it up. Raises CallFailed where that one is at work by now."""
        taker = self.seat_of(phone.user) if phone.user else None
        if taker is None or taker is rung:
            return rung
        if rung is not None:
            self._floor.record("agent.not_connected", call.id, rung.agent.id, signal=Signal.WITHDRAWN.value, until=None)
        try:
            self.freed(taker)
            self._mark(taker, call)
        except CallFailed:
            self._floor.settle()
            await self._floor.afterwards(phone.hang_up())
            raise
        return taker

    def may_take(self, user: str, whose: str, call_id: str, ringing: bool) -> bool:
        """Whether the agent at the phone ``user`` may take a call that rings or is talked to at the phone ``whose``.

        Its own ones; and while it is in no other call, a colleague's: those of a queue that it serves, and past the
        queues those of a colleague with whom it serves one.
        """
        taker, holder = self.seat_of(user), self.seat_of(whose)
        if user == whose or taker is None or holder is None:
            return user == whose
        if taker.state not in FREE or (holder.state, holder.call_id) != (
                State.RINGING if ringing else State.TALKING, call_id):
            return False
        place = self._floor.book.places.get(call_id)
        if place is not None:
            return serves(taker.agent, place.waiting.queue)
        return any(serves(taker.agent, queue) and serves(holder.agent, queue)
                   for queue in self._floor.book.queues.values())

    def taking(self, user: str, call: Call, wrap_up: float) -> AbstractContextManager[None]:
        """While inside, the agent at this phone has a call that it took from another phone; afterwards it has
        ``wrap_up`` seconds for notes. It may be in that call already, at the other phone."""
        return self._in_call("agent.took", user, call, wrap_up)

    def freed(self, seat: Seat) -> None:
        """Whoever takes a call has ended its break and its notes."""
        if seat.state in (State.PAUSED, State.WRAP_UP):
            self._floor.record("agent.ready", agent=seat.agent.id)

    def handed_on(self, target: str, call: Call, wrap_up: float) -> None:
        """Whoever was reached as ``target`` goes on in another call, and has ``wrap_up`` seconds for notes after it."""
        seat = self.seat_of(target)
        if seat is not None:
            self._handed_on[seat.agent.id] = wrap_up
            self._floor.record("agent.handed_on", call.id, seat.agent.id)

    def dialling(self, user: str, call: Call) -> AbstractContextManager[None]:
        """While inside, or until ``rang_off``, the agent at this phone makes a call of its own, and no queue offers
        another. A call that the agent was in before goes on: that is how a colleague is consulted."""
        return self._in_call("agent.dialled", user, call)

    @contextmanager
    def _in_call(self, began: str, user: str, call: Call, wrap_up: float = 0.0) -> Iterator[None]:
        seat = self.seat_of(user)
        if seat is None:
            yield
            return
        self._floor.record(began, call.id, seat.agent.id)
        self._floor.settle()
        try:
            yield
        finally:
            self.rang_off(user, call, wrap_up=wrap_up)

    def rang_off(self, user: str, call: Call, *, wrap_up: float = 0.0) -> None:
        """The agent is out of the call that it made, which may go on with others. ``wrap_up`` seconds for notes follow,
        or what was left of the wrap-up that the call has interrupted, if that is more. Harmless when already out."""
        seat = self.seat_of(user)
        if seat is not None and call.id in seat.dialled:
            until = self._until(seat, max(wrap_up, seat.notes_left))
            self._floor.record("agent.rang_off", call.id, seat.agent.id, until=until)
            self._floor.settle()

    def _until(self, seat: Seat, wrap_up: float) -> float | None:
        """When a wrap-up that begins now is over; None where there is none."""
        return self._floor.now() + wrap_up if wrap_up and not seat.agent.fixed else None

    def seat_of(self, target: str) -> Seat | None:
        """The agent who is meant, if it is one: by id, by phone, or by one telephone of several."""
        seats, user = self._floor.book.seats, user_of(target)
        return seats.get(target) or next((seat for seat in seats.values() if seat.agent.phone == user), None)

    async def _ring(self, target: str, seat: Seat | None, call: Call, name: str, by: str,
                    answer_within: float, early_media: bool) -> Phone:
        if seat is not None:
            self._mark(seat, call)
        signal, until = Signal.WITHDRAWN, None
        answered = False
        try:
            phone = await self._exchange.ring(target, call=call, shown=call.number, name=name, by=by,
                                              answer_within=answer_within, early_media=early_media)
            answered = True
        except CallFailed as failure:
            signal = REFUSALS.get(failure.status, Signal.DECLINED)
            rules = self._floor.rules
            if user_of(target) != target and signal is Signal.UNREACHABLE:
                signal = Signal.WITHDRAWN  # one telephone that is away says nothing of the agent's others
            seconds = {Signal.NO_ANSWER: rules.missed_pause, Signal.UNREACHABLE: rules.unreachable_for}
            until = self._floor.now() + seconds[signal] if signal in seconds else None
            raise
        finally:
            if seat is not None and not answered:
                self._floor.record("agent.not_connected", call.id, seat.agent.id, signal=signal.value, until=until)
                self._floor.settle()
        return phone

    def _mark(self, seat: Seat, call: Call) -> None:
        if seat.state is not State.IDLE:
            raise CallFailed(BUSY, f"the agent is {seat.state}")
        self._floor.record("agent.called", call.id, seat.agent.id)
        self._floor.settle()
