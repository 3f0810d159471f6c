"""INVITE with Replaces (RFC 3891): one of our phones takes the place of another, and nobody else does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from calls.call import Side
from calls.errors import LegGone
from calls.phone import Phone
from telephony.incoming import IncomingCall
from telephony.sip.auth import ClientCredentials
from telephony.sip.events import Answered, Cancelled, Ended, Failed, Invited
from tests.partners.audio import read_channels
from tests.partners.sipp_phones import SippPhone, SippTaker
from tests.telephony.conftest import PASSWORD, Switchboard, account
from tests.telephony.parties import HOTLINE, call_of, registered
from tests.telephony.softphone import PATIENCE, Softphone, hears, media_of
from tests.telephony.test_registering_sipp import server

MD5_1002 = replace(account("1002"), ha1_sha256="")
"""SIPp gives up where SHA-256 is offered."""
SAID, BACK = bytes(range(160)), bytes(range(160))[::-1]


def handing_on(board: Switchboard, recording: Path | None = None) -> list[Phone]:
    """Let the next call be joined with 1001, and then with whoever comes for the place; those who had it, in order."""
    had: list[Phone] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer(record_to=recording)
        agent = await board.telephony.ring("1001", call=call_of(incoming), shown=None, answer_within=60)
        while True:
            had.append(agent)
            async with board.telephony.joined(incoming.phone, agent) as talk:
                wish = await talk.transfer()
                assert wish.arrived is not None
                with suppress(LegGone):
                    await wish.arrived.answer()
                    agent = wish.arrived
            await had[-1].hang_up()

    board.serve = serve
    return had


@dataclass
class Scene:
    """A caller, and the agent 1001 whose phone rings."""

    caller: Softphone
    agent: Softphone
    call: str
    answer: Answered
    invited: Invited
    had: list[Phone]

    async def answers(self) -> None:
        """The agent picks up, and the two are joined."""
        self.agent.answers(self.invited.call, self.invited.request.body)
        await self.had_by(1)

    async def had_by(self, count: int) -> None:
        """Wait until so many have had the call."""
        async with asyncio.timeout(PATIENCE):
            while len(self.had) < count:  # noqa: ASYNC110 — a talk begins unannounced
                await asyncio.sleep(0.002)


@asynccontextmanager
async def ringing(board: Switchboard, recording: Path | None = None) -> AsyncIterator[Scene]:
    """1002 and 8001, a customer, have accounts as well."""
    board.book.replace([account("1001"), MD5_1002, account("8001", kind="customer")])
    had = handing_on(board, recording)
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:
        await registered(agent, board)
        call = caller.calls(HOTLINE, board.address)
        answer, invited = await caller.sees(Answered), await agent.sees(Invited)
        agent.sip.ring(invited.call, agent.now)
        agent.shell.flush()
        yield Scene(caller, agent, call, answer, invited, had)
        caller.hangs_up(call)
        await board.leaves_nothing_behind()


def dialog(invited: Invited, flag: str = "") -> str:
    """The dialog at the agent's phone, as we know it: our tag is that of its From."""
    call_id, _, tag = invited.call.rpartition(";")
    return f"{call_id};to-tag={invited.request.from_tag};from-tag={tag}{flag}"


def takes(phone: Softphone, board: Switchboard, *replaces: str, user: str = "") -> str:
    """Call in for the place of that dialog."""
    return phone.calls(
        "", board.address, headers=[("Require", "replaces"), *(("Replaces", each) for each in replaces)],
        credentials=ClientCredentials(user or phone.user, PASSWORD),
    )


async def refused(phone: Softphone, board: Switchboard, *replaces: str) -> int:
    takes(phone, board, *replaces)
    return (await phone.sees(Failed)).status


async def test_a_phone_takes_the_place_of_another_in_a_talk(switchboard: Switchboard, tmp_path: Path) -> None:
    asked: list[tuple[str, str, bool]] = []

    def may_take(user: str, whose: str, call_id: str, rings: bool) -> bool:
        asked.append((user, whose, rings))
        return True

    switchboard.telephony.may_take = may_take
    recording = tmp_path / "call.wav"
    async with ringing(switchboard, recording) as scene, Softphone("127.0.0.6", "1002") as other:
        await scene.answers()
        await registered(other, switchboard)
        takes(other, switchboard, dialog(scene.invited))
        theirs = media_of((await other.sees(Answered)).response)
        assert (await scene.agent.sees(Ended)).call == scene.invited.call
        callers = media_of(scene.answer.response)
        await hears(other, SAID, lambda n: scene.caller.speaks(callers, [SAID], 8, n))
        await hears(scene.caller, BACK, lambda n: other.speaks(theirs, [BACK], 8, n))
        assert [phone.user for phone in scene.had] == ["1001", "1002"]
        assert not scene.caller.saw(Ended)
    assert asked == [("1002", "1001", False)]
    left, right = read_channels(recording)
    assert left.any()
    assert right.any(), "the recording goes on"


async def test_whom_a_phone_of_ours_has_called_moves_between_its_own_telephones_only(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    switchboard.book.replace([account("1001"), account("1002"), account("1003")])
    switchboard.telephony.may_take = lambda user, whose, call, rings: True
    recording = tmp_path / "call.wav"

    async def serve(incoming: IncomingCall) -> None:
        telephony, call = switchboard.telephony, call_of(incoming)
        called = await telephony.ring("1001", call=call, shown=None, answer_within=60)
        await incoming.phone.answer()
        telephony.belongs(call, called, record_to=recording)
        async with telephony.joined(called, incoming.phone, moves=True) as talk:
            wish = await talk.transfer()
            assert wish.arrived is not None
            assert wish.instead is called
            await wish.arrived.answer()
            telephony.moved(call, wish.arrived)
            await called.hang_up()
            await talk.ended()

    switchboard.serve = serve
    async with (
        Softphone("127.0.0.6", "1002") as caller, Softphone("127.0.0.5", "1001") as desk,
        Softphone("127.0.0.7", "1001") as mobile, Softphone("127.0.0.9", "1003") as colleague,
    ):
        await registered(caller, switchboard)
        await registered(desk, switchboard)
        call = caller.calls("1001", switchboard.address, credentials=ClientCredentials("1002", PASSWORD))
        invited = await desk.sees(Invited)
        desk.answers(invited.call, invited.request.body)
        callers = media_of((await caller.sees(Answered)).response)
        await registered(colleague, switchboard)
        assert await refused(colleague, switchboard, dialog(invited)) == 480, "a colleague's"
        await registered(mobile, switchboard)
        takes(mobile, switchboard, dialog(invited))
        at_mobile = media_of((await mobile.sees(Answered)).response)
        assert (await desk.sees(Ended)).call == invited.call
        await hears(mobile, SAID, lambda n: caller.speaks(callers, [SAID], 8, n))
        await hears(caller, BACK, lambda n: mobile.speaks(at_mobile, [BACK], 8, n))
        caller.hangs_up(call)
        await mobile.sees(Ended)
        await switchboard.leaves_nothing_behind()
    left, right = read_channels(recording)
    assert left.any(), "the recording goes on with the other telephone: at the first nothing was said"
    assert right.any()


@pytest.mark.parametrize("flag", ["", ";early-only"])
async def test_a_ringing_call_is_picked_up(switchboard: Switchboard, flag: str) -> None:
    switchboard.telephony.may_take = lambda user, whose, call, rings: rings
    async with ringing(switchboard) as scene, Softphone("127.0.0.6", "1002") as other:
        await registered(other, switchboard)
        takes(other, switchboard, dialog(scene.invited, flag))
        await other.sees(Answered)
        cancelled = await scene.agent.sees(Cancelled)
        assert "completed elsewhere" in cancelled.reason, "answered elsewhere: no missed call"
        await scene.had_by(1)
        assert [phone.user for phone in scene.had] == ["1002"]


async def test_what_cannot_be_taken_over(switchboard: Switchboard) -> None:
    async with ringing(switchboard) as scene, Softphone("127.0.0.6", "1001") as other:
        await registered(other, switchboard)
        call_id, _, tag = scene.invited.call.rpartition(";")
        ours = scene.invited.request.from_tag
        assert await refused(other, switchboard, f"nobody;to-tag={ours};from-tag={tag}") == 481
        assert await refused(other, switchboard, f"{call_id};to-tag={tag};from-tag={ours}") == 481, "whose tag is whose"
        assert await refused(other, switchboard, dialog(scene.invited), dialog(scene.invited)) == 400
        assert await refused(other, switchboard, f"{call_id};to-tag={tag}") == 400
        await scene.answers()
        assert await refused(other, switchboard, dialog(scene.invited, ";early-only")) == 486
        scene.agent.hangs_up(scene.invited.call)
        async with asyncio.timeout(PATIENCE):
            while len(switchboard.telephony.office.legs) > 1:  # noqa: ASYNC110 — until the BYE has come
                await asyncio.sleep(0.002)
        assert await refused(other, switchboard, dialog(scene.invited)) == 603


@pytest.mark.parametrize("talking", [False, True])
async def test_nobody_takes_what_is_not_theirs(switchboard: Switchboard, talking: bool) -> None:
    async with (
        ringing(switchboard) as scene, Softphone("127.0.0.6", "1002") as colleague,
        Softphone("127.0.0.7", "8001") as customer, Softphone("127.0.0.9", "1001") as stranger,
    ):
        await registered(colleague, switchboard)
        await registered(customer, switchboard)
        if talking:
            await scene.answers()
        for phone in (colleague, customer, stranger, scene.caller):
            assert await refused(phone, switchboard, dialog(scene.invited)) == 403, phone.ip
        takes(colleague, switchboard, dialog(scene.invited), user="nobody")
        assert (await colleague.sees(Failed)).status == 407
        assert not scene.agent.saw(Ended)
        assert not scene.agent.saw(Cancelled)


async def test_sipp_takes_a_talk_over(switchboard: Switchboard) -> None:
    switchboard.telephony.may_take = lambda user, whose, call, rings: True
    async with ringing(switchboard) as scene:
        await scene.answers()
        async with SippPhone(server(switchboard), "1002", PASSWORD) as phone:
            assert await phone.ended() == 0
        taker = SippTaker(server(switchboard), "1002", PASSWORD, dialog(scene.invited), ip=phone.ip, port=phone.port)
        async with taker:
            assert "replaces" in (await taker.receives(200)).header("Supported")
            await scene.agent.sees(Ended)
            await scene.had_by(2)
            scene.caller.hangs_up(scene.call)
            assert await taker.ended() == 0


async def test_a_phone_that_took_a_call_and_vanishes_is_missed_as_soon_as_any_agents(switchboard: Switchboard) -> None:
    """It called us, and would as a caller be given 30 s."""
    async with ringing(switchboard) as scene, Softphone("127.0.0.6", "1001") as other:
        await scene.answers()
        await registered(other, switchboard)
        takes(other, switchboard, dialog(scene.invited))
        theirs = media_of((await other.sees(Answered)).response)
        await scene.had_by(2)
        await hears(scene.caller, BACK, lambda n: other.speaks(theirs, [BACK], 8, n))
        other.answers_requests = False
        async with asyncio.timeout(PATIENCE):
            hangup = await scene.had[1].ended()
        assert (hangup.by, hangup.status) == (Side.NETWORK, 408)
        assert not scene.caller.saw(Ended)
