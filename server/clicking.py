"""Click-to-dial: the desktop has an agent's phone rung, and then whom the agent wants to talk to."""

from __future__ import annotations

import uuid

from calls import Call
from calls.errors import CallFailed
from customers import parse_number
from desktop.supervision import Refused
from routing.agents import State
from server.outgoing import OwnCall
from server.parts import Parts


class ClickToDial:
    """Implements ``desktop.Diallers``. The record of the call tells what comes of it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def dial(self, agent: str, to: str) -> str:
        router, telephony = self._parts.router, self._parts.telephony
        seat = router.book.seats.get(agent)
        if seat is None or seat.agent.fixed:
            raise Refused(404, f"there is no agent {agent}")
        if not telephony.phones.reachable(seat.agent.phone):
            raise Refused(409, f"the telephone of agent {agent} is not registered")
        if seat.state in (State.RINGING, State.TALKING):
            raise Refused(409, f"agent {agent} is {seat.state}: wait until the call is over")
        if not (telephony.phones.knows(to) or to in router.book.queues or parse_number(to)):
            raise Refused(400, 'it is neither a colleague, nor a queue, nor a number: "to": "13900000000"')
        clock = self._parts.clock
        account = telephony.phones.account(seat.agent.phone)
        number = account.number or account.user if account is not None else ""
        call = Call(str(uuid.uuid4()), "desktop", to, parse_number(number), "", clock.now())
        own = OwnCall(call, seat.agent.phone, seat.agent.name, self._parts, clicked=True)
        try:
            telephony.originate(call, own.clicked_on)
        except CallFailed as failure:
            raise Refused(503, failure.reason) from None
        return call.id
