"""SIPp over TCP and over IPv6: a program that we did not write, on other ways than UDP over IPv4."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from calls.call import Call
from telephony.incoming import IncomingCall
from telephony.sip.address import Address
from telephony.trunking import Trunk
from tests.partners.sipp import SippAgent, SippCaller
from tests.telephony.conftest import Switchboard, running
from tests.telephony.test_dialogs_sipp import ANNOUNCED, CHANGED, HOTLINE, SLOW, all_played, serve
from tests.telephony.test_exchange_sipp import REPLY, SENTENCE

LISTEN = tuple(map(Address.parse, ("udp:127.0.0.1:0", "tcp:127.0.0.1:0", "udp:[::1]:0", "tcp:[::1]:0")))
CARRIERS = (Trunk("carrier", (ip_network("127.0.0.2/32"), ip_network("::1/128"))),)
NUMBERS = frozenset({HOTLINE, ANNOUNCED, SLOW, CHANGED})
PLAYED = (
    ("uac_cancel_early", SLOW), ("uac_cancel", SLOW), ("uac_reinvite_hold", HOTLINE), ("uac_late_offer", HOTLINE),
    ("uac_update", HOTLINE), ("uac_prack", ANNOUNCED), ("uac_glare", CHANGED),
)
WAYS = pytest.mark.parametrize(("over", "far", "near"), [
    ("tcp", "127.0.0.2", "127.0.0.1"), ("udp", "::1", "::1"), ("tcp", "::1", "::1"),
])
AUDIO = pytest.mark.parametrize(("over", "caller", "ear", "agent"), [
    ("tcp", "127.0.0.2", "127.0.0.2", "127.0.0.5"),
    ("udp", "::1", "::1", "::1"),
    ("tcp", "::1", "::1", "127.0.0.5"),  # the bridge leads from one family to the other
    ("udp", "127.0.0.2", "127.0.0.2", "::1"),
    ("udp", "::1", "127.0.0.2", "127.0.0.5"),  # signals over IPv6 and has its audio on IPv4
])


@pytest.fixture
async def everywhere() -> AsyncIterator[Switchboard]:
    async with running(listen=LISTEN, trunks=CARRIERS, numbers=NUMBERS) as board:
        yield board


@WAYS
async def test_a_sipp_calls_and_is_heard(everywhere: Switchboard, over: str, far: str, near: str) -> None:
    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        await incoming.phone.ended()

    everywhere.serve = serve
    server = (near, everywhere.telephony.port)
    async with SippCaller(server, HOTLINE, ip=far, over=over, scenario="uac_answered", calls=5, pause_ms=20) as sipp:
        assert await sipp.ended(20) == 0
    assert len(everywhere.incoming) == 5
    await everywhere.leaves_nothing_behind()


@pytest.mark.parametrize("over", ["udp", "tcp"])
async def test_callers_play_their_scenarios_over_ipv6(everywhere: Switchboard, over: str) -> None:
    everywhere.serve = serve
    await all_played(("::1", everywhere.telephony.port), PLAYED, ip="::1", over=over)
    await everywhere.leaves_nothing_behind()


@AUDIO
async def test_two_sipps_hear_each_other(
    everywhere: Switchboard, over: str, caller: str, ear: str, agent: str
) -> None:
    near = "::1" if ":" in caller else "127.0.0.1"
    async with SippAgent(ip=agent, over=over) as rung:

        async def serve(incoming: IncomingCall) -> None:
            call = Call(incoming.phone.id, incoming.trunk, incoming.called, None, "main", datetime.now(UTC))
            await incoming.phone.answer()
            phone = await everywhere.telephony.ring(rung.contact, call=call, shown=None)
            async with everywhere.telephony.joined(incoming.phone, phone):
                await phone.ended()

        everywhere.serve = serve
        async with SippCaller((near, everywhere.telephony.port), HOTLINE, ip=caller, ear=ear) as sipp:
            await sipp.answered()
            await rung.connected()
            sipp.says(SENTENCE)
            rung.says(REPLY)
            await rung.hears(SENTENCE)
            await sipp.hears(REPLY)
            assert {host for host, _ in sipp.line.ear.sources} == {"::1" if ":" in ear else "127.0.0.1"}
            assert {host for host, _ in rung.line.ear.sources} == {"::1" if ":" in agent else "127.0.0.1"}
            await sipp.hang_up()
            assert (await sipp.ended(), await rung.ended()) == (0, 0)
    await everywhere.leaves_nothing_behind()
