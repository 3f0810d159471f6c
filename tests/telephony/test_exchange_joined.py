"""Two parties that are joined, over loopback."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from calls.call import Hangup, Side
from calls.errors import LegGone
from calls.phone import Sound
from media import g711
from media.engine import Codec
from telephony import sdp
from telephony.incoming import IncomingCall
from telephony.sip.events import Acknowledged, Answered, Cancelled, Ended, Invited, Requested, Responded
from tests.telephony.conftest import MUSIC, Switchboard
from tests.telephony.parties import HOTLINE, SHOWN, call_of, connects, joined, registered, talking
from tests.telephony.softphone import Softphone, hears


async def test_a_registered_phone_is_rung_where_it_registered_and_sees_the_callers_number(
    switchboard: Switchboard,
) -> None:
    connects(switchboard, "1001")
    async with Softphone(codecs=[Codec.PCMU]) as caller, Softphone("127.0.0.5", "1001") as agent:
        await registered(agent, switchboard)
        assert switchboard.telephony.phones.reachable("1001")
        caller.calls(HOTLINE, switchboard.address)
        invited = await agent.sees(Invited)
        assert invited.request.uri.user == "1001"
        assert (invited.request.from_.uri.user, invited.request.from_.display) == ("+8613800138000", "王先生")
        assert "sip:+8613800138000@" in invited.request.get("P-Asserted-Identity")
        offered = sdp.parse(invited.request.body).streams[0]
        assert offered.tokens == ("0", "8", "101"), "the caller's own codec comes first"
        agent.rejects(invited.call, 486)
        await caller.sees(Ended)
        await switchboard.leaves_nothing_behind()


@pytest.mark.parametrize("agents_codec", [Codec.PCMA, Codec.PCMU])
async def test_the_joined_hear_each_other(switchboard: Switchboard, agents_codec: Codec) -> None:
    ended = connects(switchboard, "1001")
    async with Softphone() as caller, Softphone("127.0.0.5", "1001", codecs=[agents_codec]) as agent:
        talk = await talking(caller, agent, switchboard)
        said = bytes(range(160))
        heard = said if agents_codec is Codec.PCMA else g711.ulaw_encode(g711.alaw_decode(said))
        await hears(agent, heard, lambda n: caller.speaks(talk.from_caller, [said], 8, n))
        back = bytes(range(160))[::-1]
        heard = back if agents_codec is Codec.PCMA else g711.alaw_encode(g711.ulaw_decode(back))
        await hears(caller, heard, lambda n: agent.speaks(talk.from_agent, [back], int(agents_codec), n))
        agent.hangs_up(talk.invited.call)
        await caller.sees(Ended)
        await switchboard.leaves_nothing_behind()
    assert ended == [Hangup(Side.AGENT, 200, "BYE")]


async def test_when_the_caller_hangs_up_the_agent_is_hung_up(switchboard: Switchboard) -> None:
    connects(switchboard, "1001")
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:
        talk = await talking(caller, agent, switchboard)
        caller.hangs_up(talk.call)
        await agent.sees(Ended)
        await switchboard.leaves_nothing_behind()


async def test_when_the_caller_hangs_up_the_ringing_stops(switchboard: Switchboard) -> None:
    connects(switchboard, "1001")
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:
        await registered(agent, switchboard)
        call = caller.calls(HOTLINE, switchboard.address)
        await caller.sees(Answered)
        await agent.sees(Invited)
        caller.hangs_up(call)
        await agent.sees(Cancelled)
        await switchboard.leaves_nothing_behind()


async def test_who_is_put_on_hold_hears_music_until_the_other_resumes(switchboard: Switchboard) -> None:
    connects(switchboard, "1001")
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:
        talk = await talking(caller, agent, switchboard)
        call = talk.invited.call
        await agent.sees(Acknowledged)
        agent.sip.reinvite(call, agent.offer(sdp.Direction.SENDONLY), agent.now)
        agent.shell.flush()
        assert b"a=recvonly" in (await agent.sees(Responded)).response.body
        music = g711.alaw_encode(np.frombuffer(MUSIC[:320], np.int16))
        await hears(caller, music, lambda n: agent.speaks(talk.from_agent, [b"\x55" * 160], 8, n))
        agent.sip.reinvite(call, agent.offer(), agent.now)
        agent.shell.flush()
        await agent.sees(Responded)
        said = bytes(range(160))
        await hears(caller, said, lambda n: agent.speaks(talk.from_agent, [said], 8, 1000 + n))
        agent.hangs_up(call)
        await caller.sees(Ended)
        await switchboard.leaves_nothing_behind()


async def test_a_key_sent_by_info_reaches_the_agent(switchboard: Switchboard) -> None:
    """The agent's phone has no telephone-event: it gets INFO as well."""
    connects(switchboard, "1001")
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:
        await registered(agent, switchboard)
        call = caller.calls(HOTLINE, switchboard.address)
        invited = await agent.sees(Invited)
        body = agent.offer().replace(b" 101\r\n", b"\r\n")
        agent.sip.answer(invited.call, body, agent.now)
        agent.shell.flush()
        await caller.sees(Answered)
        await joined(switchboard)
        caller.sip.request(call, "INFO", caller.now, body=b"Signal=7\r\n", content_type="application/dtmf-relay")
        caller.shell.flush()
        info = await agent.sees(Requested)
        assert (info.request.method, info.request.body) == ("INFO", b"Signal=7\r\nDuration=160\r\n")
        caller.hangs_up(call)
        await switchboard.leaves_nothing_behind()


@pytest.mark.parametrize("alive", [True, False])
async def test_a_phone_that_falls_silent_is_asked_whether_it_is_there(switchboard: Switchboard, alive: bool) -> None:
    ended = connects(switchboard, "1001")
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:
        agent.answers_requests = alive
        talk = await talking(caller, agent, switchboard)
        agent.speaks(talk.from_agent, [b"\x55" * 160])
        assert (await agent.sees(Requested)).request.method == "OPTIONS"
        if alive:
            assert (await agent.sees(Requested)).request.method == "OPTIONS", "it may be unplugged while it is muted"
            caller.hangs_up(talk.call)
            await agent.sees(Ended)
        else:
            await caller.sees(Ended)
        await switchboard.leaves_nothing_behind()
    assert [(hangup.by, hangup.status) for hangup in ended] == ([] if alive else [(Side.NETWORK, 408)])


async def test_only_live_legs_of_this_exchange_can_be_joined(switchboard: Switchboard) -> None:
    raised: list[type[BaseException]] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        agent = await switchboard.telephony.ring("1001", call=call_of(incoming), shown=SHOWN)
        await agent.hang_up()
        attempts: list[Callable[[], Awaitable[object]]] = [
            switchboard.telephony.joined(incoming.phone, agent).__aenter__,
            lambda: agent.play(Sound(bytes(320))),
            agent.next_digit,
        ]
        for attempt in attempts:
            try:
                await attempt()
            except LegGone as gone:
                raised.append(type(gone))

    switchboard.serve = serve
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:
        await registered(agent, switchboard)
        caller.calls(HOTLINE, switchboard.address)
        invited = await agent.sees(Invited)
        agent.answers(invited.call, invited.request.body)
        await caller.sees(Ended)
        await switchboard.leaves_nothing_behind()
    assert raised == [LegGone] * 3
