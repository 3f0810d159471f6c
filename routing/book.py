"""What the router knows, folded from events: the same fold makes the present and, after a restart, the past.

Nothing but ``Book.apply`` changes a fact, so what is in memory can always be rebuilt from the log. Times are Unix
seconds, taken from the events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from calls import Event
from routing.agents import TRANSITIONS, Agent, Signal, State, step
from routing.policy import Candidate, Rank, Rules, Waiting, rank
from routing.queues import Queue
from routing.tally import Tally, Worked, day_of


@dataclass(slots=True)
class Seat:
    """An agent's present. ``until`` is when the state ends by itself; ``rests_until`` see ``Candidate``."""

    agent: Agent
    state: State = State.OFFLINE
    since: float = 0.0
    idle_since: float = 0.0
    signed_in: bool = True
    reachable: bool = False
    on_break: bool = False
    until: float | None = None
    rests_until: float = 0.0
    call_id: str | None = None
    direct: bool = False
    """In a call that no queue brought: a transfer, or one of the agent's own."""
    dialled: list[str] = field(default_factory=list)
    """The calls that the agent itself makes, the latest last; beside another one while the agent consults."""
    notes_left: float = 0.0
    """Seconds of a wrap-up that such a call has interrupted: they follow it."""
    worked: Worked = field(default_factory=lambda: Worked(0.0))

    @property
    def present(self) -> bool:
        return self.signed_in and self.reachable


@dataclass(slots=True)
class Place:
    """Where a call stands. ``agent`` is who is ringing or talking; a call with no agent is waiting."""

    waiting: Waiting
    rank: Rank
    agent: str | None = None
    answered_at: float | None = None


class Book:
    """Seats by agent, places by call, tallies by queue. Events of unknown agents or queues change nothing."""

    def __init__(self, queues: Iterable[Queue], agents: Iterable[Agent], rules: Rules, began: float) -> None:
        self.queues = {queue.name: queue for queue in queues}
        self.rules = rules
        self.seats: dict[str, Seat] = {}
        self.places: dict[str, Place] = {}
        self._tallies = {name: Tally() for name in self.queues}
        for agent in agents:
            self.seat(agent, began)
        staffed = {seat.agent.phone for seat in self.seats.values()}
        for phone in dict.fromkeys(phone for queue in self.queues.values() for phone in queue.phones):
            if phone not in staffed:
                self.seat(Agent(id=phone, name=phone, phone=phone, fixed=True), began)

    def seat(self, agent: Agent, now: float) -> None:
        """Give an agent a seat, or the new name and skills to the one who has it."""
        for seat in [seat for seat in self.seats.values() if seat.agent.fixed and seat.agent.phone == agent.phone]:
            if seat.call_id is not None:
                return  # stays a fixed phone until it is seated when free
            del self.seats[seat.agent.id]  # the phone has an owner after all: one phone, one seat
        if agent.id in self.seats:
            self.seats[agent.id].agent = agent
        elif agent.fixed:
            self.seats[agent.id] = Seat(agent, State.IDLE, now, now, reachable=True, worked=Worked(now))
        else:
            self.seats[agent.id] = Seat(agent, since=now, worked=Worked(now))

    def apply(self, event: Event) -> None:
        """Fold one event. Raises ImpossibleTransition when it contradicts what is known; then nothing has changed."""
        fold = _FOLDS.get(event.kind)
        known_agent = event.agent is None or event.agent in self.seats
        known_call = event.call_id is None or event.call_id in self.places or fold in (_entered, *_DIRECT)
        if fold is not None and known_agent and known_call:
            at = event.at.timestamp()
            if event.agent is not None:
                seat = self.seats[event.agent]
                seat.worked.passes(seat.state, at)
            fold(self, event, at)

    def adopt(self, past: Book) -> None:
        """Take over what ``past`` knows of agents who are in no call here, and its counts."""
        for agent, seat in past.seats.items():
            if self.seats[agent].call_id is None:
                seat.worked.passes(State.OFFLINE, self.seats[agent].worked.counted_to)  # in between nobody worked
                self.seats[agent] = seat
        for queue, tally in past._tallies.items():
            self._tallies[queue] = tally.plus(self._tallies[queue])

    def tally(self, queue: str, at: float) -> Tally:
        """The counts of the queue on the day of ``at``."""
        if self._tallies[queue].day != day_of(at):
            self._tallies[queue] = Tally(day_of(at))
        return self._tallies[queue]

    def candidates(self) -> list[Candidate]:
        """The idle agents as the policy sees them."""
        return [Candidate(seat.agent, seat.idle_since, seat.rests_until)
                for seat in self.seats.values() if seat.state is State.IDLE]

    def in_line(self, queue: str) -> list[str]:
        """The calls that wait in a queue, ringing ones among them, first to last."""
        line = [place for place in self.places.values()
                if place.waiting.queue.name == queue and place.answered_at is None]
        return [place.waiting.call_id for place in sorted(line, key=lambda place: place.rank)]


def _entered(book: Book, event: Event, at: float) -> None:
    details = event.details
    queue = book.queues.get(str(details["queue"]))
    if queue is None or event.call_id is None:
        return
    head = bool(details.get("head"))
    refusals = {str(agent): at for agent in cast("list[str]", details.get("lost", []))}
    waiting = Waiting(event.call_id, queue, at, int(_number(details.get("priority", 0))), head, refusals)
    book.places[event.call_id] = Place(waiting, rank(waiting, book.rules))
    if not head:
        book.tally(queue.name, at).offered += 1


def _offered(book: Book, event: Event, at: float) -> None:
    place, seat = _both(book, event)
    _move(seat, Signal.OFFERED, at)
    seat.call_id = place.waiting.call_id
    place.agent = seat.agent.id


def _answered(book: Book, event: Event, at: float) -> None:
    place, seat = _both(book, event)
    _move(seat, Signal.ANSWERED, at)
    place.answered_at = at
    if not place.waiting.head:
        book.tally(place.waiting.queue.name, at).answered(at - place.waiting.since, place.waiting.queue)


def _refused(book: Book, event: Event, at: float) -> None:
    place, seat = _both(book, event)
    signal = Signal(str(event.details["signal"]))
    _move(seat, signal, at, _until(event))
    if signal is Signal.UNREACHABLE:
        seat.reachable = False
    if signal is Signal.BUSY:
        seat.rests_until = at + book.rules.again_after
    place.agent = None
    place.waiting = replace(place.waiting, refusals={**place.waiting.refusals, seat.agent.id: at})


def _withdrawn(book: Book, event: Event, at: float) -> None:
    place, seat = _both(book, event)
    _move(seat, Signal.WITHDRAWN, at)
    place.agent = None


def _talked(book: Book, event: Event, at: float) -> None:
    _, seat = _both(book, event)
    until = _until(event)
    _move(seat, Signal.HUNG_UP, at, until)
    if until is None and seat.state is State.WRAP_UP:
        _move(seat, Signal.READY, at)
    del book.places[str(event.call_id)]


def _left(book: Book, event: Event, at: float) -> None:
    place = book.places.pop(str(event.call_id))
    if not place.waiting.head:
        book.tally(place.waiting.queue.name, at).left(str(event.details["why"]))


def _ready(book: Book, event: Event, at: float) -> None:
    seat = book.seats[str(event.agent)]
    seat.on_break = False
    if seat.state in (State.PAUSED, State.WRAP_UP):
        _move(seat, Signal.READY, at)


def _wrapped_up(book: Book, event: Event, at: float) -> None:
    _move(book.seats[str(event.agent)], Signal.READY, at)


def _paused(book: Book, event: Event, at: float) -> None:
    seat = book.seats[str(event.agent)]
    seat.on_break = True
    if (seat.state, Signal.BREAK) in TRANSITIONS:
        _move(seat, Signal.BREAK, at)


def _presence(book: Book, event: Event, at: float) -> None:
    seat = book.seats[str(event.agent)]
    seat.signed_in, seat.reachable = bool(event.details["signed_in"]), bool(event.details["reachable"])
    if seat.present and seat.state is State.OFFLINE:
        _move(seat, Signal.CAME, at)
    else:
        _settle(seat, at)
    if seat.state is State.OFFLINE:
        seat.until = None


def _move(seat: Seat, signal: Signal, at: float, until: float | None = None) -> None:
    seat.state, was = step(seat.state, signal), seat.state
    # Who was offered a call that then vanished has not worked: the turn among the idle is kept.
    if seat.state is State.IDLE and signal is not Signal.WITHDRAWN:
        seat.idle_since = at
    if seat.state is not was:
        seat.since = seat.idle_since if signal is Signal.WITHDRAWN else at
    seat.until = until
    if seat.state not in (State.RINGING, State.TALKING):
        seat.call_id, seat.direct = None, False
    _settle(seat, at)


def _settle(seat: Seat, at: float) -> None:
    """What was asked for during a call takes effect when the call is over; an agent who dialled meanwhile is in the
    next one already."""
    if seat.dialled and (seat.state, Signal.DIALLED) in TRANSITIONS:
        if seat.state is State.WRAP_UP and seat.until is not None:
            seat.notes_left = seat.until - at
        seat.state, seat.since, seat.until = step(seat.state, Signal.DIALLED), at, None
        seat.call_id, seat.direct = seat.dialled[-1], True
    elif not seat.present and (seat.state, Signal.LEFT) in TRANSITIONS:
        seat.state, seat.since, seat.until = step(seat.state, Signal.LEFT), at, None
    elif seat.on_break and seat.state is State.IDLE:
        seat.state, seat.since, seat.until = step(seat.state, Signal.BREAK), at, None


def _called(book: Book, event: Event, at: float) -> None:
    seat = book.seats[str(event.agent)]
    _move(seat, Signal.OFFERED, at)
    seat.call_id, seat.direct = event.call_id, True


def _connected(book: Book, event: Event, at: float) -> None:
    _move(book.seats[str(event.agent)], Signal.ANSWERED, at)


def _not_connected(book: Book, event: Event, at: float) -> None:
    seat, signal = book.seats[str(event.agent)], Signal(str(event.details["signal"]))
    _move(seat, signal, at, _until(event))
    if signal is Signal.UNREACHABLE:
        seat.reachable = False


def _released(book: Book, event: Event, at: float) -> None:
    seat, until = book.seats[str(event.agent)], _until(event)
    _move(seat, Signal.HUNG_UP, at, until)
    if until is None and seat.state is State.WRAP_UP:
        _move(seat, Signal.READY, at)


def _handed_on(book: Book, event: Event, at: float) -> None:
    seat = book.seats[str(event.agent)]
    if seat.direct:
        seat.call_id = event.call_id


def _dialled(book: Book, event: Event, at: float) -> None:
    seat = book.seats[str(event.agent)]
    seat.dialled.append(str(event.call_id))
    _settle(seat, at)


def _rang_off(book: Book, event: Event, at: float) -> None:
    seat = book.seats[str(event.agent)]
    if event.call_id in seat.dialled:
        seat.dialled.remove(event.call_id)
    if seat.call_id == event.call_id:
        seat.notes_left = 0.0
        _released(book, event, at)


def _both(book: Book, event: Event) -> tuple[Place, Seat]:
    return book.places[str(event.call_id)], book.seats[str(event.agent)]


def _until(event: Event) -> float | None:
    until = event.details.get("until")
    return None if until is None else _number(until)


def _number(value: object) -> float:
    return float(cast("float", value))


_DIRECT = (_called, _connected, _not_connected, _released, _handed_on, _dialled, _rang_off)
_FOLDS: Mapping[str, Callable[[Book, Event, float], None]] = {
    "queue.entered": _entered,
    "queue.offered": _offered,
    "queue.answered": _answered,
    "queue.refused": _refused,
    "queue.withdrawn": _withdrawn,
    "queue.left": _left,
    "agent.talked": _talked,
    "agent.called": _called,
    "agent.connected": _connected,
    "agent.not_connected": _not_connected,
    "agent.released": _released,
    "agent.handed_on": _handed_on,
    "agent.dialled": _dialled,
    "agent.took": _dialled,
    "agent.rang_off": _rang_off,
    "agent.wrapped_up": _wrapped_up,
    "agent.ready": _ready,
    "agent.paused": _paused,
    "agent.presence": _presence,
}
