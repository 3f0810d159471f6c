"""A click at the desktop rings the agent's phone and then whom the agent wants; who clicked is told what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from desktop import DatabaseArchive, RouterBoard, make_app, serving
from desktop.clicks import Stage
from desktop.supervision import Refused
from routing import State
from server.clicking import ClickToDial
from server.settings import OwnCalls
from tests.partners.browser import INSTALLED, Browser
from tests.partners.sipp import SippAgent
from tests.server.desk import OUTSIDE, PATIENCE, PRICE, Desk, desk
from tests.server.test_own_calls import at_desk, gets_through, hear_each_other

TOKEN = "a-token-of-sixteen-or-more"


async def becomes(here: Desk, stage: Stage, failed_at: Stage | None = None, status: int = 0) -> None:
    """Wait until the only click stands there."""
    def stands() -> bool:
        [click] = here.live.clicks.all()
        return (click.stage, click.failed_at, click.status) == (stage, failed_at, status)

    await here.comes(stands, f"{stage} {failed_at or ''} {status or ''}")


async def test_a_click_leads_outside_and_the_carrier_is_heard_before_it_answers(tmp_path: Path) -> None:
    carrier = SippAgent(scenario="uas_early", answer_after=60.0)
    async with carrier, desk(tmp_path, carrier) as here, at_desk(here, "1001") as agent:
        ClickToDial(here.parts).dial("1001", OUTSIDE)
        await agent.rings(PATIENCE)
        await becomes(here, Stage.PHONE)
        assert not carrier.received("INVITE"), "first the agent's own phone"
        await agent.answer()
        await carrier.receives("PRACK", PATIENCE)
        await becomes(here, Stage.DIALLING)
        await gets_through(carrier, agent)
        await agent.hang_up()
        await here.becomes("1001", State.IDLE)
        await becomes(here, Stage.OVER)


async def test_whom_the_click_reaches_is_talked_to_and_paid_for(tmp_path: Path) -> None:
    carrier = SippAgent(answer_after=0.05)
    async with carrier, desk(tmp_path, carrier) as here, at_desk(here, "1001") as agent:
        call = ClickToDial(here.parts).dial("1001", OUTSIDE)
        await agent.rings(PATIENCE)
        await agent.answer()
        await hear_each_other(carrier, agent)
        await becomes(here, Stage.TALKING)
        await carrier.hang_up()
        await agent.ended(PATIENCE)
        await here.becomes("1001", State.WRAP_UP)
        [ended] = await here.tells("outside.ended")
        assert (ended.call_id, ended.agent, ended.details["price"]) == (call, "1001", PRICE)
        await becomes(here, Stage.OVER)


async def test_a_phone_that_nobody_answers_is_told(tmp_path: Path) -> None:
    async with desk(tmp_path, own=OwnCalls(ring_seconds=1)) as here, at_desk(here, "1001") as agent:
        ClickToDial(here.parts).dial("1001", OUTSIDE)
        await agent.rings(PATIENCE)
        await becomes(here, Stage.FAILED, Stage.PHONE, 408)
        await agent.ended(PATIENCE)
        await here.becomes("1001", State.IDLE)


@pytest.mark.parametrize(("agent", "to", "status", "words"), [
    ("1009", "1003", 404, "没有坐席 1009 There is no agent"),
    ("1003", "1001", 409, "坐席 1003 的话机未注册 The telephone of agent 1003 is not registered"),
])
async def test_what_cannot_be_dialled_is_told_at_once(
    tmp_path: Path, agent: str, to: str, status: int, words: str
) -> None:
    async with desk(tmp_path) as here:
        with pytest.raises(Refused) as refused:
            ClickToDial(here.parts).dial(agent, to)
        assert refused.value.status == status
        assert refused.value.problem.startswith(words)


class Page:
    """The wallboard in a browser."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    async def dials(self, agent: str, to: str) -> None:
        """Choose the agent, enter the number, press the button."""
        await self.browser.evaluate(f"""(() => {{
            document.getElementById("dialler").value = "{agent}";
            document.getElementById("target").value = "{to}";
            document.querySelector("#dial button").click(); }})()""")


@asynccontextmanager
async def page(here: Desk) -> AsyncIterator[Page]:
    app = make_app(RouterBoard(here.parts.router, here.live), token=TOKEN, archive=DatabaseArchive(here.parts.database),
                   diallers=ClickToDial(here.parts))
    async with serving(app, port=0) as port, Browser() as browser:
        await browser.open(f"http://127.0.0.1:{port}/?token={TOKEN}")
        await browser.shows("李娜 1001")
        yield Page(browser)


@pytest.mark.skipif(not INSTALLED, reason="chromium is not installed")
async def test_who_clicks_in_a_browser_is_told_what_comes_of_it(tmp_path: Path) -> None:
    busy = SippAgent(scenario="uas_busy")
    async with (
        busy, desk(tmp_path, busy) as here, at_desk(here, "1001") as agent, at_desk(here, "1003") as colleague,
        page(here) as wallboard,
    ):
        shows = wallboard.browser.shows
        await wallboard.dials("1002", "1001")
        await shows("坐席 1002 的话机未注册 The telephone of agent 1002 is not registered")
        await wallboard.dials("1001", "nobody")
        await shows("不是同事、队列或号码 It is neither a colleague, nor a queue, nor a number")
        await wallboard.dials("1001", OUTSIDE)
        await agent.rings(PATIENCE)
        await shows("您的话机正在振铃，请接听")
        await agent.reject(603)
        await shows("您的话机拒接 Your phone refused")
        await wallboard.dials("1001", OUTSIDE)
        await agent.rings(PATIENCE)
        await agent.answer()
        await shows("对方忙 Busy")
        await here.becomes("1001", State.IDLE)
        await wallboard.dials("1001", "1003")
        await agent.rings(PATIENCE)
        await agent.answer()
        await colleague.rings(PATIENCE)
        await shows("正在呼叫 Calling")
        await colleague.answer()
        await shows("已接通 Connected", "占用率 Occupancy")
        await colleague.hang_up()
        await shows("通话已结束 The call is over")
