"""SIPp as many callers and as a bank of phones, and the server that they load (``siphost``): what came of it."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.load.siphost import CALLERS, DIALLED, FIRST_USER, HOST, PASSWORD
from tests.partners.process import free_port, launch, port_is_free, stop, until

SCENARIOS = Path(__file__).parent / "scenarios"
PHONES = "127.0.0.5"
PATIENCE = 45.0
"""Seconds for the last of the calls: SIPp repeats a request that nobody answers for 32."""
FORGETTING = 45.0
"""Seconds after which nothing may be left: transactions are kept for 32 (RFC 3261, 64·T1)."""


def cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


class NothingAnswered(Exception):
    """A load to which the server gave no answer at all."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What SIPp counted. Times are in milliseconds."""

    calls: int
    failed: int
    repeated: int
    """Messages that were sent again for want of a response."""
    times: Mapping[str, Sequence[float]] = field(repr=False)
    """By the scenario's name for what was timed."""
    logged: Mapping[str, float] = field(repr=False)
    """Number → when its INVITE passed, in seconds of this machine's clock."""

    @property
    def refused(self) -> int:
        """Calls that got 503 and were told when to come back."""
        return len(self.times.get("refused", []))

    @property
    def answered(self) -> Sequence[float]:
        """How long each answer took. Raises NothingAnswered: then no figure would mean anything."""
        if not self.times.get("answered"):
            raise NothingAnswered(f"none of {self.calls} calls was answered: {self.refused} refused, "
                                  f"{self.failed} failed, {self.repeated} messages repeated")
        return self.times["answered"]

    @property
    def rate(self) -> float:
        """Calls begun a second, from the first to the last."""
        return (self.calls - 1) / (max(self.logged.values()) - min(self.logged.values()))


class Sipp:
    """One SIPp process on the last core, away from the server's. Inside ``async with`` it runs."""

    def __init__(self, scenario: str, ip: str, calls: int, rate: float = 0.0, words: Sequence[object] = (),
                 users: str = "") -> None:
        """``users`` is the text of the injection file ``users.csv``."""
        self.scenario, self.ip, self.calls, self.rate = scenario, ip, calls, rate
        self.port = free_port(ip)
        self._words, self._users = words, users

    async def __aenter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="sipp-")
        self.folder = Path(self._temporary.name)
        (self.folder / "users.csv").write_text(self._users)
        rate = ("-r", self.rate) if self.rate else ()
        often = max(1, min(1000, self.calls // 10))  # SIPp writes times by so many, and forgets the last few
        self._process = await launch([
            "taskset", "-c", str(cores()[-1]), "sipp", "-sf", str(SCENARIOS / f"{self.scenario}.xml"),
            "-i", self.ip, "-p", str(self.port), "-bind_local", "-nostdin", "-m", str(self.calls),
            "-trace_stat", "-stf", "stat.csv", "-fd", "1", "-trace_rtt", "-rtt_freq", str(often),
            "-trace_logs", "-log_file", "log.txt", "-trace_err", "-error_file", "errors.txt",
            "-buff_size", str(4 * 2**20), *map(str, (*rate, *self._words)),
        ], self.folder)
        await until(lambda: not port_is_free(self.ip, self.port) or self._process.returncode is not None, 10, "SIPp")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: TracebackType | None) -> None:
        await stop(self._process, grace=0)
        self._temporary.cleanup()

    async def ended(self) -> Outcome:
        """Wait for the end of the last call, then read what was counted. Raises TimeoutError, and RuntimeError where
        SIPp gave up before."""
        await asyncio.wait_for(self._process.wait(), (self.calls / self.rate if self.rate else 0) + PATIENCE)
        last = self._last_row()
        outcome = Outcome(
            int(last["TotalCallCreated"]), int(last["FailedCall(C)"]), int(last["Retransmissions(C)"]),
            self._times(), self.logged(),
        )
        if outcome.calls < self.calls:
            raise RuntimeError(f"SIPp made {outcome.calls} calls of {self.calls}: {self.complaints()}")
        if outcome.failed:
            print(self.complaints(), file=sys.stderr)
        return outcome

    def logged(self) -> dict[str, float]:
        """Number → when its INVITE passed, until now."""
        return dict(map(_logged, (self.folder / "log.txt").read_text().splitlines()))

    @property
    def uri(self) -> str:
        return f"sip:agent@{self.ip}:{self.port}"

    def complaints(self) -> str:
        """The first words of SIPp on what went wrong; empty where nothing did."""
        errors = self.folder / "errors.txt"
        return errors.read_text(errors="replace")[:1500] if errors.exists() else ""

    def _last_row(self) -> Mapping[str, str]:
        with (self.folder / "stat.csv").open(newline="") as file:
            return [*csv.DictReader(file, delimiter=";")][-1]

    def _times(self) -> dict[str, list[float]]:
        times: dict[str, list[float]] = {}
        for path in self.folder.glob("*_rtt.csv"):
            for _, spent, name in (line.split(";")[:3] for line in path.read_text().splitlines()[1:]):
                times.setdefault(name.strip('"'), []).append(float(spent))
        return times


def _logged(line: str) -> tuple[str, float]:
    """A line of a scenario's own: a number, and SIPp's time stamp, which ends in seconds since 1970."""
    number, *_, moment = line.split()
    return number, float(moment)


class Server:
    """A running ``siphost`` on the first core."""

    def __init__(self, process: Process, pid: int, port: int) -> None:
        self.pid, self.port = pid, port
        self._process = process

    async def state(self) -> dict[str, dict[str, int]]:
        """``live`` and ``counters``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        state: dict[str, dict[str, int]] = json.loads(await self._process.stdout.readline())
        return state

    async def idle(self) -> dict[str, int]:
        """Wait until nothing is left over; returns the counters. Raises AssertionError with what is there still."""
        state = await self.state()
        deadline = asyncio.get_running_loop().time() + FORGETTING
        while any(state["live"].values()):
            assert asyncio.get_running_loop().time() < deadline, f"left over: {state['live']}"
            await asyncio.sleep(0.5)
            state = await self.state()
        return state["counters"]

    def cpu_seconds(self) -> float:
        """Processor time of all threads until now, as the kernel counts it in nanoseconds."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def callers(self, calls: int, rate: float, at_once: int = 1_000_000) -> Sipp:
        """``calls`` callers, ``rate`` a second, as long as no more than ``at_once`` are in a call."""
        return Sipp("caller", CALLERS, calls, rate, ("-l", at_once, "-key", "dialled", DIALLED, self.address))

    def registering(self, phones: int, rate: float) -> Sipp:
        """``phones`` telephones, each with an account of its own, behind one proxy."""
        return Sipp("register", CALLERS, phones, rate, ("-inf", "users.csv", self.address), accounts(phones))

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"


@asynccontextmanager
async def server(*words: str) -> AsyncIterator[Server]:
    """A server of its own for one measurement; ``words`` are further arguments of ``siphost``."""
    port = free_port(HOST)
    with tempfile.TemporaryDirectory(prefix="hotline-bench-") as name:
        folder = Path(name)
        command = ["taskset", "-c", str(cores()[0]), sys.executable, "-m", "bench.load.siphost", str(port), *words]
        process = await launch(command, folder, stdin=PIPE, stdout=PIPE)
        try:
            assert process.stdout is not None
            ready = await asyncio.wait_for(process.stdout.readline(), 30)
            assert ready, (folder / "output.log").read_text()
            yield Server(process, int(ready), port)
        finally:
            await stop(process)


def phones(calls: int) -> Sipp:
    """A bank of phones behind one contact that picks up ``calls`` calls."""
    return Sipp("phone", PHONES, calls)


def accounts(phones: int) -> str:
    """SIPp's injection file: user, and the directive that answers a challenge."""
    users = (str(FIRST_USER + number) for number in range(phones))
    rows = (f"{user};[authentication username={user} password={PASSWORD}];" for user in users)
    return "\n".join(["SEQUENTIAL", *rows, ""])
