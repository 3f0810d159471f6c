"""What happens in a call that has come in: keys, hold, a caller that moves, prompts and what is tapped of them."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator

import pytest

from calls.phone import Sound
from media.engine import Codec
from media.pieces import Piece
from telephony import sdp
from telephony.audio import TAP_MS
from telephony.caller import CallerLeg
from telephony.incoming import IncomingCall
from telephony.leg import Leg
from telephony.sip.events import Answered, Ended, Responded, Ringing
from tests.partners.process import until
from tests.telephony.conftest import Switchboard
from tests.telephony.softphone import PATIENCE, Softphone, hears, media_of

HOTLINE = "4008001234"
TONE = Sound(b"\x00\x20\x00\xe0" * 4000)  # one second


async def speaks_until_hung_up(caller: Softphone) -> None:
    """A packet every 20 ms, from the answer on."""
    answered = await caller.sees(Answered)
    async with asyncio.timeout(PATIENCE):
        for number in itertools.count():
            caller.speaks(media_of(answered.response), [b"\x2a" * 160], 8, number)
            await asyncio.sleep(0.02)
            if caller.saw(Ended):
                return


async def test_info_presses_keys(switchboard: Switchboard) -> None:
    keys: list[str] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        keys.extend([(await incoming.phone.next_digit()).key for _ in range(2)])

    switchboard.serve = serve
    async with Softphone() as caller:
        call = caller.calls(HOTLINE, switchboard.address)
        await caller.sees(Answered)
        for body, kind in ((b"Signal=5\r\nDuration=160\r\n", "application/dtmf-relay"), (b"#", "application/dtmf")):
            caller.sip.request(call, "INFO", caller.now, body=body, content_type=kind)
            caller.shell.flush()
            assert (await caller.sees(Responded)).response.status == 200
        await caller.sees(Ended)
    assert keys == ["5", "#"]


async def test_hold_and_resume_are_answered_and_obeyed(switchboard: Switchboard) -> None:
    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        await incoming.phone.play(TONE, loop=True)
        await incoming.phone.ended()

    switchboard.serve = serve
    async with Softphone() as caller:
        call = caller.calls(HOTLINE, switchboard.address)
        await caller.sees(Answered)
        await caller.hears()
        for asked, answer in ((sdp.Direction.SENDONLY, b"a=recvonly"), (sdp.Direction.SENDRECV, b"a=sendrecv")):
            caller.sip.reinvite(call, caller.offer(asked), caller.now)
            caller.shell.flush()
            response = (await caller.sees(Responded)).response
            assert answer in response.body
        caller.forgets_what_it_heard()
        await caller.hears()
        caller.sip.reinvite(call, b"v=0\r\nbroken", caller.now)
        caller.shell.flush()
        assert (await caller.sees(Responded)).response.status == 400
        caller.hangs_up(call)
        await switchboard.leaves_nothing_behind()


async def test_music_that_a_caller_who_holds_us_sends_from_elsewhere_is_heard(switchboard: Switchboard) -> None:
    phones: list[Leg] = []

    async def serve(incoming: IncomingCall) -> None:
        assert isinstance(incoming.phone, Leg)
        await incoming.phone.answer()
        phones.append(incoming.phone)
        await incoming.phone.ended()

    def heard() -> int:
        return phones[0].talking.engine.stats(phones[0].talking.node).packets_in

    switchboard.serve = serve
    async with Softphone() as caller, Softphone("127.0.0.3") as elsewhere:
        call = caller.calls(HOTLINE, switchboard.address)
        there = media_of((await caller.sees(Answered)).response)
        caller.speaks(there, [b"\x2a" * 160] * 3)
        await until(lambda: bool(phones) and heard() == 3, what="the caller")
        caller.sip.reinvite(call, elsewhere.offer(sdp.Direction.SENDONLY), caller.now)
        caller.shell.flush()
        assert b"a=recvonly" in (await caller.sees(Responded)).response.body
        elsewhere.speaks(there, [b"\x2b" * 160] * 3, sequence=3)
        await until(lambda: heard() == 6, what="the music")
        caller.hangs_up(call)
        await switchboard.leaves_nothing_behind()


async def test_a_caller_that_moves_is_followed(switchboard: Switchboard) -> None:
    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        await incoming.phone.play(TONE, loop=True)
        await incoming.phone.ended()

    switchboard.serve = serve
    async with Softphone() as caller, Softphone("127.0.0.3") as elsewhere:
        call = caller.calls(HOTLINE, switchboard.address)
        await caller.sees(Answered)
        await caller.hears()
        caller.sip.reinvite(call, elsewhere.offer(), caller.now)
        caller.shell.flush()
        assert (await caller.sees(Responded)).response.status == 200
        assert (await elsewhere.hears())[0] == Codec.PCMA
        caller.hangs_up(call)
        await switchboard.leaves_nothing_behind()


async def test_a_prompt_that_streams_is_cut_by_the_next_one(switchboard: Switchboard) -> None:
    heard: list[float] = []
    closed: list[bool] = []

    async def pieces() -> AsyncIterator[Sound]:
        try:
            yield Sound(bytes(1600))
            yield Sound(bytes(1600))
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def breaking() -> AsyncIterator[Sound]:
        yield Sound(bytes(1600))
        raise ValueError("the voice is gone")

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        first = await incoming.phone.play(pieces())
        await asyncio.sleep(0)
        second = await incoming.phone.play(Sound(bytes(1600)))
        heard.extend([await first.finished(), await second.finished(), await second.stop()])
        with pytest.raises(ValueError, match="the voice is gone"):
            await (await incoming.phone.play(breaking())).finished()
        heard.append(await (await incoming.phone.play(Sound(b""), loop=True)).stop())

    switchboard.serve = serve
    async with Softphone() as caller:
        caller.calls(HOTLINE, switchboard.address)
        await caller.sees(Ended)
        await switchboard.leaves_nothing_behind()
    assert heard[0] < 0.2
    assert heard[1:] == [0.1, 0.1, 0.0]
    assert closed == [True]


async def test_what_a_caller_says_is_tapped(switchboard: Switchboard) -> None:
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    reader.setblocking(False)

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        with incoming.phone.tapped(writer.fileno()):
            while not any(Piece.parse(await asyncio.get_running_loop().sock_recv(reader, 4096)).pcm):
                pass

    switchboard.serve = serve
    async with Softphone() as caller:
        caller.calls(HOTLINE, switchboard.address)
        await speaks_until_hung_up(caller)
        await switchboard.leaves_nothing_behind()
    reader.close()
    writer.close()


async def test_what_a_recogniser_did_not_take_is_counted_and_told(switchboard: Switchboard) -> None:
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    reader.close()
    missed: list[int] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        assert isinstance(incoming.phone, Leg)
        audio = incoming.phone.talking
        for _ in range(2):  # what an earlier listener missed is not forgotten with it
            with incoming.phone.tapped(writer.fileno()):
                before = audio.tap_drops
                while audio.tap_drops == before:  # noqa: ASYNC110 — the core counts, and does not tell
                    await asyncio.sleep(0.005)
            missed.append(audio.tap_drops)

    switchboard.serve = serve
    async with Softphone() as caller:
        caller.calls(HOTLINE, switchboard.address)
        await speaks_until_hung_up(caller)
        quality = await switchboard.tells("leg.quality")
        await switchboard.leaves_nothing_behind()
    writer.close()
    assert 0 < missed[0] < missed[1]
    assert quality["recogniser_missed_ms"] == missed[1] * TAP_MS
    assert switchboard.telephony.counters["tap_drops"] == missed[1]


async def test_the_answer_points_to_a_live_port(switchboard: Switchboard) -> None:
    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        with incoming.phone.echoing():
            await incoming.phone.ended()

    switchboard.serve = serve
    async with Softphone() as caller:
        call = caller.calls(HOTLINE, switchboard.address)
        answered = await caller.sees(Answered)
        said = bytes(range(160))
        await hears(caller, said, lambda n: caller.speaks(media_of(answered.response), [said], 8, n))
        caller.hangs_up(call)
        await switchboard.leaves_nothing_behind()


async def test_a_prompt_is_heard_before_the_answer(switchboard: Switchboard) -> None:
    """183 with SDP by us: what is agreed then stands, and the 200 need not say it again."""
    answer = asyncio.Event()

    async def serve(incoming: IncomingCall) -> None:
        assert isinstance(incoming.phone, CallerLeg)
        assert await incoming.phone.progress()
        await incoming.phone.play(TONE, loop=True)
        await answer.wait()
        await incoming.phone.answer()
        await incoming.phone.ended()

    switchboard.serve = serve
    async with Softphone() as caller:
        call = caller.calls(HOTLINE, switchboard.address)
        ringing = await caller.sees(Ringing)
        assert (ringing.status, ringing.response.get("Require")) == (183, "100rel")
        assert (await caller.hears())[0] == Codec.PCMA
        answer.set()
        assert (await caller.sees(Answered)).response.body == b""
        caller.forgets_what_it_heard()
        assert (await caller.hears())[0] == Codec.PCMA
        caller.hangs_up(call)
    await switchboard.leaves_nothing_behind()
