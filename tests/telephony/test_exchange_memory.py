"""What calls through the exchange leave in memory once they are over."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from telephony.incoming import IncomingCall
from telephony.sip.events import Acknowledged, Answered, Ended, Invited
from tests.telephony.conftest import Switchboard
from tests.telephony.parties import HOTLINE, SHOWN, call_of
from tests.telephony.softphone import Softphone

CALLS = 10


@pytest.fixture
def still() -> Iterator[None]:
    """Nothing is collected meanwhile: what goes, goes by its count of references."""
    yield
    gc.enable()


async def call(switchboard: Switchboard, caller: Softphone, agent: Softphone) -> None:
    key = caller.calls(HOTLINE, switchboard.address)
    invited = await agent.sees(Invited)
    agent.answers(invited.call, invited.request.body)
    await agent.sees(Acknowledged)
    await caller.sees(Answered)
    caller.hangs_up(key)
    await agent.sees(Ended)
    await switchboard.leaves_nothing_behind()
    switchboard.incoming.clear()


async def test_calls_that_were_joined_leave_nothing_for_the_garbage_collector(
    switchboard: Switchboard, still: None
) -> None:
    """A leg has ports, timers and a player: it goes when it is over, and not when somebody has time to look for it."""
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:

        async def through(incoming: IncomingCall) -> None:
            await incoming.phone.ring()
            other = await switchboard.telephony.ring(agent.uri, call=call_of(incoming), shown=SHOWN)
            await incoming.phone.answer()
            async with switchboard.telephony.joined(incoming.phone, other) as talk:
                await talk.ended()

        switchboard.serve = through
        await call(switchboard, caller, agent)
        gc.collect()
        gc.disable()
        for _ in range(CALLS):
            await call(switchboard, caller, agent)
        assert gc.collect() == 0
