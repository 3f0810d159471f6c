"""Phones that are rung, over loopback."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network

import pytest

from calls.call import Hangup, Side
from calls.errors import CallFailed
from telephony import sdp
from telephony.incoming import IncomingCall
from telephony.sip.auth import ClientCredentials
from telephony.sip.events import Answered, Cancelled, Ended, Failed, Invited, Responded
from telephony.trunking import Trunk
from telephony.trunking.tolls import Tariff, TollRules
from tests.telephony.conftest import PASSWORD, Switchboard, account, running
from tests.telephony.parties import HOTLINE, SHOWN, call_of, nobodys_call, registered
from tests.telephony.softphone import Softphone, hears


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
