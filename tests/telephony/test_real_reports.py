"""RTCP with telephones that we did not write: each side learns how the other hears it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from calls.call import Call
from calls.phone import Sound
from media.engine import FarSide
from telephony.leg import Leg
from tests.partners.baresip_phone import BaresipPhone
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.process import until
from tests.telephony.conftest import Switchboard, running

NOBODYS_CALL = Call("a-call-without-a-leg", "carrier", "4008001234", None, "main", datetime.now(UTC))
MUSIC = Sound(b"\x10\x20" * 8000)
PATIENCE = 30.0
"""Seconds for two reports of each side, which come every five."""


async def talking(board: Switchboard, contact: str) -> Leg:
    """A call to that phone, which hears music."""
    leg = await board.telephony.ring(contact, call=NOBODYS_CALL, shown=None)
    assert isinstance(leg, Leg)
    await leg.play(MUSIC, loop=True)
    return leg


def far_side(leg: Leg) -> FarSide:
    return leg.talking.engine.stats(leg.talking.node).far


async def reported(phone: Pjsua2Phone, leg: Leg) -> dict[str, float]:
    """What the phone knows of the call when a report of ours has just come, its second or a later one: what it counts
    itself runs ahead of the latest report. By then we have two of its own."""
    fresh = {"reports": 0.0}
    async with asyncio.timeout(PATIENCE):
        while fresh["reports"] < 2 or far_side(leg).round_trip_ms < 0 or far_side(leg).heard < 2:
            now = await phone.statistics()
            fresh = now if now["reports"] > fresh["reports"] else fresh
            await asyncio.sleep(0.1)
    return fresh


@pytest.mark.parametrize(("srtp", "mux"), [(False, False), (True, True)])
async def test_pjsua2_and_we_agree_on_what_was_lost(srtp: bool, mux: bool) -> None:
    """It loses every eighth packet of what it sends, and every fourth of what it gets."""
    phone = Pjsua2Phone(user="1001", ip="127.0.0.11", answer_after=0.0, srtp=srtp, rtcp_mux=mux, drops=(12, 25))
    async with running(secured=srtp) as board, phone:
        leg = await talking(board, phone.settings.contact)
        assert leg.talking.agreed is not None
        assert leg.talking.agreed.rtcp_mux == mux
        theirs = await reported(phone, leg)
        ours = leg.talking.engine.stats(leg.talking.node)
        assert ours.far.lost / ours.far.expected == pytest.approx(0.25, abs=0.12)
        assert ours.lost / (ours.lost + ours.packets_in) == pytest.approx(0.12, abs=0.1)
        assert ours.far.round_trip_ms < 200
        assert theirs["tx_lost"] / theirs["tx_packets"] == pytest.approx(0.12, abs=0.1)
        assert theirs["round_trip_ms"] < 1_000
        await leg.hang_up()
        await phone.ended()
    [line] = [event.details for event in board.events if event.kind == "leg.quality"]
    assert (line["leg"], line["side"], line["codec"]) == (leg.id, "agent", "PCMA")
    assert isinstance(line["to_loss"], float)
    assert isinstance(line["from_loss"], float)
    assert isinstance(line["to_mos"], float)
    assert line["to_loss"] > line["from_loss"] > 0.02
    assert 1 < line["to_mos"] < 3.8


async def test_baresip_reads_our_reports_and_we_its() -> None:
    phone = BaresipPhone(user="1001", ip="127.0.0.11", answer_after=0.0)
    async with running() as board, phone:
        leg = await talking(board, phone.settings.contact)
        await until(lambda: far_side(leg).round_trip_ms >= 0 and bool(phone.reports()), PATIENCE, "reports both ways")
        far, theirs = far_side(leg), phone.reports()[-1]
        assert (far.lost, far.expected > 0) == (0, True)
        assert far.round_trip_ms < 200
        assert theirs["rx"]["lost"] == 0
        assert theirs["rtt"] < 200_000, "microseconds"
        await leg.hang_up()
        await phone.ended()
