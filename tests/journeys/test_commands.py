"""The command line against the running server: a simulated call, the list of calls, one call as a ladder."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.journeys.conftest import FULL_NUMBER, calling
from tests.partners.hotline import Hotline, Layout
from tests.partners.scanners import sipsak
from tests.partners.story import told_of

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]


async def test_try_shows_a_call_as_a_timeline(hotline: Hotline) -> None:
    status, said = await hotline.command("try")
    assert status == 0, said
    happened = ["dials 4008001234", "the greeting is heard", "the server heard: 我要退款", "intent refund, confidence",
                "queue refunds", "phone rings, showing +86138****8000", "the agent hears the customer", "recording 20"]
    times = [re.search(rf"(\d+) ms .*{re.escape(what)}", said) for what in happened]
    assert all(times), said
    milliseconds = [int(found[1]) for found in times if found]
    assert milliseconds == sorted(milliseconds)
    assert not FULL_NUMBER.search(said)


async def test_try_says_why_it_went_wrong(hotline: Hotline, tmp_path: Path) -> None:
    nobody_there = Hotline(Layout(tmp_path), hotline.process)
    nobody_there.layout.write()
    (status, said), (misunderstood, timeline) = await asyncio.gather(
        nobody_there.command("try"),
        hotline.command("try", "--say", "您前面还有5位客人，请稍候。", "--agent", "1003"),
    )
    assert (status, misunderstood) == (1, 1)
    port = nobody_there.layout.sip_port
    assert said.splitlines()[-1] == f"hotline: no server answers on 127.0.0.1:{port}; is it running? make run"
    assert timeline.splitlines()[-1] == "hotline: the server did not understand the customer"


async def test_calls_lists_calls_and_draws_one(hotline: Hotline) -> None:
    async with calling(hotline, "9196", number="01065551234", asserted="13800138000") as caller:
        await caller.answered()
        live = (await hotline.get("/api/calls"))["live"]
        await caller.hang_up()
        await caller.ended()
        story = await told_of(hotline, caller)
    listed, (status, ladder) = await hotline.command("calls"), await hotline.command("calls", story.call_id[:8])
    assert (listed[0], status) == (0, 0)
    assert re.search(rf"^{story.call_id} .* \+86138\*\*\*\*8000 +9196 .* caller$", listed[1], re.MULTILINE), listed[1]
    assert all(word in ladder for word in ("INVITE", "200 OK", "BYE", story.call_id)), ladder
    answers = [str(live), str(await hotline.get("/api/calls?limit=200")), str(await hotline.get("/api/agents")),
               str(await hotline.get(f"/api/calls/{story.call_id}")), listed[1], ladder, *hotline.said]
    assert not [text for text in answers if FULL_NUMBER.search(text)]
    assert (await hotline.command("calls", "no-such-call"))[0] == 1


async def test_a_scanner_is_banned_listed_and_listened_to_again(hotline: Hotline) -> None:
    scanner, server = "127.0.0.66", ("127.0.0.1", hotline.layout.sip_port)
    listed = r"^127\.0\.0\.66 +20\d\d-\d\d-\d\d [\d:]+ +1  probes from a stranger$"
    await sipsak(server, "-F", "-e", "200", user="x", ip=scanner)
    async with asyncio.timeout(10):
        # Written by a task of the server's own.
        while not re.search(listed, (await hotline.command("bans"))[1], re.MULTILINE):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert any(f"banned {scanner} for 300 s" in line for line in hotline.said)
    assert "403 Forbidden" not in await sipsak(server, "-D", "1", "-vvv", user="x", ip=scanner)
    assert await hotline.command("bans", scanner) == (0, f"{scanner} is listened to again.\n")
    async with asyncio.timeout(10):
        while "403 Forbidden" not in await sipsak(server, "-D", "1", "-vvv", user="x", ip=scanner):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    status, said = await hotline.command("bans", scanner)
    assert (status, said) == (1, f"hotline: {scanner} is not banned; see: hotline bans\n")
