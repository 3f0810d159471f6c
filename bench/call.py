"""How quick one call is, the whole way: answer, reply, queue to agent, and the delay that a bridge adds.

The server runs as its users run it, in a process of its own; SIPp calls, and the RTP comes from ``rtpload``.
Speech is what was recorded with the dialplan, sent as A-law; a reply is the first audible packet that comes back.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from bench import report
from bench.load import rtp
from bench.load.calls import Agents, Callers, bridged, invite_to_invite_ms
from ivr.voice.cache import RecordedPrompts
from media.wav import read_sound
from tests.partners.audio import Pcm
from tests.partners.hotline import ROOT, Hotline, Layout, running
from tests.partners.sipp import SippCaller

ANSWERS, RATE = 600, 20.0
REPLIES, AT_ONCE = 40, 4
BRIDGES = 50
AGENT_IP = "127.0.0.5"


class BenchLayout(Layout):
    """The demo business, with as many fixed phones in the queue as there will be bridges."""

    def write(self) -> Path:
        settings = Layout.write(self)
        one = f'"sip:agent@127.0.0.1:{self.agent_port}"'
        many = ", ".join(f'"sip:agent{number}@{AGENT_IP}:{self.agent_port}"' for number in range(BRIDGES))
        settings.write_text(settings.read_text(encoding="utf-8").replace(one, many), encoding="utf-8")
        return settings


@asynccontextmanager
async def server() -> AsyncIterator[Hotline]:
    """A server on this machine's disk, for a database in memory would flatter it."""
    with tempfile.TemporaryDirectory(prefix="hotline-bench-", dir="/var/tmp") as folder:
        async with running(BenchLayout(Path(folder))) as hotline:
            yield hotline


def address(hotline: Hotline) -> tuple[str, int]:
    return "127.0.0.1", hotline.layout.sip_port


async def answering(hotline: Hotline) -> tuple[list[float], int]:
    """INVITE → 200 in milliseconds at ``RATE`` calls a second, each greeted for four seconds; how many failed."""
    async with Callers(address(hotline), "4008001234", calls=ANSWERS, rate=RATE, hold_ms=4000) as callers:
        await callers.ended(ANSWERS / RATE + 60, check=False)
        answers = callers.answer_ms()
    return answers, ANSWERS - len(answers)


async def replying(hotline: Hotline) -> tuple[list[float], int]:
    """Last packet of the caller's sentence → first audible packet of the reply, in milliseconds; how many failed."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one() -> float | None:
        async with room:
            return await _reply(hotline)

    replies = await asyncio.gather(*(one() for _ in range(REPLIES)))
    heard = [reply for reply in replies if reply is not None]
    return heard, REPLIES - len(heard)


async def _reply(hotline: Hotline) -> float | None:
    sentence = _until_its_last_sound(_recorded("查一下我的订单"))
    async with SippCaller(address(hotline), "4008001234") as caller:
        await caller.answered()
        await caller.hears(_recorded("请问有什么可以帮您？"), 20)
        await asyncio.sleep(0.5)
        caller.says(sentence)
        spoken = await caller.said()
        await asyncio.sleep(3)
        sound = caller.line.ear.first_sound(spoken)
        await caller.hang_up()
        await caller.ended(check=False)
    return None if sound is None else (sound - spoken) * 1000


async def bridging(hotline: Hotline) -> tuple[list[float], rtp.Load, int]:
    """Through the queue to ``BRIDGES`` phones: caller's INVITE → agent's INVITE in milliseconds, and the delay of the
    bridge with every call recorded; how many were not bridged."""
    phones = Agents(calls=BRIDGES, ip=AGENT_IP, port=hotline.layout.agent_port)
    calls = Callers(address(hotline), "9198", calls=BRIDGES, rate=10, hold_ms=45_000)
    async with phones as agents, calls as callers:
        await asyncio.sleep(BRIDGES / 10 + 3)
        pairs = bridged(callers, agents)
        load = await rtp.run(pairs, seconds=20, warmup=2)
        return invite_to_invite_ms(callers, agents), load, BRIDGES - len(pairs)


def _recorded(text: str) -> Pcm:
    path = RecordedPrompts(ROOT / "dialplans" / "prompts").find(text)
    assert path is not None, text
    return np.frombuffer(read_sound(path), dtype="<i2").astype(np.int16)


def _until_its_last_sound(pcm: Pcm) -> Pcm:
    """Without the silence that a recording ends with: the clock starts when the caller falls silent."""
    loud = np.flatnonzero(np.abs(pcm.astype(int)) > 300)
    return pcm[: loud[-1] + 1]


async def main() -> None:
    """Measure everything and write ``bench/results/call.json``."""
    async with server() as hotline:
        rings, load, unbridged = await bridging(hotline)
        replies, silent = await replying(hotline)
        answers, unanswered = await answering(hotline)
        stall = await hotline.gauge("hotline_loop_worst_seconds")
    report.write("call", {
        "answer_p50_ms": report.quantile(answers, 0.5),
        "answer_p99_ms": report.quantile(answers, 0.99),
        "reply_p50_ms": report.quantile(replies, 0.5),
        "reply_p95_ms": report.quantile(replies, 0.95),
        "route_to_ring_p50_ms": report.quantile(rings, 0.5),
        "route_to_ring_p99_ms": report.quantile(rings, 0.99),
        "relay_p50_ms": load.delay_ms.p50,
        "relay_added_p99_ms": load.delay_ms.p99,
        "relay_loss": load.loss,
        "loop_worst_ms": stall * 1000,
        "failed_calls": unanswered + silent + unbridged,
    })


if __name__ == "__main__":
    asyncio.run(main())
