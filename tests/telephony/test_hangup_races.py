"""Anybody may hang up at any moment. Seeded schedules, many at once; afterwards nothing is left over."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from calls.call import Call
from calls.errors import CallFailed, LegGone
from calls.phone import Sound
from telephony.incoming import IncomingCall
from telephony.sip.events import Invited
from tests.telephony.conftest import Switchboard
from tests.telephony.softphone import Softphone

SCHEDULES = 60
LONGEST = 0.15


async def one_journey(board: Switchboard, incoming: IncomingCall, agent: str, folder: Path) -> None:
    """Everything that a call can be in the middle of."""
    phone = incoming.phone
    call = Call(phone.id, incoming.trunk, incoming.called, None, "main", datetime.now(UTC))
    await phone.ring()
    await asyncio.sleep(0.01)
    await phone.answer(record_to=folder / f"{phone.id}.wav")

    async def speech() -> AsyncIterator[Sound]:
        for _ in range(5):
            await asyncio.sleep(0.005)
            yield Sound(bytes(160))

    await (await phone.play(speech())).finished()
    music = await phone.play(Sound(bytes(3200)), loop=True)
    try:
        colleague = await board.telephony.ring(agent, call=call, shown=None, answer_within=0.1)
    except CallFailed:
        await music.stop()
        return
    try:
        async with board.telephony.joined(phone, colleague):
            await colleague.ended()
    finally:
        await asyncio.shield(colleague.hang_up())


async def agent_of(phone: Softphone, chance: random.Random) -> None:
    """Answer, refuse or ignore what rings; perhaps hang up later."""
    loop = asyncio.get_running_loop()
    while True:
        invited = await anyone(phone)
        mood, later = chance.random(), chance.uniform(0, LONGEST)
        if mood < 0.6:
            loop.call_later(later / 2, phone.answers, invited.call, invited.request.body)
            if mood < 0.4:
                loop.call_later(later, phone.hangs_up, invited.call)
        elif mood < 0.8:
            loop.call_later(later, phone.rejects, invited.call, 486)


async def anyone(phone: Softphone) -> Invited:
    while True:
        try:
            return await phone.sees(Invited)
        except TimeoutError:
            continue


@pytest.mark.parametrize("seed", range(3))
async def test_random_schedules_leave_nothing_behind(switchboard: Switchboard, seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    before = asyncio.all_tasks()
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as colleague:

        async def serve(incoming: IncomingCall) -> None:
            try:
                await one_journey(switchboard, incoming, colleague.uri, tmp_path)
            except LegGone:
                await incoming.phone.hang_up()

        switchboard.serve = serve
        agent = asyncio.create_task(agent_of(colleague, chance))
        for _ in range(SCHEDULES):
            call = caller.calls("4008001234", switchboard.address)
            asyncio.get_running_loop().call_later(chance.uniform(0, 2 * LONGEST), caller.hangs_up, call)
            await asyncio.sleep(chance.uniform(0, 0.01))
        await asyncio.sleep(2 * LONGEST)
        agent.cancel()
        await asyncio.wait([agent])
        await switchboard.leaves_nothing_behind()
    assert asyncio.all_tasks() == before
    assert switchboard.telephony.counters["calls"] == SCHEDULES
    assert switchboard.telephony.counters["calls_broken"] == 0
    assert switchboard.telephony.counters["dispatch_failed"] == 0
