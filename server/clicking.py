"""Click-to-dial: the desktop has an agent's phone rung, and then whom the agent wants to talk to."""

from __future__ import annotations

import uuid

from calls import Call
from calls.errors import CallFailed
from customers import parse_number
from desktop.clicks import DESKTOP
from desktop.supervision import Refused
from routing.agents import State
from server.outgoing import OwnCall
from server.parts import Parts


class ClickToDial:
    """Implements ``desktop.Diallers``. What comes of it stands in the call's record, and in the board's ``clicks``."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def dial(self, agent: str, to: str) -> str:
        router, telephony = self._parts.router, self._parts.telephony
        seat = router.book.seats.get(agent)
        if seat is None or seat.agent.fixed:
            raise Refused(404, f"没有坐席 {agent} There is no agent {agent}")
        if not telephony.phones.reachable(seat.agent.phone):
            problem = f"坐席 {agent} 的话机未注册 The telephone of agent {agent} is not registered"
            raise Refused(409, problem)
        if seat.state in (State.RINGING, State.TALKING):
            problem = f"坐席 {agent} 正在振铃或通话，请稍候 Agent {agent} is {seat.state}: wait until the call is over"
            raise Refused(409, problem)
        if not (telephony.phones.knows(to) or to in router.book.queues or parse_number(to)):
            problem = '不是同事、队列或号码 It is neither a colleague, nor a queue, nor a number: "to": "13900000000"'
            raise Refused(400, problem)
        clock = self._parts.clock
        account = telephony.phones.account(seat.agent.phone)
        number = account.number or account.user if account is not None else ""
        call = Call(str(uuid.uuid4()), DESKTOP, to, parse_number(number), "", clock.now())
        own = OwnCall(call, seat.agent.phone, seat.agent.name, self._parts, clicked=True)
        try:
            telephony.originate(call, own.clicked_on)
        except CallFailed as failure:
            raise Refused(503, f"服务器正在停止 The server is {failure.reason}") from None
        return call.id
