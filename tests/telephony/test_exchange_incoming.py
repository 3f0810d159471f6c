"""Calls that come in, over loopback."""

from __future__ import annotations

import asyncio
import random
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvloop

from calls.call import Call, Hangup, Side
from calls.errors import CallFailed, LegGone
from calls.phone import Sound
from media.engine import Codec
from telephony import sdp
from telephony.incoming import IncomingCall
from telephony.sip.address import Address
from telephony.sip.events import Answered, Ended, Failed, Requested, Responded, Ringing
from telephony.sip.message import Request, Response, parse
from tests.telephony.conftest import Switchboard, running
from tests.telephony.softphone import Softphone, media_of

HOTLINE = "4008001234"
CALL = Call("a-call-without-a-leg", "carrier", HOTLINE, None, "main", datetime.now(UTC))
TONE = Sound(b"\x00\x20\x00\xe0" * 4000)  # one second


async def test_a_call_from_a_trunk_is_answered_played_to_and_hung_up(switchboard: Switchboard, tmp_path: Path) -> None:
    heard: list[float] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.ring()
        await incoming.phone.answer(record_to=tmp_path / "call.wav")
        playback = await incoming.phone.play(Sound(TONE.pcm[:3200]))
        heard.append(await playback.finished())

    switchboard.serve = serve
    async with Softphone() as caller:
        caller.calls(HOTLINE, switchboard.address, headers=(("P-Asserted-Identity", "<sip:+8613800138000@carrier>"),))
        assert (await caller.sees(Ringing)).status == 180
        answered = await caller.sees(Answered)
        assert answered.response.body.startswith(b"v=0\r\n")
        assert (await caller.hears())[0] == Codec.PCMA
        await caller.sees(Ended)
    assert heard == [0.2]
    (incoming,) = switchboard.incoming
    assert (incoming.trunk, incoming.called, incoming.calling) == ("carrier", HOTLINE, "+8613800138000")
    await switchboard.leaves_nothing_behind()
    assert (tmp_path / "call.wav").read_bytes()[:4] == b"RIFF"


async def test_a_stranger_is_refused_without_any_state(switchboard: Switchboard) -> None:
    async with Softphone("127.0.0.9") as stranger:
        stranger.calls(HOTLINE, switchboard.address)
        assert (await stranger.sees(Failed)).status == 403
        stranger.asks("OPTIONS", switchboard.address)
        assert (await stranger.sees(Responded)).response.status == 403
        assert switchboard.telephony.counters["refused_stranger"] == 2
        assert not any(switchboard.telephony.live().values())
    assert not switchboard.incoming


async def test_an_unknown_number_is_not_found_and_comes_before_the_codecs(switchboard: Switchboard) -> None:
    async with Softphone() as caller:
        caller.calls("4008009999", switchboard.address, body=b"v=0\r\nm=audio 4000 RTP/AVP 18\r\n")
        assert (await caller.sees(Failed)).status == 404
        await switchboard.leaves_nothing_behind()
    assert switchboard.telephony.counters["unknown_number"] == 1


@pytest.mark.parametrize(
    ("body", "status", "counter"),
    [
        (b"v=0\r\nc=IN IP4 127.0.0.2\r\nm=audio 4000 RTP/AVP 18\r\n", 488, "no_codec"),
        (b"v=0\r\nnonsense\r\n", 400, "malformed_sdp"),
    ],
)
async def test_sdp_that_cannot_be_used(switchboard: Switchboard, body: bytes, status: int, counter: str) -> None:
    async with Softphone() as caller:
        caller.calls(HOTLINE, switchboard.address, body=body)
        failed = await caller.sees(Failed)
        assert failed.status == status
        assert failed.response is not None
        assert ("No common codec" in failed.response.get("Warning")) == (status == 488)
        await switchboard.leaves_nothing_behind()
    assert switchboard.telephony.counters[counter] == 1


async def test_options_are_answered(switchboard: Switchboard) -> None:
    async with Softphone() as trunk:
        trunk.asks("OPTIONS", switchboard.address)
        assert (await trunk.sees(Responded)).response.status == 200


async def test_the_callers_cancel_cancels_the_task(switchboard: Switchboard) -> None:
    seen: list[object] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.ring()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append(await incoming.phone.ended())
            with pytest.raises(LegGone):
                await incoming.phone.answer()
            await incoming.phone.hang_up()
            raise

    switchboard.serve = serve
    async with Softphone() as caller:
        call = caller.calls(HOTLINE, switchboard.address)
        await caller.sees(Ringing)
        caller.hangs_up(call)
        assert (await caller.sees(Failed)).status == 487
        await switchboard.leaves_nothing_behind()
    assert seen == [Hangup(Side.CALLER, 487, "cancelled")]


async def test_the_callers_bye_cancels_the_task_and_whoever_waits_is_told(switchboard: Switchboard) -> None:
    ended: list[Hangup] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        await incoming.phone.play(TONE, loop=True)
        try:
            await incoming.phone.next_digit()
        finally:
            ended.append(await incoming.phone.ended())

    switchboard.serve = serve
    async with Softphone() as caller:
        call = caller.calls(HOTLINE, switchboard.address)
        await caller.sees(Answered)
        caller.hangs_up(call)
        await switchboard.leaves_nothing_behind()
    assert [hangup.by for hangup in ended] == [Side.CALLER]


async def test_a_call_that_breaks_is_logged_without_its_words(
    switchboard: Switchboard, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve(incoming: IncomingCall) -> None:
        raise ValueError(f"cannot serve {incoming.calling}")

    switchboard.serve = serve
    async with Softphone() as caller:
        caller.calls(HOTLINE, switchboard.address)
        assert (await caller.sees(Failed)).status == 500
        await switchboard.leaves_nothing_behind()
    (incoming,) = switchboard.incoming
    (line,) = [record.getMessage() for record in caplog.records if record.name == "telephony.serving"]
    assert incoming.phone.id in line
    assert "ValueError at test_exchange_incoming.py" in line
    assert "13800138000" not in line


class BarePhone:
    """A socket and hand-written messages, for what no endpoint of ours would send."""

    def __init__(self, at: Address) -> None:
        self.at = at
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.2", 0))
        self.socket.setblocking(False)

    def sends(self, method: str, to_tag: str = "", body: bytes = b"") -> None:
        port = self.socket.getsockname()[1]
        lines = [
            f"{method} sip:{HOTLINE}@127.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.2:{port};branch=z9hG4bK-{method}",
            "From: <sip:13800138000@127.0.0.2>;tag=bare",
            f"To: <sip:{HOTLINE}@127.0.0.1>{to_tag}",
            "Call-ID: late-offer",
            f"CSeq: 1 {method}",
            "Max-Forwards: 70",
            f"Contact: <sip:bare@127.0.0.2:{port}>",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        self.socket.sendto("\r\n".join([*lines, "", ""]).encode() + body, (self.at.host, self.at.port))

    async def receives(self, what: str) -> Request | Response:
        """The next message whose first line has the word ``what``."""
        async with asyncio.timeout(5):
            while True:
                message = parse(await asyncio.get_running_loop().sock_recv(self.socket, 4096))
                if what in message.start_line.split():
                    return message


@pytest.mark.parametrize("acknowledged", [True, False])
async def test_a_late_offer_is_answered_in_the_ack(switchboard: Switchboard, acknowledged: bool) -> None:
    answered = asyncio.Event()

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        answered.set()
        await incoming.phone.play(TONE, loop=True)
        await incoming.phone.ended()

    switchboard.serve = serve
    phone = BarePhone(switchboard.address)
    async with Softphone() as ear:
        phone.sends("INVITE")
        ok = await phone.receives("200")
        offered = sdp.parse(ok.body)
        agreed = sdp.negotiate(offered, [Codec.PCMU])
        assert agreed.digit_payload_type == 101
        answer = sdp.answer(offered, agreed, ear.local()) if acknowledged else b""
        phone.sends("ACK", f";tag={ok.to.param('tag')}", answer)
        if acknowledged:
            assert (await ear.hears())[0] == Codec.PCMU
            await switchboard.telephony.drain(0)
        await phone.receives("BYE")
    phone.socket.close()
    assert answered.is_set() == acknowledged


async def test_while_draining_new_calls_are_sent_away_and_running_ones_finish(switchboard: Switchboard) -> None:
    async with Softphone() as caller, Softphone() as second:
        call = caller.calls(HOTLINE, switchboard.address)
        await caller.sees(Answered)
        draining = asyncio.create_task(switchboard.telephony.drain(60))
        await asyncio.sleep(0)
        second.calls(HOTLINE, switchboard.address)
        failed = await second.sees(Failed)
        assert failed.status == 503
        assert failed.response is not None
        assert failed.response.get("Retry-After") == "30"
        second.asks("OPTIONS", switchboard.address)
        assert (await second.sees(Responded)).response.status == 503
        assert not draining.done()
        caller.hangs_up(call)
        await draining
        await switchboard.leaves_nothing_behind()


async def test_a_drain_that_takes_too_long_cuts_the_calls(switchboard: Switchboard) -> None:
    async with Softphone() as caller:
        caller.calls(HOTLINE, switchboard.address)
        await caller.sees(Answered)
        await switchboard.telephony.drain(0)
        await caller.sees(Ended)
        await switchboard.leaves_nothing_behind()


async def test_what_a_call_does_after_the_hang_up_is_waited_for(switchboard: Switchboard) -> None:
    sealing, sealed = asyncio.Event(), asyncio.Event()

    async def seal() -> None:
        sealing.set()
        for _ in range(20):
            await asyncio.sleep(0)
        sealed.set()

    async def serve(incoming: IncomingCall) -> None:
        try:
            await incoming.phone.answer()
            await incoming.phone.next_digit()
        finally:
            await asyncio.shield(seal())

    switchboard.serve = serve
    async with Softphone() as caller:
        call = caller.calls(HOTLINE, switchboard.address)
        await caller.sees(Answered)
        caller.hangs_up(call)
        await sealing.wait()
        await switchboard.telephony.drain(0)
        assert sealed.is_set()


async def test_nothing_suffers_from_datagrams_that_are_no_sip(switchboard: Switchboard) -> None:
    noise = random.Random(1)
    async with Softphone() as caller:
        call = caller.calls(HOTLINE, switchboard.address)
        await caller.sees(Answered)
        at = (switchboard.address.host, switchboard.address.port)
        for junk in [b"", b"\r\n\r\n", b"INVITE sip:x SIP/2.0\r\n\r\n", *(noise.randbytes(200) for _ in range(50))]:
            caller.rtp.sendto(junk, at)
        caller.asks("OPTIONS", switchboard.address)
        assert (await caller.sees(Responded)).response.status == 200
        assert switchboard.telephony.counters["malformed"] >= 50
        assert not caller.saw(Ended)
        caller.hangs_up(call)
        await switchboard.leaves_nothing_behind()
    assert switchboard.telephony.counters["dispatch_failed"] == 0


async def test_a_fault_of_ours_is_answered_with_500_and_logged_without_words(
    switchboard: Switchboard, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError("13800138000")

    monkeypatch.setattr("telephony.admission.calling", fails)
    async with Softphone() as caller:
        caller.calls(HOTLINE, switchboard.address)
        assert (await caller.sees(Failed)).status == 500
        await switchboard.leaves_nothing_behind()
    assert "handling Invited failed: ValueError at test_exchange_incoming.py" in caplog.text
    assert "13800138000" not in caplog.text


def test_the_exchange_runs_on_uvloop() -> None:
    async def one_call() -> None:
        async with running() as board, Softphone() as caller:
            call = caller.calls(HOTLINE, board.address)
            await caller.sees(Answered)
            caller.hangs_up(call)
            await board.leaves_nothing_behind()
            gone = Softphone("127.0.0.5")
            async with gone:
                pass
            with pytest.raises(CallFailed, match="503"):
                await board.telephony.ring(gone.uri, call=CALL, shown=None, answer_within=3600)

    uvloop.run(one_call())


@pytest.mark.parametrize("spoke", [True, False])
async def test_a_caller_who_vanishes_without_a_word_is_noticed(spoke: bool) -> None:
    ended: list[Hangup] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(await incoming.phone.ended())

    async with running(caller_silence=0.4, t1=0.01) as board:
        board.serve = serve
        async with Softphone() as caller:
            caller.calls(HOTLINE, board.address)
            there = media_of((await caller.sees(Answered)).response)
            if spoke:
                caller.speaks(there, [b"\x55" * 160])
            assert (await caller.sees(Requested)).request.method == "OPTIONS"
            assert (await caller.sees(Requested)).request.method == "OPTIONS", "who answers stays, and is asked again"
            caller.answers_requests = False  # and now its cable is cut
        await board.leaves_nothing_behind()
    assert [(hangup.by, hangup.status) for hangup in ended] == [(Side.NETWORK, 408)]
