"""Codecs and SRTP with telephones that we did not write: both sides hear what was said."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import numpy as np
import pytest

from calls.call import Call
from calls.errors import CallFailed
from calls.phone import Phone, Sound
from media.engine import Codec
from media.pieces import PieceReader
from telephony.leg import Leg
from tests.partners.audio import Pcm, contains, joined
from tests.partners.baresip_phone import BaresipPhone
from tests.partners.phone import PhonePartner
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.process import until
from tests.partners.speech import speechlike
from tests.telephony.conftest import Switchboard, running

NOBODYS_CALL = Call("a-call-without-a-leg", "carrier", "4008001234", None, "main", datetime.now(UTC))
MAKES: dict[str, type[BaresipPhone] | type[Pjsua2Phone]] = {"pjsua2": Pjsua2Phone, "baresip": BaresipPhone}
LINES = [
    ("pjsua2", Codec.G722, False),
    ("pjsua2", Codec.PCMA, True),
    ("pjsua2", Codec.G722, True),
    ("baresip", Codec.PCMU, True),
]


@asynccontextmanager
async def rung(board: Switchboard, make: str, codec: Codec, srtp: bool) -> AsyncIterator[tuple[Phone, PhonePartner]]:
    """Our end of an answered call and the phone at the other."""
    phone: PhonePartner = MAKES[make](user="1001", ip="127.0.0.11", codec=codec.encoding, answer_after=0.0, srtp=srtp)
    async with phone:
        leg = await board.telephony.ring(phone.settings.contact, call=NOBODYS_CALL, shown=None)
        await phone.connected()
        yield leg, phone
        await leg.hang_up()
        await phone.ended()


@pytest.mark.parametrize(("make", "codec", "srtp"), LINES)
async def test_both_sides_hear_what_was_said(make: str, codec: Codec, srtp: bool) -> None:
    ours, theirs = speechlike(2.0, seed=1), speechlike(2.0, seed=2)
    wanted = running(codecs=(codec, Codec.PCMA), secured=srtp)
    async with wanted as board, rung(board, make, codec, srtp) as (leg, phone):
        assert isinstance(leg, Leg)
        assert leg.talking.codec is codec
        assert (leg.talking.keys is not None) == srtp
        await leg.play(Sound(ours.tobytes()), loop=True)  # a phone on a busy machine may stutter: it is said again
        await phone.hears(ours, timeout=20)
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        near.setblocking(False)
        with near, far, leg.tapped(far.fileno()):
            heard: list[bytes] = []
            reader = PieceReader(near)

            def recognised() -> bool:
                heard.extend(pcm for _, pcm in reader.waiting())
                sound: Pcm = np.frombuffer(b"".join(heard), np.int16)
                return contains(theirs, sound) if len(sound) > len(theirs) else False

            await phone.says(joined([theirs] * 8))
            await until(recognised, 20, "what the phone said")


@pytest.mark.parametrize("make", MAKES)
async def test_a_phone_without_srtp_is_not_talked_to_where_it_is_demanded(make: str) -> None:
    async with running(secured=True) as board, MAKES[make](user="1001", ip="127.0.0.11", answer_after=0.0) as phone:
        with pytest.raises(CallFailed) as failed:
            await board.telephony.ring(phone.settings.contact, call=NOBODYS_CALL, shown=None, answer_within=10)
        assert failed.value.status == 488
