"""Keys as tones, of a phone that knows no telephone-events: each press is one key, whatever else the phone sends."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from media import g711
from telephony.incoming import IncomingCall
from telephony.sip.events import Answered, Responded
from tests.media.test_tone_digits import LONG_PAUSE, key_tone
from tests.telephony.conftest import Switchboard
from tests.telephony.softphone import Softphone, media_of

HOTLINE = "4008001234"


def plain_offer(phone: Softphone) -> bytes:
    """G.711 and nothing else."""
    lines = phone.offer().decode().replace(" 101", "").split("\r\n")
    return "\r\n".join(line for line in lines if ":101" not in line and "telephone-event" not in line).encode()


def presses(phone: Softphone, to: tuple[str, int], key: str, sequence: int) -> None:
    sound = np.concatenate([key_tone(key, ms=100), LONG_PAUSE])
    phone.speaks(to, [g711.alaw_encode(part) for part in sound.reshape(-1, 160)], sequence=sequence)


@pytest.mark.parametrize("order", ["tone, info", "info, tone"])
async def test_a_phone_that_presses_twice_over_is_heard_once(switchboard: Switchboard, order: str) -> None:
    keys: list[str] = []

    async def serve(incoming: IncomingCall) -> None:
        await incoming.phone.answer()
        while True:  # until the caller hangs up
            keys.append((await incoming.phone.next_digit()).key)

    switchboard.serve = serve
    async with Softphone() as caller:
        call = caller.calls(HOTLINE, switchboard.address, plain_offer(caller))
        to = media_of((await caller.sees(Answered)).response)
        for number, key in enumerate("57"):
            if order == "tone, info":
                presses(caller, to, key, 10 * number)
                await asyncio.sleep(0.3)  # the tone is in the ear before its INFO comes
            caller.sip.request(call, "INFO", caller.now, body=key.encode(), content_type="application/dtmf")
            caller.shell.flush()
            assert (await caller.sees(Responded)).response.status == 200
            if order == "info, tone":
                presses(caller, to, key, 10 * number)
        await asyncio.sleep(0.3)
        caller.hangs_up(call)
        await switchboard.leaves_nothing_behind()
    assert keys == ["5", "7"]
