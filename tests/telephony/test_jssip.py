"""JsSIP in headless Chromium: a telephone in a browser, which speaks SIP over WebSocket and wants WebRTC.

The browser's own media are DTLS-SRTP, which we refuse with a reason. Whole calls are signalled with plain RTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from calls.call import Call
from calls.errors import CallFailed, ModelError
from calls.phone import Phone
from telephony.incoming import IncomingCall
from telephony.sip.address import Address, Transport
from telephony.transport.tls import TlsFiles
from tests.partners.browser import INSTALLED
from tests.partners.certificates import certificate, key_pin
from tests.partners.jssip_phone import JsSipPhone, library
from tests.partners.phone import PhoneSettings
from tests.partners.process import until
from tests.telephony.conftest import PASSWORD, Switchboard, account, running

pytestmark = pytest.mark.skipif(not INSTALLED, reason="chromium is not installed")
HOTLINE = "4008001234"
PATIENCE = 30.0


@pytest.fixture(scope="module", autouse=True)
def _library() -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("npm_config_fetch_retries", "0")  # who has no network is not kept waiting
        try:
            library()
        except ModelError as missing:
            pytest.skip(f"JsSIP cannot be had: {missing}")


@asynccontextmanager
async def browser(*, plain: bool, secured: Path | None = None) -> AsyncIterator[tuple[Switchboard, JsSipPhone]]:
    """A board that listens for WebSockets, and a page that has registered there. ``secured``: over TLS, with a
    certificate that is made in this folder."""
    transport, tls, pin = Transport.WS, TlsFiles(), ""
    if secured is not None:
        transport, tls = Transport.WSS, TlsFiles(*certificate(secured, "hotline"))
        pin = key_pin(secured / "server.pem")
    async with running(listen=(Address("127.0.0.1", 0, transport),), tls=tls, hold_music=b"") as board:
        board.book.replace([replace(account("1001"), ha1_sha256="")])
        server = ("127.0.0.1", board.telephony.port)
        settings = PhoneSettings("1001", PASSWORD, server, ip="127.0.0.1")
        async with JsSipPhone(settings, plain=plain, trusts=pin) as phone:
            await phone.registered(PATIENCE)
            yield board, phone
            await board.leaves_nothing_behind()


def uri(board: Switchboard) -> str:
    return f"sip:{HOTLINE}@127.0.0.1:{board.telephony.port}"


def ringing(board: Switchboard) -> asyncio.Task[Phone]:
    call = Call("call", "carrier", HOTLINE, None, "main", datetime.now(UTC))
    return asyncio.create_task(board.telephony.ring("1001", call=call, shown=None, answer_within=PATIENCE))


async def is_rung_and_hung_up(board: Switchboard, phone: JsSipPhone) -> None:
    call = ringing(board)
    await phone.rings(PATIENCE)
    await phone.answer()
    leg = await call
    await phone.tells("connected")
    await leg.hang_up()
    assert (await phone.tells("ended"))["by"] == "remote"


async def test_the_media_of_a_browser_are_refused_with_the_reason() -> None:
    async with browser(plain=False) as (board, phone):
        await phone.call(uri(board))
        failed = await phone.tells("failed", PATIENCE)
        assert (failed["status"], failed["reason"]) == (488, "Incompatible SDP")
        assert "302" in failed["warning"]
        assert "UDP/TLS/RTP/SAVPF" in failed["warning"]
        assert not board.incoming
        call = ringing(board)
        await phone.rings(PATIENCE)
        await phone.answer()
        with pytest.raises(CallFailed) as refused:
            await call
        assert refused.value.status == 488
        assert await phone.ask("OPTIONS", uri(board)) == 200
        assert await phone.ask("MESSAGE", uri(board), "您好") == 404


async def test_a_browser_calls_is_held_resumed_presses_a_key_and_hangs_up() -> None:
    keys: list[str] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.ring()
        await asyncio.sleep(0.2)
        await incoming.phone.answer()
        keys.append((await incoming.phone.next_digit()).key)
        await incoming.phone.ended()

    async with browser(plain=True) as (board, phone):
        board.serve = serve
        await phone.call(uri(board))
        assert (await phone.tells("progress", PATIENCE))["status"] == 180
        await phone.tells("connected")
        await phone.hold()
        assert await phone.tells("held") == {"answered": "recvonly"}
        await phone.unhold()
        assert await phone.tells("resumed") == {"answered": "sendrecv"}
        await phone.press("5")
        await until(lambda: keys == ["5"], what="the key")
        await phone.hang_up()
        assert (await phone.tells("ended"))["by"] == "local"


async def test_a_browser_gives_up_while_it_rings() -> None:
    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.ring()
        await incoming.phone.ended()

    async with browser(plain=True) as (board, phone):
        board.serve = serve
        await phone.call(uri(board))
        await phone.tells("progress", PATIENCE)
        await phone.hang_up()
        assert (await phone.tells("failed"))["reason"] == "Canceled"


async def test_a_browser_is_rung_answers_refuses_and_is_let_alone() -> None:
    async with browser(plain=True) as (board, phone):
        await is_rung_and_hung_up(board, phone)
        call = ringing(board)
        await phone.rings()
        await phone.hang_up(486)
        with pytest.raises(CallFailed) as refused:
            await call
        assert refused.value.status == 486
        call = ringing(board)
        await phone.rings()
        call.cancel()
        await phone.tells("failed")  # its own refusal
        assert await phone.tells("failed") == {"by": "remote", "reason": "Canceled", "status": 0, "warning": ""}


async def test_after_its_socket_broke_a_browser_is_rung_over_the_new_one() -> None:
    async with browser(plain=True) as (board, phone):
        await phone.tells("registered")
        (before,) = board.telephony.phones.places("1001")
        await phone.loses_its_socket()
        await phone.tells("closed")
        await until(lambda: not board.telephony.phones.reachable("1001"), what="a lost socket is no way to a telephone")
        await phone.tells("registered", PATIENCE)
        (after,) = board.telephony.phones.places("1001")
        assert after.destination != before.destination
        call = ringing(board)
        await phone.rings()
        await phone.answer()
        await (await call).hang_up()
        await phone.tells("ended")


async def test_over_wss_a_browser_calls_and_is_rung(tmp_path: Path) -> None:
    async with browser(plain=True, secured=tmp_path) as (board, phone):
        (place,) = board.telephony.phones.places("1001")
        assert place.destination is not None
        assert place.destination.transport is Transport.WSS
        await phone.call(uri(board))
        await phone.tells("connected", PATIENCE)
        await phone.hang_up()
        assert (await phone.tells("ended"))["by"] == "local"
        await is_rung_and_hung_up(board, phone)
