"""A caller and an agent of the exchange, and what tests do with the two."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from calls.call import Call, Hangup
from calls.numbers import PhoneNumber
from telephony.incoming import IncomingCall
from telephony.sip.events import Answered, Invited, Responded
from tests.telephony.conftest import PASSWORD, Switchboard
from tests.telephony.softphone import PATIENCE, Softphone, media_of

HOTLINE = "4008001234"
SHOWN = PhoneNumber("+8613800138000")


def call_of(incoming: IncomingCall) -> Call:
    return Call(incoming.phone.id, incoming.trunk, incoming.called, SHOWN, "main", datetime.now(UTC))


def nobodys_call() -> Call:
    return Call("a-call-without-a-leg", "carrier", HOTLINE, SHOWN, "main", datetime.now(UTC))


async def registered(phone: Softphone, board: Switchboard) -> None:
    phone.registers(board.address, PASSWORD)
    assert (await phone.sees(Responded)).response.status == 200


def connects(board: Switchboard, target: str) -> list[Hangup]:
    """Let the next call be answered and joined with ``target`` until that phone hangs up."""
    ended: list[Hangup] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        agent = await board.telephony.ring(target, call=call_of(incoming), shown=SHOWN, name="王先生")
        async with board.telephony.joined(incoming.phone, agent):
            ended.append(await agent.ended())

    board.serve = serve
    return ended


async def joined(board: Switchboard) -> None:
    """Wait until two legs are bridged."""
    async with asyncio.timeout(PATIENCE):
        while not any(leg.peer for leg in board.telephony.office.legs.values()):  # noqa: ASYNC110 — told to nobody
            await asyncio.sleep(0.002)


@dataclass(frozen=True, slots=True)
class Talk:
    """A caller and an agent who are joined."""

    call: str
    """The caller's dialog."""
    invited: Invited
    """What came to the agent."""
    from_caller: tuple[str, int]
    """Where the caller's audio goes."""
    from_agent: tuple[str, int]


async def talking(caller: Softphone, agent: Softphone, board: Switchboard) -> Talk:
    """The agent registers, the caller calls, the agent answers (``connects`` says that they are to be joined)."""
    await registered(agent, board)
    call = caller.calls(HOTLINE, board.address)
    answered = await caller.sees(Answered)
    invited = await agent.sees(Invited)
    agreed = agent.answers(invited.call, invited.request.body)
    await joined(board)
    return Talk(call, invited, media_of(answered.response), (agreed.address, agreed.port))
