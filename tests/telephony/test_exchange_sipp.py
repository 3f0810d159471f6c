"""The exchange and SIPp, which we did not write."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import numpy as np
import pytest

from calls.call import Call
from calls.phone import Sound
from media.engine import Codec
from telephony.incoming import IncomingCall
from telephony.leg import Leg
from tests.partners.audio import Pcm, contains
from tests.partners.process import until
from tests.partners.sipp import CallRefused, SippAgent, SippCaller
from tests.partners.sipp_log import Wire
from tests.partners.sipp_phones import SippRenumbering
from tests.telephony.conftest import Switchboard, running
from tests.telephony.parties import joined

HOTLINE = "4008001234"


def caller(board: Switchboard, dialled: str = HOTLINE, **options: object) -> SippCaller:
    return SippCaller((board.address.host, board.address.port), dialled, **options)  # type: ignore[arg-type]


def formats(message: Wire) -> frozenset[str]:
    """The lines of a description that say which number stands for what."""
    return frozenset(line for line in message.body.splitlines() if line.startswith("a=rtpmap:"))


def sweep(seconds: float, low: float, high: float) -> Pcm:
    """A rising tone: unlike itself at every shift, so that it is found where it is and nowhere else."""
    time = np.arange(round(8000 * seconds)) / 8000
    phase = 2 * np.pi * (low * time + (high - low) * time**2 / (2 * seconds))
    return np.asarray(9000 * np.sin(phase), dtype=np.int16)


GREETING, SENTENCE, REPLY = sweep(0.6, 300, 1500), sweep(0.6, 2500, 500), sweep(0.6, 400, 3000)


async def test_a_call_is_answered_hears_the_prompt_and_hangs_up(switchboard: Switchboard) -> None:
    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.ring()
        await incoming.phone.answer()
        await (await incoming.phone.play(Sound(GREETING.tobytes()))).finished()
        await incoming.phone.ended()

    switchboard.serve = serve
    async with caller(switchboard, number="02155501234", asserted="+8613800138000") as sipp:
        await sipp.answered()
        await sipp.hears(GREETING)
        await sipp.hang_up()
        assert await sipp.ended() == 0
        assert sipp.statuses == [100, 180, 200]
    await switchboard.leaves_nothing_behind()
    assert switchboard.incoming[0].calling == "+8613800138000"


async def test_keys_pressed_in_rtp_arrive_in_order(switchboard: Switchboard) -> None:
    keys: list[str] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        keys.extend([(await incoming.phone.next_digit()).key for _ in range(3)])

    switchboard.serve = serve
    async with caller(switchboard) as sipp:
        await sipp.answered()
        for key in "5*0":
            sipp.press(key)
        assert await sipp.ended() == 0
    assert keys == ["5", "*", "0"]
    await switchboard.leaves_nothing_behind()


@pytest.mark.parametrize(
    ("status", "options"),
    [
        (403, {"ip": "127.0.0.9"}),
        (404, {"dialled": "4008009999"}),
        (488, {"formats": "18 101"}),
        (403, {"ip": "127.0.0.9", "dialled": "4008009999"}),
    ],
)
async def test_refusals(switchboard: Switchboard, status: int, options: dict[str, str]) -> None:
    async with caller(switchboard, **options) as sipp:
        with pytest.raises(CallRefused) as refused:
            await sipp.answered()
        assert refused.value.status == status
        await sipp.ended(check=False)
    assert not switchboard.incoming
    await switchboard.leaves_nothing_behind()


async def test_the_caller_gives_up_while_it_rings(switchboard: Switchboard) -> None:
    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.ring()
        await asyncio.Event().wait()

    switchboard.serve = serve
    async with caller(switchboard, scenario="uac_cancel", pause_ms=50) as sipp:
        assert await sipp.ended() == 0
    await switchboard.leaves_nothing_behind()


async def test_an_answer_that_is_never_acknowledged_ends_the_call() -> None:
    async with running(t1=0.01) as board:  # 64 of them are waited for (RFC 3261 section 13.3.1.4)
        async with caller(board, scenario="uac_noack") as sipp:
            assert await sipp.ended() == 0
            assert len(sipp.received(200)) > 1, "the 200 is repeated until its ACK comes"
        await board.leaves_nothing_behind()


async def test_hold_and_resume(switchboard: Switchboard) -> None:
    async with caller(switchboard, scenario="uac_reinvite_hold", pause_ms=100) as sipp:
        assert await sipp.ended() == 0
        directions = [line for m in sipp.received(200) for line in m.text.splitlines() if line in DIRECTIONS]
        assert directions == ["a=sendrecv", "a=recvonly", "a=sendrecv"]
    await switchboard.leaves_nothing_behind()


DIRECTIONS = ("a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive")


@pytest.mark.parametrize("agents_payload_type", [8, 0])
async def test_two_sipps_hear_each_other_through_us(switchboard: Switchboard, agents_payload_type: int) -> None:
    async with SippAgent(payload_type=agents_payload_type) as agent:

        async def serve(incoming: IncomingCall) -> None:
            call = Call(incoming.phone.id, incoming.trunk, incoming.called, None, "main", datetime.now(UTC))
            await incoming.phone.answer()
            phone = await switchboard.telephony.ring(agent.contact, call=call, shown=None)
            async with switchboard.telephony.joined(incoming.phone, phone):
                await phone.ended()

        switchboard.serve = serve
        async with caller(switchboard) as sipp:
            await sipp.answered()
            await agent.connected()
            sipp.says(SENTENCE)
            agent.says(REPLY)
            await agent.hears(SENTENCE)
            await sipp.hears(REPLY)
            assert not contains(SENTENCE, sipp.heard(), 0.5), "nobody hears an echo"
            for key in "42#":
                sipp.press(key)
            await until(lambda: agent.digits() == "42#", what="the keys at the agent's phone")
            await agent.hang_up()
            assert (await agent.ended(), await sipp.ended()) == (0, 0)
    await switchboard.leaves_nothing_behind()


async def test_a_burst_of_calls_leaves_nothing_behind(switchboard: Switchboard) -> None:
    async with caller(switchboard, scenario="uac_answered", pause_ms=50, calls=20) as sipp:
        assert await sipp.ended(20) == 0
    assert len(switchboard.incoming) == 20
    await switchboard.leaves_nothing_behind()


async def test_who_numbers_formats_otherwise_than_we_offered_them_hears_and_is_heard() -> None:
    """RFC 3264 sections 5.1 and 6.1: each side sends by the other's numbers. Section 8.3.2: and they stay."""
    async with running(codecs=(Codec.L16, Codec.PCMA)) as board, SippRenumbering() as agent:
        rung: list[Leg] = []

        async def serve(incoming: IncomingCall) -> None:
            call = Call(incoming.phone.id, incoming.trunk, incoming.called, None, "main", datetime.now(UTC))
            await incoming.phone.answer()
            phone = await board.telephony.ring(agent.contact, call=call, shown=None)
            assert isinstance(phone, Leg)
            rung.append(phone)
            async with board.telephony.joined(incoming.phone, phone):
                await phone.ended()

        board.serve = serve
        async with caller(board) as sipp:
            await sipp.answered()
            await joined(board)
            sipp.says(SENTENCE)
            agent.says(REPLY)
            await agent.hears(SENTENCE)
            await sipp.hears(REPLY)
            sipp.press("4")
            agent.press("7")
            await until(lambda: (agent.digits(), sipp.digits()) == ("4", "7"), what="a key at each phone")
            assert {packet.payload_type for packet in agent.line.ear.packets} == {agent.AUDIO, agent.EVENTS}
            rung[0].reoffer()
            await until(lambda: len({ack.header("CSeq") for ack in agent.received("ACK")}) == 2, what="another offer")
            agent.press("8")
            await until(lambda: sipp.digits() == "78", what="a key after it")
            assert len({formats(invite) for invite in agent.received("INVITE")}) == 1
            await agent.hang_up()
            assert (await agent.ended(), await sipp.ended()) == (0, 0)
        await board.leaves_nothing_behind()
