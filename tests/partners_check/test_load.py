"""The load tools against a wire whose delay and loss are known, because the test is the wire."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bench import report
from bench.load import rtp
from bench.load.calls import Agents, Callers, bridged, invite_to_invite_ms
from bench.load.signalling import NothingAnswered, Outcome
from tests.partners.process import free_port


def address() -> tuple[str, int]:
    return "127.0.0.7", free_port("127.0.0.7")


class Wire(asyncio.DatagramProtocol):
    """Forwards to ``target`` after ``delay`` seconds, but for every ``losing``th packet."""

    def __init__(self, target: tuple[str, int], delay: float = 0.0, losing: int = 0) -> None:
        self.target, self.delay, self.losing = target, delay, losing
        self.count = 0

    out: asyncio.DatagramTransport

    def datagram_received(self, data: bytes, _: object) -> None:
        self.count += 1
        if not (self.losing and self.count % self.losing == 0):
            asyncio.get_running_loop().call_later(self.delay, self.out.sendto, data, self.target)


async def test_a_direct_wire_loses_nothing_and_adds_next_to_nothing() -> None:
    a, b = address(), address()
    load = await rtp.run([rtp.Bridged(a, b, b, a)], seconds=0.5, warmup=0.1)
    assert (load.sent, load.received, load.loss) == (50, 50, 0)
    assert (load.foreign, load.misrouted, load.reordered) == (0, 0, 0)
    assert 0 < load.delay_ms.p50 < 5


async def test_delay_and_loss_on_the_way_are_measured() -> None:
    a, b, there, back = address(), address(), address(), address()
    loop = asyncio.get_running_loop()
    to_agent, to_caller = Wire(b, delay=0.010, losing=4), Wire(a, delay=0.010)
    forth, _ = await loop.create_datagram_endpoint(lambda: to_agent, local_addr=there)
    home, _ = await loop.create_datagram_endpoint(lambda: to_caller, local_addr=back)
    # Each end hears only the address that it sends to, so each wire speaks from the other one's socket.
    to_agent.out, to_caller.out = home, forth
    load = await rtp.run([rtp.Bridged(a, there, b, back)], seconds=1, warmup=0.1)
    forth.close()
    home.close()
    assert load.loss == pytest.approx(0.125, abs=0.03)
    assert load.delay_ms.p50 >= 10


async def test_bad_input_is_refused_with_what_would_be_right() -> None:
    with pytest.raises(RuntimeError, match="ip:port would be right"):
        await rtp.run([rtp.Bridged(("localhost", 1), ("127.0.0.7", 2), ("127.0.0.7", 3), ("127.0.0.7", 4))])
    with pytest.raises(RuntimeError, match="no calls"):
        await rtp.run([])


async def test_calls_at_a_rate_are_paired_and_carry_load() -> None:
    async with Agents(calls=5) as agents, \
            Callers((agents.ip, agents.port), "4001", calls=5, rate=20, hold_ms=2500) as callers:
        await asyncio.sleep(0.6)
        pairs = bridged(callers, agents)
        assert len(pairs) == 5
        assert len({pair.caller_local for pair in pairs}) == 5
        assert (await rtp.run(pairs, seconds=0.5, warmup=0.1)).loss == 0
        assert len(callers.answer_ms()) == len(invite_to_invite_ms(callers, agents)) == 5
        assert all(0 < ms < 400 for ms in callers.answer_ms())
        assert (await callers.ended(), await agents.ended()) == (0, 0)


def test_a_result_names_its_machine_and_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    path = report.write("call", {"answer_p99_ms": report.quantile([1.0, 2.0, 3.0], 0.5)})
    found = json.loads(path.read_text())
    assert found["metrics"] == {"answer_p99_ms": 2.0}
    assert {"cpu", "cores", "memory_gib", "kernel"} <= found["machine"].keys()
    assert "commit" in found


def test_where_nothing_was_answered_it_is_said_and_not_measured() -> None:
    outcome = Outcome(3, failed=1, repeated=7, times={"refused": [1.0, 2.0]}, logged={})
    with pytest.raises(NothingAnswered, match="none of 3 calls was answered: 2 refused, 1 failed, 7 messages repeated"):
        _ = outcome.answered
