"""Calls that are not taken, with the status that says why, and a server that stops without cutting anybody off."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.journeys.conftest import calling
from tests.journeys.floor import IP, Floor, layout, new_floor
from tests.partners.audio import contains, read_channels
from tests.partners.hotline import Hotline, Layout, running
from tests.partners.process import until
from tests.partners.sipp import CallRefused, SippAgent, SippCaller
from tests.partners.speech import speech

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]

QUESTION = speech().pcm


@pytest.mark.parametrize(("dialled", "options", "status", "counter"), [
    ("4008001234", {"ip": "127.0.0.9"}, 403, "refused_stranger"),
    ("4008009999", {}, 404, "unknown_number"),
    ("4008001234", {"formats": "18 101"}, 488, "no_codec"),
])
async def test_a_call_is_refused_with_the_status_that_says_why(
    hotline: Hotline, dialled: str, options: dict[str, object], status: int, counter: str
) -> None:
    async def counted() -> float:
        try:
            return await hotline.gauge(f"hotline_sip_{counter}_total")
        except KeyError:  # nothing was counted yet
            return 0.0

    before = await counted()
    async with calling(hotline, dialled, **options) as caller:
        with pytest.raises(CallRefused) as refused:
            await caller.answered()
        assert refused.value.status == status
        await caller.ended()
        if status == 488:
            assert caller.received(488)[0].header("Warning").startswith("305 ")  # RFC 3261 section 20.43
    assert await counted() == before + 1


@asynccontextmanager
async def talking(setup: Layout, floor: Floor) -> AsyncIterator[tuple[Hotline, SippCaller, SippAgent]]:
    """A server of a test's own, in which two talk."""
    desk = floor.desks["relay"]
    async with (
        running(setup) as server,
        SippAgent(ip=IP, port=desk.ports[0]) as agent,
        calling(server, desk.number) as caller,
    ):
        await agent.connected()
        caller.says(QUESTION)
        await agent.hears(QUESTION, 15)
        yield server, caller, agent


async def test_a_stopping_server_refuses_new_calls_and_lets_the_running_one_end_or_cuts_it(scratch: Path) -> None:
    floor = new_floor()
    with tempfile.TemporaryDirectory(prefix="hotline-", dir=scratch) as folder:
        setup = layout(Path(folder), floor)
        async with talking(setup, floor) as (server, caller, agent):
            server.process.send_signal(signal.SIGINT)
            await until(lambda: any("no new calls; 1 may go on" in line for line in server.said), 10, "draining")
            async with calling(server, "4008001234") as late:
                with pytest.raises(CallRefused) as refused:
                    await late.answered()
                assert refused.value.status == 503
                assert int(late.received(503)[0].header("Retry-After")) > 0
                await late.ended()
            agent.says(QUESTION)
            await caller.hears(QUESTION, 15)
            await caller.hang_up()
            await caller.ended()
            await agent.ended()
            assert await asyncio.wait_for(server.process.wait(), 30) == 0
        async with talking(setup, floor) as (server, caller, agent):
            server.process.send_signal(signal.SIGINT)
            await until(lambda: any("no new calls" in line for line in server.said), 10, "draining")
            server.process.send_signal(signal.SIGINT)
            await caller.receives("BYE", 15)
            await agent.receives("BYE", 15)
            assert await asyncio.wait_for(server.process.wait(), 30) == 0
        kept = (setup.folder / "data" / "recordings").rglob("*.wav")
        recordings = sorted(kept, key=lambda path: path.stat().st_mtime)
        assert [path.stat().st_mode & 0o777 for path in recordings] == [0o440, 0o440], "sealed"
        heard = [[contains(QUESTION, channel) for channel in read_channels(path)] for path in recordings]
        assert heard == [[True, True], [True, False]]
