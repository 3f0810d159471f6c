"""Dialogs as SIPp plays them, many at a time on one exchange: before the answer, in the call, and over a bad line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from calls.call import Call
from telephony.caller import CallerLeg
from telephony.incoming import IncomingCall
from tests.partners.bad_line import BadLine
from tests.partners.process import until
from tests.partners.sipp import SippAgent, SippCaller
from tests.telephony.conftest import Switchboard, answer_and_wait, running
from tests.telephony.parties import nobodys_call

HOTLINE, ANNOUNCED, SLOW, CHANGED = "4008001234", "4008001235", "4008001236", "4008001237"

SCENARIOS = [
    # (scenario, whom it calls)
    ("uac_prack", ANNOUNCED),
    ("uac_prack_missing", SLOW),
    ("uac_update", HOTLINE),
    ("uac_holds", HOTLINE),
    ("uac_late_offer", HOTLINE),
    ("uac_many_streams", HOTLINE),
    ("uac_timer_gone", HOTLINE),
    ("uac_timer_update", HOTLINE),
    ("uac_glare", CHANGED),
    ("uac_timer_brief", HOTLINE),
    ("uac_cancel_early", SLOW),
    ("uac_cancel_late", HOTLINE),
    ("uac_multipart", HOTLINE),
]


async def serve(incoming: IncomingCall) -> None:
    phone = incoming.phone
    assert isinstance(phone, CallerLeg)
    if incoming.called == ANNOUNCED:
        assert await phone.progress()
        await asyncio.sleep(0.3)
    elif incoming.called == SLOW:
        await asyncio.sleep(0.2)
        await phone.ring()
        await asyncio.sleep(60)
    await phone.answer()
    if incoming.called == CHANGED:
        await asyncio.sleep(0.1)
        phone.reoffer()
    await phone.ended()


async def played(server: tuple[str, int], scenario: str, dialled: str, **options: Any) -> str:
    """Nothing, or what went wrong."""
    async with SippCaller(server, dialled, scenario=scenario, pause_ms=50, **options) as sipp:
        try:
            await sipp.ended(20)
        except (RuntimeError, TimeoutError) as wrong:
            return f"{scenario}: {wrong}"
    return ""


async def all_played(server: tuple[str, int], rows: Sequence[tuple[str, str]], **options: Any) -> None:
    """Play them at once. Fails with the words of those that went wrong."""
    outcomes = await asyncio.gather(*(played(server, *row, **options) for row in rows))
    assert not any(outcomes), "\n\n".join(filter(None, outcomes))


async def test_callers_play_their_scenarios_to_the_end() -> None:
    numbers = frozenset({HOTLINE, ANNOUNCED, SLOW, CHANGED})
    async with running(numbers=numbers, min_se=2, session_expires=10, t1=0.05) as board:
        board.serve = serve
        await all_played((board.address.host, board.address.port), SCENARIOS)
        await board.leaves_nothing_behind()


@pytest.mark.parametrize("scenario", ["uas_early", "uas_forked"])
async def test_phones_that_we_ring_play_their_scenarios_to_the_end(switchboard: Switchboard, scenario: str) -> None:
    call = Call("a-call-without-a-leg", "carrier", HOTLINE, None, "main", datetime.now(UTC))
    async with SippAgent(scenario=scenario) as sipp:
        phone = await switchboard.telephony.ring(sipp.contact, call=call, shown=None)
        if scenario == "uas_forked":
            await sipp.receives("BYE")  # to the phone that answered second
        await phone.hang_up()
        assert await sipp.ended() == 0
    await switchboard.leaves_nothing_behind()


async def test_an_answer_that_is_lost_is_repeated_until_its_acknowledgement_and_the_call_stands(
    switchboard: Switchboard,
) -> None:
    near = switchboard.address
    async with SippCaller((near.host, near.port), HOTLINE, scenario="uac_lost_200") as sipp:
        await until(lambda: len(sipp.received(200)) >= 3, what="the answer comes again and again")
        answers = [answer for answer in sipp.received(200) if answer.method == "INVITE"]
        assert len({answer.text for answer in answers}) == 1
        await sipp.hang_up()
        assert await sipp.ended() == 0
        assert [answer.method for answer in sipp.received(200)][-2:] == ["OPTIONS", "BYE"]
    await switchboard.leaves_nothing_behind()


async def test_what_comes_twice_is_answered_twice_with_the_same_and_done_once(switchboard: Switchboard) -> None:
    repeated = asyncio.Event()

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.ring()
        await repeated.wait()
        await answer_and_wait(incoming)

    switchboard.serve = serve
    near = switchboard.address
    async with SippCaller((near.host, near.port), HOTLINE, scenario="uac_repeats") as sipp:
        await sipp.rings()
        await sipp.order("PROCEED")
        await until(lambda: len(sipp.received(180)) >= 2, what="the answer to the second INVITE")
        repeated.set()
        await until(lambda: any(answer.method == "BYE" for answer in sipp.received(200)), what="the end")
        await sipp.order("PROCEED")
        assert await sipp.ended() == 0
    hung_up = [answer for answer in sipp.received(200) if answer.method == "BYE"]
    assert len(hung_up) >= 2
    for answers in (sipp.received(180), hung_up):
        assert len({answer.text for answer in answers}) == 1
    assert len(switchboard.incoming) == 1
    await switchboard.leaves_nothing_behind()


async def test_what_a_phone_does_not_hear_is_said_again_until_it_does(switchboard: Switchboard) -> None:
    async with SippAgent(scenario="uas_deaf") as sipp:
        ringing = asyncio.create_task(switchboard.telephony.ring(sipp.contact, call=nobodys_call(), shown=None))
        for method in ("INVITE", "BYE"):
            await until(lambda method=method: len(sipp.received(method)) >= 3, what=f"{method} again")  # type: ignore[misc]
            assert len({request.text for request in sipp.received(method)}) == 1
            await sipp.order("PROCEED")
            if method == "INVITE":
                hanging_up = asyncio.create_task((await ringing).hang_up())
        await hanging_up
        assert await sipp.ended() == 0
    await switchboard.leaves_nothing_behind()


@pytest.mark.parametrize("loss", [0.05, 0.2])
async def test_calls_over_a_bad_line_are_set_up_and_end(loss: float) -> None:
    async with running() as board, BadLine((board.address.host, board.address.port), loss) as line:
        async with SippCaller(line.address, HOTLINE, scenario="uac_answered", pause_ms=100, calls=20) as sipp:
            assert await sipp.ended(60) == 0
        assert len(board.incoming) == 20
        assert line.counts["lost"] > 0
        await board.leaves_nothing_behind()
