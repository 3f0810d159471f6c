"""Kamailio as a carrier's edge: in every dialog by Record-Route, and sending calls only where OPTIONS is answered."""

from __future__ import annotations

import asyncio
import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from telephony.incoming import IncomingCall
from telephony.sip.address import Address, Transport
from telephony.transport.tls import TlsFiles
from telephony.trunking import Trunk
from telephony.trunking.trunk import Probe
from tests.partners.certificates import certificate
from tests.partners.kamailio import INSTALLED, Kamailio
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.process import free_port, until
from tests.telephony.conftest import Switchboard, running
from tests.telephony.test_carriers_sipp import ANY, dialling

pytestmark = pytest.mark.skipif(not INSTALLED, reason="kamailio is not installed")
HOTLINE = "4008001234"
PATIENCE = 20.0


def carrier(proxy: Kamailio, over: Transport) -> Trunk:
    port = proxy.port + 1 if over is Transport.TLS else proxy.port
    probe = Probe(every=0.2, up_after=1, down_after=1)
    return Trunk("carrier", (ip_network(f"{proxy.ip}/32"),), outbound=Address(proxy.ip, port, over), probe=probe)


def sources(phone: Pjsua2Phone, method: str) -> set[str]:
    """Where requests of this method came to the phone from, by its own log."""
    log = (phone.folder / "pjsip.log").read_text(errors="replace")
    return set(re.findall(rf"RX \d+ bytes Request msg {method}/\S+ .*? from UDP (\S+):\d+:", log))


@pytest.mark.parametrize("over", [Transport.UDP, Transport.TCP, Transport.TLS])
async def test_calls_in_both_directions_keep_to_the_way_through_the_proxy(over: Transport, tmp_path: Path) -> None:
    files = certificate(tmp_path, "hotline")
    at = Address("127.0.0.1", free_port("127.0.0.1"), over)
    phone = Pjsua2Phone(user="1001", ip="127.0.0.11")
    contact = (phone.settings.ip, phone.settings.port)
    proxy = Kamailio((at.host, at.port), phone=contact, over=over.lower(), certificate=files)
    trusting = TlsFiles(*files, verify=False)
    async with proxy, running(listen=(at,), tls=trusting, trunks=(carrier(proxy, over),), outside=ANY) as board, phone:
        await proxy.finds_the_server()
        await calls_in(board, proxy, phone)
        await calls_out(board, phone)
        for method in ("INVITE", "ACK", "BYE", "CANCEL"):
            assert sources(phone, method) == {proxy.ip}, method
        await board.leaves_nothing_behind()


async def calls_in(board: Switchboard, proxy: Kamailio, phone: Pjsua2Phone) -> None:
    """Rung, answered, put on hold and taken back by the caller; hung up by us."""
    resumed = asyncio.Event()

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.ring()
        await incoming.phone.answer()
        await resumed.wait()
        await incoming.phone.hang_up()

    board.serve = serve
    await phone.call(f"sip:{HOTLINE}@{proxy.ip}:{proxy.port}")
    await phone.connected(PATIENCE)
    await phone.hold()
    await until(lambda: answers(phone) == 2, PATIENCE, "the answer to the hold")
    await phone.unhold()
    await until(lambda: answers(phone) == 3, PATIENCE, "the answer to the resumption")
    resumed.set()
    await phone.ended(PATIENCE)
    assert board.incoming[0].trunk == "carrier"


def answers(phone: Pjsua2Phone) -> int:
    """How many 200s to INVITEs came to the phone."""
    log = (phone.folder / "pjsip.log").read_text(errors="replace")
    return len(set(re.findall(r"RX \d+ bytes Response msg 200/INVITE/(cseq=\d+)", log)))


async def calls_out(board: Switchboard, phone: Pjsua2Phone) -> None:
    """Taken and hung up by us; another is given up while it rings."""
    call = dialling(board)
    await phone.rings(PATIENCE)
    await phone.answer()
    leg = await call
    await phone.connected(PATIENCE)
    await leg.hang_up()
    await phone.ended(PATIENCE)
    call = dialling(board)
    await phone.rings(PATIENCE)
    call.cancel()
    await phone.ended(PATIENCE)


async def test_a_proxy_that_is_gone_gets_no_calls() -> None:
    at = Address("127.0.0.1", free_port("127.0.0.1"))
    proxy = Kamailio((at.host, at.port))
    async with proxy, running(listen=(at,), trunks=(carrier(proxy, Transport.UDP),)) as board:
        await proxy.finds_the_server()
        assert not board.told("trunk.down")
        await proxy.unplug()
        await board.tells("trunk.down")
