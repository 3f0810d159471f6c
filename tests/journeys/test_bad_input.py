"""Broken prompts and models, a database that is away or dies, workers that die, noise on every port, a killed server:
what each of them costs is said, and it costs nothing else."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from recordings import wavfile
from storage.cluster import Cluster
from telephony.sip.address import Address
from telephony.sip.events import Responded
from tests.journeys.conftest import recorded
from tests.partners.audio import contains, read_channels
from tests.partners.hotline import ROOT, Hotline, Layout, running
from tests.partners.process import free_port
from tests.partners.sipp import SippAgent, SippCaller
from tests.partners.speech import speech
from tests.telephony.softphone import Softphone

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="module")]

MAIN, ECHO, MUSIC, DESK = "4008001234", "9196", "9197", "9198"
LAG = 1.0
"""Seconds that a recording may be behind: 0.3 for packets that come late, 0.5 between two rounds of writing."""
GREETING, HELP, AGAIN, REFUNDS, CONNECTING, MENU = (
    "您好，欢迎致电客服热线。", "请问有什么可以帮您？",
    "不好意思，我没有听清。您可以说，查订单，退款，投诉，或者转人工。", "好的，我为您转接退款专员，请稍等。",
    "正在为您转接人工客服，请稍候。", "查订单请按1，退款请按2，投诉请按3，人工服务请按0，重听请按星号键。",
)


@pytest.fixture
def folder(scratch: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bad-input-", dir=scratch) as name:
        yield Path(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(scratch: Path) -> AsyncIterator[Hotline]:
    """One server that survives all that is done to it and its helpers."""
    with tempfile.TemporaryDirectory(prefix="bad-input-", dir=scratch) as name:
        if (ROOT / "data" / "models").is_dir():  # fetched once by "make run"
            (Path(name) / "data").mkdir()
            (Path(name) / "data" / "models").symlink_to(ROOT / "data" / "models")
        async with running(Layout(Path(name))) as hotline:
            yield hotline


@asynccontextmanager
async def calling(server: Hotline, dialled: str, **options: Any) -> AsyncIterator[SippCaller]:
    """A call that is up; hung up at the end of the block."""
    async with SippCaller(("127.0.0.1", server.layout.sip_port), dialled, **options) as caller:
        await caller.answered(20)
        yield caller
        await caller.hang_up()
        assert await caller.ended(10) == 0


async def story(server: Hotline, caller: SippCaller, *until: str) -> list[dict[str, Any]]:
    """The events of a call, once all of ``until`` are among them."""
    events: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while not set(until) <= {event["kind"] for event in events}:
            await asyncio.sleep(0.1)
            try:
                events = await server.events(sip_call_id=caller.messages[0].header("Call-ID"))
            except (LookupError, TypeError):  # not there yet, or the database is away: then the list is null
                continue
    return events


def helpers(server: Hotline, module: str) -> list[int]:
    """The server's worker processes that run ``module``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has just ended
        if parent == server.process.pid and module.encode() in words:
            found.append(int(process.name))
    return found


async def said(server: Hotline, words: str) -> str:
    """The line of the server's log that holds ``words``."""
    async with asyncio.timeout(30):
        while not (lines := [line for line in server.said if words in line]):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    return lines[0]


# -- at the start --------------------------------------------------------------------------------------------------


async def test_a_broken_prompt_and_a_broken_model_are_said_and_the_next_choice_stands_in(folder: Path) -> None:
    model = folder / "model"
    model.mkdir()
    for name in ("encoder.onnx", "decoder.onnx", "joiner.onnx", "tokens.txt"):
        (model / name).write_bytes(b"this is no model")
    layout = Layout(folder, flows={"7000": "start: bye\nsteps:\n  bye: {hang_up: }\n"},
                    extra=f'[speech]\nmodel = "{model}"\n')
    layout.write()
    prompts = layout.dialplans / "prompts"
    prompts.unlink()
    shutil.copytree(ROOT / "dialplans" / "prompts", prompts)
    broken = next(line.split(": ")[1] for line in (prompts / "prompts.yaml").read_text(encoding="utf-8").splitlines()
                  if line.startswith(GREETING))
    (prompts / broken).write_bytes(b"RIFF what is this")
    async with running(layout) as server:
        assert str(model) in await said(server, "recogniser zipformer: ")
        assert "it hears with" in await said(server, "answers calls")
        async with calling(server, MAIN, number=None) as caller:
            await caller.hears(recorded(HELP), 30)  # the prompt after the broken one
            caller.press("2")
            await caller.hears(recorded(CONNECTING), 30)
        assert broken in await said(server, "prompt cannot be used: ")
        kinds = [event["kind"] for event in await story(server, caller, "call.accounted")]
        assert "queue.entered" in kinds
        assert not [line for line in server.said if "Traceback" in line]


async def test_a_database_that_is_away_at_the_start(folder: Path) -> None:
    cluster = Cluster(folder / "elsewhere")
    await asyncio.to_thread(cluster.start)
    await asyncio.to_thread(cluster.stop)
    try:
        async with running(Layout(folder / "server", extra=f'[database]\ndsn = "{cluster.dsn}"\n')) as server:
            await said(server, "calls are answered without customers, agents and history until it is back")
            async with calling(server, MAIN) as caller:  # whose number is a customer's
                await caller.hears(recorded(GREETING), 30)
            assert (await server.get("/health"))["parts"]["database"] == "down"
            await asyncio.to_thread(cluster.start)
            await said(server, "the database is back: customers, agents and history are known again")
            early = await story(server, caller, "call.accounted")  # it caught up with what it had missed
            assert next(e for e in early if e["kind"] == "caller.identified")["details"]["identity"] == "unknown"
            async with calling(server, MAIN) as caller:
                late = await story(server, caller, "caller.identified")
            assert next(e for e in late if e["kind"] == "caller.identified")["details"]["identity"] == "one"
            await registers(server, "1001")
    finally:
        await asyncio.to_thread(cluster.stop)


async def registers(server: Hotline, user: str) -> None:
    """The agent's phone registers with its password, and its agent is idle."""
    async with Softphone("127.0.0.11", user) as phone:
        phone.registers(Address("127.0.0.1", server.layout.sip_port), server.passwords[user])
        assert (await phone.sees(Responded)).response.status == 200
        agents = {agent["id"]: agent["state"] for agent in await server.get("/api/agents")}
        assert agents[user] == "idle"


# -- during a call -------------------------------------------------------------------------------------------------


async def test_a_database_that_dies_during_a_call(server: Hotline) -> None:
    async with calling(server, MAIN) as caller:
        await caller.hears(recorded(HELP), 30)
        pid = Cluster(server.data).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        caller.press("2")
        await caller.hears(recorded(REFUNDS), 30)
        await caller.hears(recorded(CONNECTING), 30)
    events = await story(server, caller, "call.accounted")
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    kinds = [event["kind"] for event in events]
    told = ["call.invited", "call.answered", "caller.pressed", "queue.entered", "call.ended", "call.accounted"]
    assert [kind for kind in kinds if kind in told] == told
    await said(server, "the database is back and has all events")
    assert await server.gauge("hotline_log_waiting") == 0


async def test_a_recogniser_that_dies_costs_one_utterance(server: Hotline) -> None:
    if not helpers(server, "asr.worker"):
        pytest.skip("no recogniser's model is here: callers use the keypad")
    async with calling(server, MAIN) as caller:
        await caller.hears(recorded(HELP), 30)
        caller.says(speech().pcm)
        await asyncio.sleep(1.0)
        for pid in helpers(server, "asr.worker"):
            os.kill(pid, signal.SIGKILL)
        await story(server, caller, "recogniser.down")
        async with asyncio.timeout(60):  # asked again where a new one is soon ready, sent to the keypad otherwise
            while not any(contains(recorded(text), caller.heard()) for text in (AGAIN, MENU)):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        caller.press("2")
        await caller.hears(recorded(REFUNDS), 40)
    async with asyncio.timeout(60):
        while (await server.get("/health"))["parts"]["recogniser"] != "ok":  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    async with calling(server, MAIN) as caller:
        await caller.hears(recorded(HELP), 30)
        caller.says(recorded("我要退款"))
        await caller.hears(recorded(REFUNDS), 40)
    events = await story(server, caller, "call.accounted")
    assert [event["details"]["intent"] for event in events if event["kind"] == "intent.understood"] == ["refund"]


async def test_a_synthesiser_that_dies_costs_a_sentence_at_most(server: Hotline) -> None:
    workers = helpers(server, "ivr.voice.worker")
    if not workers:
        pytest.skip("no synthesiser is here: callers hear recorded prompts")
    async with calling(server, MAIN) as caller:
        await caller.hears(recorded(HELP), 30)
        os.kill(workers[0], signal.SIGKILL)
        caller.press("1")
        await caller.hears(recorded("您最近一笔订单，"), 30)  # what follows is in no recording
        await caller.hears(recorded("请问还有什么可以帮您？"), 60)
    events = await story(server, caller, "call.accounted")
    assert [event["details"]["found"] for event in events if event["kind"] == "service.answered"] == [True]
    # A new one that is not ready within the conversation's patience is not waited for.
    assert [event["kind"] for event in events].count("voice.failed") <= 1
    async with asyncio.timeout(60):
        while not set(helpers(server, "ivr.voice.worker")) - set(workers):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)


async def counted(server: Hotline, name: str) -> float:
    """A counter of signalling; one that has never counted is not among the metrics."""
    try:
        return await server.gauge(f"hotline_sip_{name}_total")
    except KeyError:
        return 0


async def test_noise_on_every_port_is_counted_and_nothing_suffers(server: Hotline) -> None:
    chance = random.Random(2)
    sentence = speech().pcm[:16000]
    invite = (b"INVITE sip:4008001234@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.3;branch=z9hG4bKx\r\n"
              b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: noise\r\nCSeq: 1 INVITE\r\n"
              b"Content-Length: 9999\r\n\r\nv=0")
    async with calling(server, ECHO) as caller:
        rtp = (await caller.answered()).audio
        assert rtp is not None
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
            stranger.bind(("127.0.0.3", 0))
            caller.says(sentence)
            for number in range(300):
                noise = chance.randbytes(chance.choice((0, 1, 11, 12, 200, 1500, 60000)))
                stranger.sendto(noise, rtp)
                stranger.sendto(noise, (rtp[0], rtp[1] + 1))
                stranger.sendto(chance.choice((noise, invite[: number % len(invite)], b"\r\n\r\n")),
                                ("127.0.0.1", server.layout.sip_port))
                await asyncio.sleep(0.005)
        await caller.hears(sentence, 20)
    # After some of it the stranger is banned, and what comes then is dropped unread.
    assert await counted(server, "malformed") >= 1
    assert await counted(server, "bans") == 1
    assert await counted(server, "malformed") + await counted(server, "dropped_banned") > 100
    assert await counted(server, "dispatch_failed") == 0
    kinds = [event["kind"] for event in await story(server, caller, "call.accounted")]
    assert kinds.count("recording.sealed") == 1


async def test_a_disk_that_takes_no_recording_does_not_cost_the_call(server: Hotline) -> None:
    """A file where the folder should be stands for a disk that is full or gone."""
    kept = server.data / "recordings.kept"
    (server.data / "recordings").rename(kept)
    (server.data / "recordings").touch()
    try:
        async with calling(server, MAIN) as caller:
            await caller.hears(recorded(HELP), 30)
        events = await story(server, caller, "call.accounted")
    finally:
        (server.data / "recordings").unlink()
        kept.rename(server.data / "recordings")
    assert [e["details"]["problem"] for e in events if e["kind"] == "recording.unsealed"]
    await said(server, "is not recorded: ")


# -- the whole server ----------------------------------------------------------------------------------------------


async def test_a_killed_server_leaves_a_readable_recording_and_the_next_one_takes_up(folder: Path) -> None:
    layout = Layout(folder)
    sentence = speech().pcm
    async with running(layout) as server:
        phone = SippAgent("agent", ip="127.0.0.1", port=layout.agent_port)
        async with phone, SippCaller(("127.0.0.1", layout.sip_port), DESK) as caller:
            await phone.connected(30)
            caller.says(sentence)
            await phone.hears(sentence, 30)
            await caller.said()
            await asyncio.sleep(LAG)
            (call,) = [row["id"] for row in (await server.get("/api/calls"))["live"]]
            workers = [*helpers(server, "asr.worker"), *helpers(server, "ivr.voice.worker")]
            assert await server.stop(signal.SIGKILL) == -signal.SIGKILL
        (path,) = (server.data / "recordings").glob(f"*/*/*/{call}.wav")
        found = wavfile.layout(path)
        assert 0 < found.stated <= found.present
        assert contains(sentence, read_channels(path)[0])
        async with asyncio.timeout(30):  # those who served it go by themselves
            while any(Path(f"/proc/{pid}").exists() for pid in workers):  # noqa: ASYNC110, ASYNC240
                await asyncio.sleep(0.1)
    again = replace(layout, agent_port=free_port("127.0.0.1"))
    async with running(again) as server:
        database = await asyncpg.connect(Cluster(server.data).dsn)
        try:
            rows = await database.fetch("SELECT what, seconds FROM recordings WHERE call_id::text = $1", call)
        finally:
            await database.close()
        assert [row["what"] for row in rows] == ["sealed"]
        assert path.stat().st_mode & 0o777 == 0o440
        agents = {agent["id"]: (agent["state"], agent["call_id"]) for agent in await server.get("/api/agents")}
        assert set(agents.values()) <= {("idle", None), ("offline", None)}
        assert all(queue["waiting"] == queue["talking"] == 0 for queue in await server.get("/api/queues"))
        async with calling(server, MAIN) as caller:
            await caller.hears(recorded(HELP), 30)
