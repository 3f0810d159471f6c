"""REFER on the wire: every one is answered, and whoever asked keeps the other party until somebody else has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from calls.phone import Transfer
from telephony.incoming import IncomingCall
from telephony.sip.events import Answered, Ended, Invited, Requested, Responded
from telephony.sip.headers import NameAddr
from telephony.sip.uri import Uri
from tests.telephony.conftest import Switchboard
from tests.telephony.parties import HOTLINE, call_of, registered
from tests.telephony.softphone import PATIENCE, Softphone


class Talk:
    """An agent's telephone in a talk whose transfers nobody brings about yet."""

    def __init__(self, caller: Softphone, agent: Softphone, wishes: asyncio.Queue[Transfer]) -> None:
        self.caller, self.agent, self.wishes = caller, agent, wishes
        self.callers = self.agents = ""

    async def refers(self, to: str) -> int:
        """Ask for a transfer; the status of the answer."""
        self.agent.sip.request(self.agents, "REFER", self.agent.now, [("Refer-To", to)])
        self.agent.shell.flush()
        return (await self.agent.sees(Responded)).response.status

    async def told(self) -> str:
        """What the next NOTIFY says."""
        return (await self.agent.sees(Requested)).request.body.decode().strip()


@asynccontextmanager
async def talk(board: Switchboard) -> AsyncIterator[Talk]:
    wishes: asyncio.Queue[Transfer] = asyncio.Queue()

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        agent = await board.telephony.ring("1001", call=call_of(incoming), shown=None)
        async with board.telephony.joined(incoming.phone, agent) as talk:
            while True:
                wishes.put_nowait(await talk.transfer())

    board.serve = serve
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:
        await registered(agent, board)
        one = Talk(caller, agent, wishes)
        one.callers = caller.calls(HOTLINE, board.address)
        await caller.sees(Answered)
        invited = await agent.sees(Invited)
        one.agents = invited.call
        agent.answers(invited.call, invited.request.body)
        async with asyncio.timeout(PATIENCE):
            while not any(leg.referred for leg in board.telephony.office.legs.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        yield one
        caller.hangs_up(one.callers)
        await agent.sees(Ended)
        await board.leaves_nothing_behind()


async def test_a_second_wish_has_to_wait_for_the_end_of_the_first(switchboard: Switchboard) -> None:
    async with talk(switchboard) as one:
        assert await one.refers("<sip:1002@127.0.0.1>") == 202
        assert await one.told() == "SIP/2.0 100 Trying"
        assert await one.refers("<sip:1003@127.0.0.1>") == 491
        first = await one.wishes.get()
        assert (first.target, one.wishes.qsize()) == ("1002", 0)
        first.failed(486, "Busy Here")
        assert await one.told() == "SIP/2.0 486 Busy Here"
        assert await one.refers("<sip:1003@127.0.0.1>") == 202
        assert (await one.wishes.get()).target == "1003"


@pytest.mark.parametrize(("to", "status"), [
    ("<mailto:li@example.com>", 416), ("<https://example.com/1002>", 416), ("<sip:1002@127.0.0.1", 400),
    ("<sip:127.0.0.1?Replaces=nobody%3Bto-tag%3D1>", 400),
])
async def test_a_wish_that_cannot_be_granted_changes_nothing(switchboard: Switchboard, to: str, status: int) -> None:
    async with talk(switchboard) as one:
        assert await one.refers(to) == status
        assert one.wishes.empty()
        assert await one.refers("<tel:1002>") == 202
        assert (await one.wishes.get()).target == "1002"


async def test_a_dialog_that_nobody_knows_costs_the_phone_nothing(switchboard: Switchboard) -> None:
    """A 481 to the REFER itself would end the dialog in which it came: it is told by NOTIFY."""
    async with talk(switchboard) as one:
        assert await one.refers("<sip:127.0.0.1?Replaces=nobody%3Bto-tag%3D1%3Bfrom-tag%3D2>") == 202
        assert await one.told() == "SIP/2.0 100 Trying"
        assert await one.told() == "SIP/2.0 481 no such dialog to be replaced"
        assert await one.refers("<sip:1002@127.0.0.1>") == 202
        assert (await one.wishes.get()).target == "1002"


@pytest.mark.parametrize(("method", "status"), [("REFER", 603), ("NOTIFY", 481), ("BYE", 481), ("INFO", 481)])
async def test_outside_a_dialog_there_is_no_call_to_be_transferred(
    switchboard: Switchboard, method: str, status: int
) -> None:
    async with Softphone("127.0.0.5", "1001") as agent, Softphone("127.0.0.9", "stranger") as stranger:
        await registered(agent, switchboard)
        for phone, answer in ((agent, status), (stranger, 403)):
            phone.sip.send_request(
                method, Uri.at(switchboard.address), switchboard.address, now=phone.now,
                from_=NameAddr(Uri(user=phone.user, host="hotline")), headers=[("Refer-To", "<sip:1002@127.0.0.1>")],
            )
            phone.shell.flush()
            assert (await phone.sees(Responded)).response.status == answer
    await switchboard.leaves_nothing_behind()
