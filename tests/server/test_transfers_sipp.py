"""REFER as SIPp plays it: an agent's phone hands the caller on, blind and attended, and keeps the caller where that
fails. The scenario itself checks 202, the NOTIFYs and the BYE; here stands what became of the caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from routing import State
from tests.partners.process import free_port
from tests.partners.sipp import SippAgent, SippCaller
from tests.partners.sipp_phones import SippOwnCall, SippPhone, SippReferrer
from tests.server.desk import AGENTS, HOTLINE, Desk, desk
from tests.server.test_own_calls import hear_each_other
from tests.telephony.conftest import PASSWORD, account

AGENT, COLLEAGUE = "127.0.0.5", "127.0.0.6"


async def registers(here: Desk, user: str, ip: str, port: int) -> None:
    """The phone of ``user`` at this address is one of ours from now on."""
    async with SippPhone(here.server, user, PASSWORD, ip=ip, port=port) as phone:
        assert await phone.ended() == 0


@dataclass
class Scene:
    """A caller, who has the agent 1001; and the address of 1003, a colleague's phone."""

    here: Desk
    caller: SippCaller
    agent: SippReferrer
    port: int

    def colleague(self, scenario: str = "uas_agent") -> SippAgent:
        return SippAgent("1003", ip=COLLEAGUE, port=self.port, scenario=scenario, answer_after=0.05)

    async def belongs_to(self, colleague: SippAgent) -> None:
        """The caller has the colleague, and nobody told the caller's phone; the agent is in no call any more."""
        assert await self.agent.ended() == 0
        await self.here.becomes("1001", State.WRAP_UP)
        await hear_each_other(self.caller, colleague)
        await colleague.hang_up()
        assert (await self.caller.ended(), await colleague.ended()) == (0, 0)
        assert not self.caller.received("INVITE")

    async def stays(self) -> None:
        """The caller still has the agent."""
        await hear_each_other(self.caller, self.agent)
        await self.agent.hang_up()
        assert (await self.caller.ended(), await self.agent.ended()) == (0, 0)


@asynccontextmanager
async def talking(folder: Path) -> AsyncIterator[Scene]:
    async with desk(folder) as here:
        here.board.book.replace([replace(account(each.phone), ha1_sha256="") for each in AGENTS])
        agent = SippReferrer("1001", ip=AGENT, port=free_port(AGENT))
        await registers(here, "1001", agent.ip, agent.port)
        port = free_port(COLLEAGUE)
        await registers(here, "1003", COLLEAGUE, port)
        async with agent, SippCaller(here.server, HOTLINE) as caller:
            await caller.answered()
            await agent.connected()
            await here.tells("call.bridged")
            yield Scene(here, caller, agent, port)


async def test_a_caller_is_handed_on_blindly(tmp_path: Path) -> None:
    async with talking(tmp_path) as scene, scene.colleague() as colleague:
        await scene.agent.refers(scene.here.uri("1003"))
        await colleague.connected()
        assert await scene.agent.told(2) == ["SIP/2.0 100 Trying", "SIP/2.0 200 OK"]
        await scene.belongs_to(colleague)


async def test_a_busy_target_is_told_and_the_talk_goes_on(tmp_path: Path) -> None:
    async with talking(tmp_path) as scene, scene.colleague("uas_busy") as colleague:
        await scene.agent.refers(scene.here.uri("1003"))
        assert await colleague.ended() == 0
        assert await scene.agent.told(2) == ["SIP/2.0 100 Trying", "SIP/2.0 486 Busy Here"]
        await scene.stays()


async def test_a_colleague_is_consulted_and_has_the_caller(tmp_path: Path) -> None:
    async with talking(tmp_path) as scene, scene.colleague() as colleague:
        port = free_port(AGENT)  # the phone's second line
        await registers(scene.here, "1001", AGENT, port)
        async with SippOwnCall(scene.here.server, "1003", "1001", PASSWORD, ip=AGENT, port=port) as consultation:
            dialog = await consultation.dialog()
            await colleague.connected()
            await hear_each_other(consultation, colleague)
            await scene.agent.refers(scene.here.uri("1003"), dialog)
            assert await scene.agent.told(2) == ["SIP/2.0 100 Trying", "SIP/2.0 200 OK"]
            assert await consultation.ended() == 0
        await scene.belongs_to(colleague)
        [asked] = await scene.here.tells("transfer.asked")
        assert asked.details["attended"] is True


@pytest.mark.parametrize(("to", "replaces", "told"), [
    ("sip:1003@127.0.0.1", "nobody;to-tag=1;from-tag=2", ["SIP/2.0 100 Trying", "SIP/2.0 481 no such dialog"]),
    ("mailto:li@example.com", "", 416),
])
async def test_a_wish_that_cannot_be_granted_costs_nobody_the_call(
    tmp_path: Path, to: str, replaces: str, told: list[str] | int
) -> None:
    async with talking(tmp_path) as scene:
        await scene.agent.refers(to, replaces)
        if isinstance(told, int):
            await scene.agent.receives(told)
        else:
            assert all(said.startswith(each) for said, each in zip(await scene.agent.told(2), told, strict=True))
        await scene.stays()
