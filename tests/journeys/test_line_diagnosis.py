"""For whoever diagnoses a line: echo, music, a SIP address, and two phones between which not one bit may change."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from tests.journeys.conftest import calling
from tests.journeys.floor import IP, Floor
from tests.partners.audio import Pcm, contains, correlation, levelled
from tests.partners.hotline import Hotline
from tests.partners.rtp import PCMA, PCMU, Ear
from tests.partners.sipp import SippAgent
from tests.partners.speech import speech
from tests.partners.story import told_of

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]

QUESTION, ANSWER = levelled(speech().pcm), levelled(speech("misc/BAC009S0724W0121").pcm)
PACKETS = 100
"""Two seconds of audio."""


def heard_at(ear: Ear, sound: Pcm) -> float:
    """When the first sample of ``sound`` arrived (``time.monotonic()``)."""
    first = next(packet.at for packet in ear.packets if packet.payload_type == PCMA)
    return first + correlation(sound, ear.heard()).delay_seconds


def payloads(ear: Ear) -> bytes:
    """The A-law bytes of the latest packets."""
    return b"".join([packet.payload for packet in ear.packets if packet.payload_type == PCMA][-PACKETS:])


async def test_between_two_a_law_phones_every_bit_and_every_key_passes(hotline: Hotline, floor: Floor) -> None:
    desk = floor.desks["relay"]
    async with SippAgent(ip=IP, port=desk.ports[0]) as agent, calling(hotline, desk.number) as caller:
        await agent.connected()
        await told_of(hotline, caller, "call.bridged")
        caller.says(QUESTION)
        agent.says(ANSWER)
        await agent.hears(QUESTION, 15, at_least=0.97)
        await caller.hears(ANSWER, 15, at_least=0.97)
        apart = heard_at(agent.line.ear, QUESTION) - heard_at(caller.line.ear, ANSWER)
        for listener, speaker in ((agent, caller), (caller, agent)):
            heard = payloads(listener.line.ear)
            assert len(heard) == PACKETS * 160
            assert heard in b"".join(speaker.line.mouth.bursts)
        for key in "15#":
            caller.press(key)
        for key in "27*":
            agent.press(key)
        await caller.said()
        await agent.said()
        await asyncio.sleep(0.3)
        assert (agent.digits(), caller.digits()) == ("15#", "27*")
        await agent.hang_up()
        await agent.ended()
        await caller.ended()
        story = await told_of(hotline, caller)
    for line in story.all("leg.quality"):
        assert line.details["codec"] == "PCMA"
        assert float(str(line.details["from_mos"])) > 4.2
        assert line.details["from_loss"] == 0
    assert {line.details["side"] for line in story.all("leg.quality")} == {"caller", "agent"}
    caller_said, caller_heard = story.channels()
    assert contains(QUESTION, caller_said, 0.97)
    assert contains(ANSWER, caller_heard, 0.97)
    in_recording = [correlation(QUESTION, caller_said), correlation(ANSWER, caller_heard)]
    # Both channels stand on one time scale: what was said together is found together, to within three packets.
    assert in_recording[0].delay_seconds - in_recording[1].delay_seconds == pytest.approx(apart, abs=0.06)
    seconds = story.one("call.ended").at - story.one("call.answered").at
    assert len(caller_said) == len(caller_heard) == pytest.approx(seconds * 8000, abs=0.2 * 8000)


async def test_each_side_speaks_its_own_codec(hotline: Hotline, floor: Floor) -> None:
    desk = floor.desks["relay"]
    agent_of_mu_law = SippAgent(ip=IP, port=desk.ports[0], payload_type=PCMU)
    async with agent_of_mu_law as agent, calling(hotline, desk.number, payload_type=PCMA, formats="8 101") as caller:
        await agent.connected()
        await told_of(hotline, caller, "call.bridged")
        caller.says(QUESTION)
        agent.says(ANSWER)
        await agent.hears(QUESTION, 15, at_least=0.97)
        await caller.hears(ANSWER, 15, at_least=0.97)
        for listener, codec, sound in ((agent, PCMU, QUESTION), (caller, PCMA, ANSWER)):
            assert {packet.payload_type for packet in listener.line.ear.packets} == {codec}
            assert correlation(sound, listener.heard()).gain_db == pytest.approx(0, abs=0.5)
        await caller.hang_up()
        await caller.ended()
        await agent.ended()
        caller_said, caller_heard = (await told_of(hotline, caller)).channels()
    assert contains(QUESTION, caller_said, 0.97)
    assert contains(ANSWER, caller_heard, 0.97)


async def test_echo_and_music(hotline: Hotline) -> None:
    async with calling(hotline, "9196") as echo, calling(hotline, "9197") as music:
        music.line.mouth.silent = True
        await echo.answered()
        await music.answered()
        echo.says(QUESTION)
        await echo.hears(QUESTION, 15, at_least=0.97)
        await music.hang_up()
        await echo.hang_up()
        await echo.ended()
        await music.ended()
        said, heard = (await told_of(hotline, echo)).channels()
        late = correlation(QUESTION, heard).delay_seconds - correlation(QUESTION, said).delay_seconds
        assert late == pytest.approx(0, abs=0.04)
        of_music = await told_of(hotline, music)
        assert of_music.one("call.ended").details["by"] == "caller"
        why = of_music.one("leg.no_audio", side="caller", direction="from", cause="nothing_came").details
        assert str(why["evidence"]["announced"]) in str(why["text"])
        assert "from_mos" not in of_music.one("leg.quality").details
    tune = music.heard()[8000:].astype(np.float64)
    assert len(tune) > 2 * 8000
    assert 20 * np.log10(np.sqrt(np.mean(tune**2)) / 32768) == pytest.approx(-23, abs=4)  # as loud as it is made
    spectrum = np.abs(np.fft.rfft(tune * np.hanning(len(tune))))
    assert np.sum(np.sort(spectrum)[-len(spectrum) // 50:] ** 2) > 0.9 * np.sum(spectrum**2), "notes, not noise"


async def test_a_flow_dials_a_sip_address(hotline: Hotline, floor: Floor) -> None:
    async with SippAgent(ip=IP, port=floor.direct.ports[0]) as phone, calling(hotline, floor.direct.number) as caller:
        invite = await phone.rings()
        assert invite.first_line.startswith(f"INVITE sip:direct@{IP}:{floor.direct.ports[0]} ")
        assert invite.user("From") == invite.user("P-Asserted-Identity") == "+8613800138000"
        await phone.connected()
        await told_of(hotline, caller, "call.bridged")
        caller.says(QUESTION)
        await phone.hears(QUESTION, 15, at_least=0.97)
        await phone.hang_up()
        await phone.ended()
        await caller.ended()
        assert (await told_of(hotline, caller)).one("leg.ended").details["by"] == "agent"
    async with calling(hotline, floor.direct.number) as caller:  # nobody is there any more
        await caller.ended(40)
        assert (await told_of(hotline, caller)).one("call.not_answered")
