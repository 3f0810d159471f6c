"""A supervisor listens, coaches, barges in and takes over: who hears whom is heard, on real phones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pytest

from tests.journeys.conftest import at_work, calling, registering
from tests.journeys.floor import Floor
from tests.partners.audio import RATE, Pcm, tone
from tests.partners.hotline import Hotline
from tests.partners.pjsua2_phone import Pjsua2Phone
from tests.partners.sipp import SippCaller
from tests.partners.story import told_of

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]

PITCH = {"caller": 425.0, "agent": 725.0, "supervisor": 1150.0}
"""Each party is one tone."""
HEARS = {
    "monitor": {"caller": {"agent"}, "agent": {"caller"}, "supervisor": {"caller", "agent"}},
    "coach": {"caller": {"agent"}, "agent": {"caller", "supervisor"}, "supervisor": {"caller", "agent"}},
    "barge": {"caller": {"agent", "supervisor"}, "agent": {"caller", "supervisor"},
              "supervisor": {"caller", "agent"}},
    "take_over": {"caller": {"supervisor"}, "agent": set(), "supervisor": {"caller"}},
}
TALK = {"caller": {"agent"}, "agent": {"caller"}}
PATIENCE = 20.0


class Ear(Protocol):
    def heard(self) -> Pcm: ...


def parties_in(pcm: Pcm) -> set[str]:
    """Whose tones are in the last half second."""
    last = pcm[-RATE // 2 :].astype(np.float64)
    if len(last) < RATE // 2:
        return set()
    level = np.abs(np.fft.rfft(last * np.hanning(len(last)))) * 4 / len(last)
    return {name for name, hertz in PITCH.items() if level[round(hertz * len(last) / RATE)] > 300}


async def hear(ears: dict[str, Ear], wanted: dict[str, set[str]]) -> None:
    """Wait until everybody hears just whom they should, and keeps doing so for a second."""
    stable = 0
    heard: dict[str, set[str]] = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while stable < 4:
                await asyncio.sleep(0.25)
                heard = {name: parties_in(ears[name].heard()) for name in wanted}
                stable = stable + 1 if heard == wanted else 0
    except TimeoutError:
        raise AssertionError(f"they hear {heard}, and should {wanted}") from None


@dataclass
class Scene:
    """A caller and an agent who talk, and a supervisor whose phone is registered."""

    hotline: Hotline
    caller: SippCaller
    agent: Pjsua2Phone
    supervisor: Pjsua2Phone
    call_id: str

    @property
    def ears(self) -> dict[str, Ear]:
        return {"caller": self.caller, "agent": self.agent, "supervisor": self.supervisor}

    async def supervise(self, mode: str, phone: str = "1900") -> int:
        path = f"/api/calls/{self.call_id}/supervision"
        status, _ = await self.hotline.ask("PUT", path, {"phone": phone, "mode": mode})
        return status

    async def joins(self, mode: str) -> None:
        """The supervisor's phone rings, is answered, and the supervisor speaks."""
        assert await self.supervise(mode) == 202
        await self.supervisor.rings(15)
        await self.supervisor.answer()
        await self.supervisor.connected()
        await self.supervisor.says(tone(PITCH["supervisor"], seconds=90))


@asynccontextmanager
async def talking(hotline: Hotline, floor: Floor) -> AsyncIterator[Scene]:
    supervisor = Pjsua2Phone(registering(hotline, "1900"))
    async with (
        at_work(hotline, Pjsua2Phone(registering(hotline, "1001"))) as agent, supervisor,
        calling(hotline, floor.service) as caller,
    ):
        await supervisor.registered(15)
        await agent.rings(15)
        await agent.answer()
        await agent.connected()
        caller.says(tone(PITCH["caller"], seconds=90))
        await agent.says(tone(PITCH["agent"], seconds=90))
        [call] = [one for one in (await hotline.get("/api/calls"))["live"] if one["agent"] == "1001"]
        try:
            yield Scene(hotline, caller, agent, supervisor, call["id"])
        finally:
            await supervisor.unregister()


async def test_a_supervisor_listens_coaches_barges_in_and_takes_over(hotline: Hotline, floor: Floor) -> None:
    async with talking(hotline, floor) as scene:
        await hear(scene.ears, TALK)
        await scene.joins("monitor")
        await hear(scene.ears, HEARS["monitor"])
        for mode in ("coach", "barge"):
            assert await scene.supervise(mode) == 202
            await hear(scene.ears, HEARS[mode])
        await scene.supervisor.press("4")
        await hear(scene.ears, HEARS["take_over"])
        [shown] = [one for one in (await hotline.get("/api/calls"))["live"] if one["id"] == scene.call_id]
        assert (shown["supervisor"], shown["supervision"]) == ("1900", "take_over")
        await scene.agent.hang_up()
        await scene.agent.ended()
        await hear(scene.ears, {name: HEARS["take_over"][name] for name in ("caller", "supervisor")})
        await scene.supervisor.hang_up()
        await scene.supervisor.ended()
        assert await scene.caller.ended() == 0
        assert not scene.caller.received("INVITE"), "no party is re-invited when a supervisor comes or goes"
        story = await told_of(hotline, scene.caller)
    assert [told.details["mode"] for told in story.all("supervision.changed")] == ["coach", "barge", "take_over"]
    assert story.one("supervision.began").details["phone"] == "1900"
    assert story.one("supervision.ended")
    left, right = story.channels()
    assert parties_in(right[: -RATE]) == {"supervisor"}, "the recording goes on after the agent has left"
    assert parties_in(left[: -RATE]) == {"caller"}


async def test_a_supervisor_who_hangs_up_gives_the_caller_back(hotline: Hotline, floor: Floor) -> None:
    async with talking(hotline, floor) as scene:
        await scene.joins("take_over")
        await hear(scene.ears, HEARS["take_over"])
        await scene.supervisor.hang_up()
        await hear(scene.ears, TALK)
        await scene.joins("coach")
        await hear(scene.ears, HEARS["coach"])
        assert (await hotline.ask("DELETE", f"/api/calls/{scene.call_id}/supervision"))[0] == 204
        await scene.supervisor.ended()
        await hear(scene.ears, TALK)
        await scene.agent.hang_up()
        assert await scene.caller.ended() == 0


async def test_only_supervisors_phones_and_calls_with_an_agent_can_be_joined(hotline: Hotline, floor: Floor) -> None:
    async with talking(hotline, floor) as scene:
        assert await scene.supervise("monitor", phone="1002") == 403
        assert await scene.supervise("shout") == 400
        path = "/api/calls/00000000-0000-4000-8000-000000000000/supervision"
        status, answer = await hotline.ask("PUT", path, {"phone": "1900", "mode": "monitor"})
        assert (status, "no call" in answer["problem"]) == (404, True)
        assert (await hotline.ask("DELETE", path))[0] == 404
        await scene.caller.hang_up()
        await scene.agent.ended()
