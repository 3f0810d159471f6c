"""What must always be true of the queues, checked on the living router."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from routing import policy
from routing.agents import State
from routing.book import Place, Seat

if TYPE_CHECKING:
    from routing.router import Router

SLACK = 1.0
"""Seconds by which a timer may be late on a busy machine."""

IN_A_CALL = (State.RINGING, State.TALKING)


def check(router: Router) -> list[str]:
    """Violations in words, empty when all is well. Costs one pass over seats and waiting calls."""
    violations = [*_seats(router), *_places(router)]
    before = router.now() - SLACK  # a cool-down that ran out just now may still await its timer
    callers = [router.book.places[call_id].waiting for call_id in router.hungry if call_id in router.book.places]
    violations += [f"call {offer.call_id} waits although agent {offer.agent.id} is free"
                   for offer in policy.choose(before, callers, router.book.candidates(), router.rules)]
    return violations


def _seats(router: Router) -> Iterator[str]:
    for seat in router.book.seats.values():
        yield from _seat(router, seat)


def _seat(router: Router, seat: Seat) -> Iterator[str]:
    who = f"agent {seat.agent.id}"
    if (seat.state in IN_A_CALL) != (seat.call_id is not None):
        yield f"{who} is {seat.state} with call {seat.call_id}"
    if seat.call_id is not None and not seat.direct:
        place = router.book.places.get(seat.call_id)
        if place is None or place.agent != seat.agent.id:
            yield f"{who} is {seat.state} for call {seat.call_id}, which knows nothing of it"
        elif (place.answered_at is not None) != (seat.state is State.TALKING):
            yield f"{who} is {seat.state} and call {seat.call_id} disagrees"
        ticket = router.tickets.get(seat.call_id)
        if seat.state is State.TALKING and (ticket is None or ticket.phone is None):
            yield f"{who} talks in call {seat.call_id} without a live leg"
    if seat.state is State.IDLE and not seat.present:
        yield f"{who} is idle but not present"
    if seat.until is not None and seat.until + SLACK < router.now():
        yield f"{who} should have left {seat.state} {router.now() - seat.until:.1f} s ago"


def _places(router: Router) -> Iterator[str]:
    for call_id, place in router.book.places.items():
        yield from _place(router, call_id, place)
    for call_id in router.hungry.keys() - router.book.places.keys():
        yield f"call {call_id} wants an agent and is in no line"
    for call_id, ticket in router.tickets.items():
        in_line = call_id in router.book.places and router.book.places[call_id].answered_at is None
        if in_line != (ticket.position > 0):
            yield f"call {call_id} has position {ticket.position}, in line: {in_line}"


def _place(router: Router, call_id: str, place: Place) -> Iterator[str]:
    ticket = router.tickets.get(call_id)
    if ticket is None:
        yield f"call {call_id} is in the book and has no ticket"
        return
    if place.agent is not None and (call_id in router.hungry or router.book.seats[place.agent].call_id != call_id):
        yield f"call {call_id} is in two places, one of them agent {place.agent}"
    if place.answered_at is None and ticket.searching and ticket.waits_until + SLACK < router.now():
        yield f"call {call_id} has waited {router.now() - ticket.waits_until:.1f} s too long"
