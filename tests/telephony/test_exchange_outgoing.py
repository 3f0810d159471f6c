"""Phones that are rung, and two parties that are joined, over loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from ipaddress import ip_network

import numpy as np
import pytest

from calls.call import Call, Hangup, Side
from calls.errors import CallFailed, LegGone
from calls.numbers import PhoneNumber
from calls.phone import Sound
from media import g711
from media.engine import Codec
from telephony import sdp
from telephony.incoming import IncomingCall
from telephony.sip.auth import ClientCredentials
from telephony.sip.events import Acknowledged, Answered, Cancelled, Ended, Failed, Invited, Requested, Responded
from telephony.trunking import Trunk
from telephony.trunking.tolls import Tariff, TollRules
from tests.telephony.conftest import MUSIC, PASSWORD, Switchboard, account, running
from tests.telephony.softphone import Softphone, hears, media_of

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
        await registered(agent, switchboard)
        caller.calls(HOTLINE, switchboard.address)
        answered = await caller.sees(Answered)
        invited = await agent.sees(Invited)
        agreed = agent.answers(invited.call, invited.request.body)
        said = bytes(range(160))
        heard = said if agents_codec is Codec.PCMA else g711.ulaw_encode(g711.alaw_decode(said))
        await hears(agent, heard, lambda n: caller.speaks(media_of(answered.response), [said], 8, n))
        back = bytes(range(160))[::-1]
        heard = back if agents_codec is Codec.PCMA else g711.alaw_encode(g711.ulaw_decode(back))
        to = (agreed.address, agreed.port)
        await hears(caller, heard, lambda n: agent.speaks(to, [back], int(agents_codec), n))
        agent.hangs_up(invited.call)
        await caller.sees(Ended)
        await switchboard.leaves_nothing_behind()
    assert ended == [Hangup(Side.AGENT, 200, "BYE")]


async def test_when_the_caller_hangs_up_the_agent_is_hung_up(switchboard: Switchboard) -> None:
    connects(switchboard, "1001")
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:
        await registered(agent, switchboard)
        call = caller.calls(HOTLINE, switchboard.address)
        invited = await agent.sees(Invited)
        agent.answers(invited.call, invited.request.body)
        await caller.sees(Answered)
        caller.hangs_up(call)
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


async def test_an_answer_that_crosses_the_cancel_is_hung_up(switchboard: Switchboard) -> None:
    """RFC 3261 section 9.1: the 200 may win the race against the CANCEL."""
    async with Softphone("127.0.0.5", "1001") as agent:
        ringing = asyncio.create_task(
            switchboard.telephony.ring(agent.uri, call=nobodys_call(), shown=None, answer_within=60)
        )
        invited = await agent.sees(Invited)
        agent.answers(invited.call, invited.request.body)  # on its way …
        ringing.cancel()  # … when nobody wants it any more
        await agent.sees(Ended)
        with pytest.raises(asyncio.CancelledError):
            await ringing
        await switchboard.leaves_nothing_behind()


@pytest.mark.parametrize("status", [486, 603, 480])
async def test_a_refusal_is_told_with_its_status(switchboard: Switchboard, status: int) -> None:
    async with Softphone("127.0.0.5", "1001") as agent:
        ringing = asyncio.create_task(switchboard.telephony.ring(agent.uri, call=nobodys_call(), shown=SHOWN))
        agent.rejects((await agent.sees(Invited)).call, status)
        with pytest.raises(CallFailed) as failed:
            await ringing
        assert failed.value.status == status
        await switchboard.leaves_nothing_behind()


async def test_nobody_answers(switchboard: Switchboard) -> None:
    async with Softphone("127.0.0.5", "1001") as agent:
        with pytest.raises(CallFailed) as failed:
            await switchboard.telephony.ring(agent.uri, call=nobodys_call(), shown=SHOWN, answer_within=0.1)
        assert failed.value.status == 408
        await agent.sees(Cancelled)
        await switchboard.leaves_nothing_behind()


async def test_a_phone_whose_program_is_gone_fails_at_once(switchboard: Switchboard) -> None:
    async with Softphone("127.0.0.5", "1001") as agent:
        gone = agent.uri
    with pytest.raises(CallFailed) as failed:
        await switchboard.telephony.ring(gone, call=nobodys_call(), shown=SHOWN, answer_within=3600)
    assert failed.value.status == 503
    assert switchboard.telephony.counters["icmp_errors"] == 1
    await switchboard.leaves_nothing_behind()


async def test_a_hidden_number_stays_hidden(switchboard: Switchboard) -> None:
    async with Softphone("127.0.0.5", "1001") as agent:
        ringing = asyncio.create_task(switchboard.telephony.ring(agent.uri, call=nobodys_call(), shown=None))
        invited = await agent.sees(Invited)
        assert invited.request.from_.uri.host == "anonymous.invalid"
        assert invited.request.get("Privacy") == "id"
        assert not invited.request.lines("P-Asserted-Identity")
        ringing.cancel()
        await agent.sees(Cancelled)


@pytest.mark.parametrize(
    ("target", "status"),
    [("1001", 480), ("sip:", 484), ("sip:1001@no-such-host.invalid", 404), ("021555", 403), ("../etc", 404)],
)
async def test_targets_that_lead_nowhere(switchboard: Switchboard, target: str, status: int) -> None:
    with pytest.raises(CallFailed) as failed:
        await switchboard.telephony.ring(target, call=nobodys_call(), shown=None)
    assert failed.value.status == status
    await switchboard.leaves_nothing_behind()


async def test_a_phone_with_a_fixed_contact_need_not_register(switchboard: Switchboard) -> None:
    async with Softphone("127.0.0.5", "1002") as agent:
        switchboard.book.replace([account("1002", fixed_contact=agent.uri)])
        assert switchboard.telephony.phones.reachable("1002")
        ringing = asyncio.create_task(switchboard.telephony.ring("1002", call=nobodys_call(), shown=SHOWN))
        invited = await agent.sees(Invited)
        agent.answers(invited.call, invited.request.body)
        phone = await ringing
        await phone.hang_up()
        assert await phone.ended() == Hangup(Side.HOTLINE, 200)
        await agent.sees(Ended)
        await switchboard.leaves_nothing_behind()


async def test_of_two_places_the_first_that_answers_has_the_call(switchboard: Switchboard) -> None:
    async with Softphone("127.0.0.5", "1001") as desk, Softphone("127.0.0.6", "1001") as mobile:
        await registered(desk, switchboard)
        await registered(mobile, switchboard)
        ringing = asyncio.create_task(switchboard.telephony.ring("1001", call=nobodys_call(), shown=SHOWN))
        at_desk, at_mobile = await desk.sees(Invited), await mobile.sees(Invited)
        mobile.answers(at_mobile.call, at_mobile.request.body)
        phone = await ringing
        assert (await desk.sees(Cancelled)).call == at_desk.call
        await phone.hang_up()
        await mobile.sees(Ended)
        await switchboard.leaves_nothing_behind()


async def test_an_outside_number_goes_through_the_trunk_with_its_password() -> None:
    async with Softphone("127.0.0.2", "gateway") as gateway:
        trunk = Trunk("carrier", (ip_network("127.0.0.2/32"),), outbound=gateway.address, user="me", password="pw")
        async with running(trunks=(trunk,), outside=TollRules({"": Tariff()})) as board:
            ringing = asyncio.create_task(board.telephony.ring("02155501234", call=nobodys_call(), shown=SHOWN))
            first = await gateway.sees(Invited)
            assert first.request.uri.user == "02155501234"
            challenge = ("Proxy-Authenticate", 'Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth"')
            gateway.sip.reject(first.call, 407, gateway.now, headers=[challenge])
            gateway.shell.flush()
            second = await gateway.sees(Invited)
            assert 'username="me"' in second.request.get("Proxy-Authorization")
            gateway.answers(second.call, second.request.body)
            await (await ringing).hang_up()
            await board.leaves_nothing_behind()


async def test_one_of_our_phones_calls_in_after_it_has_shown_its_password(switchboard: Switchboard) -> None:
    async with Softphone("127.0.0.7", "8001") as customer:
        customer.calls(HOTLINE, switchboard.address)
        assert (await customer.sees(Failed)).status == 403, "not registered yet"
        await registered(customer, switchboard)
        customer.calls(HOTLINE, switchboard.address)
        assert (await customer.sees(Failed)).status == 407
        wrong = ClientCredentials("8001", "wrong")
        customer.calls(HOTLINE, switchboard.address, credentials=wrong)
        assert (await customer.sees(Failed)).status == 407
        call = customer.calls(HOTLINE, switchboard.address, credentials=ClientCredentials("8001", PASSWORD))
        await customer.sees(Answered)
        customer.hangs_up(call)
        await switchboard.leaves_nothing_behind()
    (incoming,) = switchboard.incoming
    assert (incoming.trunk, incoming.calling, incoming.display_name) == ("phones", "13900139000", "李女士")


async def test_a_phone_that_unregisters_is_not_reachable_and_watchers_are_told(switchboard: Switchboard) -> None:
    told: list[tuple[str, bool]] = []
    switchboard.telephony.phones.subscribe(lambda user, reachable: told.append((user, reachable)))
    async with Softphone("127.0.0.5", "1001") as agent:
        await registered(agent, switchboard)
        await registered(agent, switchboard)
        agent.registers(switchboard.address, PASSWORD, expires=0)
        await agent.sees(Responded)
    assert told == [("1001", True), ("1001", False)]


async def test_who_is_put_on_hold_hears_music_until_the_other_resumes(switchboard: Switchboard) -> None:
    connects(switchboard, "1001")
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:
        await registered(agent, switchboard)
        caller.calls(HOTLINE, switchboard.address)
        invited = await agent.sees(Invited)
        agreed = agent.answers(invited.call, invited.request.body)
        await agent.sees(Acknowledged)
        agent.sip.reinvite(invited.call, agent.offer(sdp.Direction.SENDONLY), agent.now)
        agent.shell.flush()
        assert b"a=recvonly" in (await agent.sees(Responded)).response.body
        music = g711.alaw_encode(np.frombuffer(MUSIC[:320], np.int16))
        await hears(caller, music, lambda n: agent.speaks((agreed.address, agreed.port), [b"\x55" * 160], 8, n))
        agent.sip.reinvite(invited.call, agent.offer(), agent.now)
        agent.shell.flush()
        await agent.sees(Responded)
        said = bytes(range(160))
        await hears(caller, said, lambda n: agent.speaks((agreed.address, agreed.port), [said], 8, 1000 + n))
        agent.hangs_up(invited.call)
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


async def joined(board: Switchboard) -> None:
    """Wait until the two legs are bridged."""
    async with asyncio.timeout(5):
        while not any(leg.peer for leg in board.telephony.office.legs.values()):  # noqa: ASYNC110 — told to nobody
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("alive", [True, False])
async def test_a_phone_that_falls_silent_is_asked_whether_it_is_there(switchboard: Switchboard, alive: bool) -> None:
    ended = connects(switchboard, "1001")
    async with Softphone() as caller, Softphone("127.0.0.5", "1001") as agent:
        await registered(agent, switchboard)
        agent.answers_requests = alive
        call = caller.calls(HOTLINE, switchboard.address)
        invited = await agent.sees(Invited)
        agreed = agent.answers(invited.call, invited.request.body)
        await caller.sees(Answered)
        await joined(switchboard)
        agent.speaks((agreed.address, agreed.port), [b"\x55" * 160])
        assert (await agent.sees(Requested)).request.method == "OPTIONS"
        if alive:
            assert (await agent.sees(Requested)).request.method == "OPTIONS", "it may be unplugged while it is muted"
            caller.hangs_up(call)
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


async def test_what_a_carrier_plays_before_the_answer_is_heard_by_the_caller() -> None:
    """A 183 with SDP, confirmed by PRACK; its tone stops being heard when the call is refused after all."""
    async with Softphone("127.0.0.2", "gateway") as gateway, Softphone("127.0.0.3") as caller:
        trunks = (
            Trunk("carrier", (ip_network("127.0.0.2/32"),), outbound=gateway.address),
            Trunk("line", (ip_network("127.0.0.3/32"),)),
        )
        async with running(trunks=trunks, outside=TollRules({"": Tariff()})) as board:
            failed: list[int] = []

            async def serve(incoming: IncomingCall) -> None:
                await incoming.phone.answer()
                try:
                    await board.telephony.ring("02155501234", call=call_of(incoming), shown=SHOWN, early_media=True)
                except CallFailed as failure:
                    failed.append(failure.status)
                await incoming.phone.ended()

            board.serve = serve
            call = caller.calls(HOTLINE, board.address)
            invited = await gateway.sees(Invited)
            offered = sdp.parse(invited.request.body)
            agreed = sdp.negotiate(offered, gateway.codecs)
            gateway.sip.ring(invited.call, gateway.now, 183, sdp.answer(offered, agreed, gateway.local()))
            gateway.shell.flush()
            tone, there = b"\x3a" * 160, (agreed.address, agreed.port)
            await hears(caller, tone, lambda number: gateway.speaks(there, [tone], sequence=number))
            gateway.rejects(invited.call, 486)
            async with asyncio.timeout(5):
                while not failed:  # noqa: ASYNC110 — told to nobody
                    await asyncio.sleep(0.005)
            (leg,) = board.telephony.office.legs.values()
            assert leg.audio is not None
            assert not leg.audio.hears, "nothing is left of the tone"
            caller.hangs_up(call)
            await board.leaves_nothing_behind()
        assert failed == [486]
