"""Somebody hangs up at the worst moment, or refuses, or is not there: at each stage of a call, with SIPp on both ends.

After each of them nothing is in use any more, at once, and the server has as many tasks and open files as before.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from storage.cluster import Cluster
from tests.journeys.conftest import recorded
from tests.partners.hotline import Hotline, Layout, running
from tests.partners.process import free_port
from tests.partners.sipp import SippAgent, SippCaller
from tests.partners.speech import speech

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]

DESK_IP, DESK_PORT = "127.0.0.5", free_port("127.0.0.5")
DESK, MAIN = "7000", "4008001234"
"""Numbers: the first leads straight to the phone at the desk, the second to the business's own flow."""
FLOW = "start: route\nsteps:\n  route: {queue: desk, max_wait: 60, overflow: end}\n  end: {hang_up: }\n"
QUEUE = f"""
[queues.desk]
phones = ["sip:desk@{DESK_IP}:{DESK_PORT}"]
ring_seconds = 2
wrap_up_seconds = 0
"""
KEPT = {"transactions", "timers"}
"""For 32 s: RFC 3261 section 17. The end of the session looks at them."""
HELP, PLEASE_WAIT = "请问有什么可以帮您？", "正在为您转接人工客服，请稍候。"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(scratch: Path) -> AsyncIterator[Hotline]:
    """A server of this module's own, so that nobody else's calls are counted. It goes on to the end of the session:
    by then its transactions have had their 32 s, and nobody has waited for them."""
    with tempfile.TemporaryDirectory(prefix="races-", dir=scratch) as folder:
        async with running(Layout(Path(folder), flows={DESK: FLOW}, extra=QUEUE)) as hotline:
            for _ in range(2):  # the pool's connections are no descriptors left over: make them all now
                await asyncio.gather(*(hotline.get("/api/calls") for _ in range(16)))
            yield hotline
            live = await hotline.idle()  # transactions and their timers too
            assert live == dict.fromkeys(live, 0.0)


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def nothing_left_over(server: Hotline, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Holds every test to the promise of this module."""
    kept = KEPT | ({"dialogs"} if request.function is test_an_agent_who_is_unplugged_while_it_rings else set())
    level = await levels(server)
    yield
    try:
        async with asyncio.timeout(10):
            while any((await in_use(server, kept)).values()) or not await settled(server, level):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        now = await levels(server)
        pytest.fail(f"left over: {await in_use(server, kept)}; tasks and files were {level}, are {now}")
    assert await server.gauge("hotline_routing_violations") == 0
    agents = {agent["id"]: (agent["state"], agent["call_id"]) for agent in await server.get("/api/agents")}
    assert set(agents.values()) <= {("idle", None), ("offline", None)}, agents
    assert all(queue["waiting"] == queue["talking"] == 0 for queue in await server.get("/api/queues"))


async def in_use(server: Hotline, kept: set[str]) -> dict[str, float]:
    """What must be gone at once."""
    return {name: count for name, count in (await server.live()).items() if name not in kept}


async def settled(server: Hotline, level: list[float]) -> bool:
    """Whether there are no more tasks and open files than before."""
    return all(now <= before for now, before in zip(await levels(server), level, strict=True))


async def levels(server: Hotline) -> list[float]:
    return [await server.gauge("hotline_tasks"), await server.gauge("hotline_open_files")]


def dialling(server: Hotline, number: str = DESK, scenario: str = "uac_call") -> SippCaller:
    return SippCaller(("127.0.0.1", server.layout.sip_port), number, scenario=scenario)


def phone_at_the_desk(scenario: str = "uas_agent", *, answer_after: float = 0.1,
                      refusal: str = "486 Busy Here") -> SippAgent:
    return SippAgent("desk", ip=DESK_IP, port=DESK_PORT, answer_after=answer_after, scenario=scenario, refusal=refusal)


async def kinds(server: Hotline, caller: SippCaller, *, last: str = "call.accounted") -> list[str]:
    """What the log tells of the call, in order, once ``last`` is among it."""
    async with asyncio.timeout(10):
        while True:
            try:
                events = await server.events(sip_call_id=caller.messages[0].header("Call-ID"))
                told = [event["kind"] for event in events]
            except LookupError:
                told = []
            if last in told:
                return told
            await asyncio.sleep(0.05)


# -- the caller ----------------------------------------------------------------------------------------------------


async def test_the_caller_hangs_up_while_it_rings(server: Hotline) -> None:
    """Between 180 and 200 the caller is being identified: a locked table makes that take all the time it may."""
    database = await asyncpg.connect(Cluster(server.data).dsn)
    try:
        async with database.transaction():
            await database.execute("LOCK TABLE customers, customer_numbers IN ACCESS EXCLUSIVE MODE")
            async with dialling(server, MAIN, "uac_cancel") as caller:
                assert await caller.ended(10) == 0
                assert caller.statuses[-1] == 487
    finally:
        await database.close()
    told = await kinds(server, caller)
    assert "call.answered" not in told
    assert "recording.sealed" not in told
    assert told.count("call.ended") == 1


async def test_the_caller_hangs_up_during_the_greeting(server: Hotline) -> None:
    async with dialling(server, MAIN) as caller:
        await caller.answered()
        await caller.hang_up()
        assert await caller.ended() == 0
    told = await kinds(server, caller)
    assert told.count("call.ended") == told.count("recording.sealed") == 1
    assert "caller.heard" not in told


async def test_the_caller_hangs_up_in_the_middle_of_a_sentence(server: Hotline) -> None:
    async with dialling(server, MAIN) as caller:
        await caller.answered()
        await caller.hears(recorded(HELP), 20)
        caller.says(speech().pcm)
        await asyncio.sleep(1.0)
        await caller.hang_up()
        assert await caller.ended() == 0
    told = await kinds(server, caller)
    assert "caller.heard" not in told
    assert told.count("recording.sealed") == 1


async def test_the_caller_hangs_up_while_an_order_is_told(server: Hotline) -> None:
    async with dialling(server, MAIN) as caller:
        await caller.answered()
        await caller.hears(recorded(HELP), 20)
        caller.says(recorded("查一下我的订单"))
        await kinds(server, caller, last="service.answered")
        await caller.hang_up()
        assert await caller.ended() == 0
    assert (await kinds(server, caller)).count("recording.sealed") == 1


async def test_the_caller_hangs_up_while_waiting_with_music(server: Hotline) -> None:
    async with dialling(server) as caller:
        await caller.answered()
        await caller.hears(recorded(PLEASE_WAIT), 20)
        await asyncio.sleep(0.5)
        await caller.hang_up()
        assert await caller.ended() == 0
    told = await kinds(server, caller)
    assert told.count("queue.entered") == told.count("queue.left") == 1


async def test_the_caller_hangs_up_while_the_agents_phone_rings(server: Hotline) -> None:
    async with phone_at_the_desk(answer_after=30) as phone, dialling(server) as caller:
        await phone.rings(20)
        await caller.hang_up()
        assert await caller.ended() == 0
        await phone.receives("CANCEL")
        await phone.receives("ACK")  # of its 487
    told = await kinds(server, caller)
    assert "queue.withdrawn" in told
    assert "queue.answered" not in told


@pytest.mark.parametrize("offset_ms", [-30, -15, 0, 15, 30])
async def test_the_caller_hangs_up_at_the_very_moment_the_agent_answers(server: Hotline, offset_ms: int) -> None:
    answer_after = 0.4
    async with phone_at_the_desk(answer_after=answer_after) as phone, dialling(server) as caller:
        rung = await phone.rings(20)
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, rung.at + answer_after + offset_ms / 1000 - loop.time()))
        await caller.hang_up()
        assert await caller.ended() == 0
        assert await phone.ended() == 0  # by CANCEL, or by ACK and BYE: the scenario knows both
    told = await kinds(server, caller)
    assert ("queue.answered" in told) == ("agent.talked" in told)
    assert told.count("call.ended") == 1


async def test_the_caller_hangs_up_during_the_talk(server: Hotline) -> None:
    async with phone_at_the_desk() as phone, dialling(server) as caller:
        await phone.connected(20)
        await kinds(server, caller, last="call.bridged")
        await caller.hang_up()
        assert await caller.ended() == 0
        assert await phone.ended() == 0
    told = await kinds(server, caller)
    assert told.count("agent.talked") == told.count("recording.sealed") == 1


# -- the agent -----------------------------------------------------------------------------------------------------


async def test_the_agent_hangs_up_during_the_talk(server: Hotline) -> None:
    async with phone_at_the_desk() as phone, dialling(server) as caller:
        await phone.connected(20)
        await phone.hang_up()
        assert await phone.ended() == 0
        assert await caller.ended() == 0
    told = await kinds(server, caller)
    assert told.count("agent.talked") == 1
    assert "flow.finished" in told


@pytest.mark.parametrize("refusal", ["486 Busy Here", "603 Decline", "480 Temporarily Unavailable"])
async def test_an_agent_who_refuses_leaves_the_caller_waiting(server: Hotline, refusal: str) -> None:
    async with phone_at_the_desk("uas_busy", refusal=refusal) as phone, dialling(server) as caller:
        assert await phone.ended(20) == 0
        assert "queue.left" not in await kinds(server, caller, last="queue.refused")
        await caller.hang_up()
        assert await caller.ended() == 0
    assert (await kinds(server, caller)).count("queue.left") == 1


async def test_an_agent_who_does_not_answer_is_rung_no_longer(server: Hotline) -> None:
    async with phone_at_the_desk("uas_never") as phone, dialling(server) as caller:
        await phone.receives("CANCEL", 20)
        assert await phone.ended() == 0
        await kinds(server, caller, last="queue.refused")
        await caller.hang_up()
        assert await caller.ended() == 0


async def test_an_agent_who_is_unplugged_during_the_talk(server: Hotline) -> None:
    async with phone_at_the_desk() as phone, dialling(server) as caller:
        await phone.connected(20)
        await kinds(server, caller, last="call.bridged")
        await phone.unplug()
        await asyncio.sleep(0.3)
        await caller.hang_up()
        assert await caller.ended() == 0
    assert (await kinds(server, caller)).count("agent.talked") == 1


async def test_an_agent_who_is_unplugged_while_it_rings(server: Hotline) -> None:
    """Nobody answers our CANCEL: the INVITE's dialog is given up after 32 s (RFC 3261 section 9.1)."""
    async with phone_at_the_desk(answer_after=30) as phone, dialling(server) as caller:
        await phone.rings(20)
        await phone.unplug()
        await kinds(server, caller, last="queue.refused")
        await caller.hang_up()
        assert await caller.ended() == 0
