"""The small parts of the server, each alone."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from calls import Call, Caller, Event, Hangup, Identity, Phone, Side
from calls.errors import LegGone
from media.pieces import Piece
from server.banner import banner
from server.diary import Chronicle, Diary
from server.ears import Ears
from server.parts import Parts
from server.settings import Settings
from server.talking import Talks
from server.telemetry import STALL_SECONDS, LoopWatch
from server.timeline import Timeline
from server.trunk_settings import TrunkSettings
from server.wiring import Server
from storage import EventLog
from tests.partners.speech import speechlike

NOON = datetime(2025, 3, 3, 4, 0, tzinfo=UTC)
CALL = Call("7a1cfb0e-6a0a-4b0a-8a73-0e0b1f3f1d11", "carrier", "4008001234", None, "main", NOON)


@dataclass
class Clock:
    """Stands still unless it is put forward."""

    at: float = 0.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.at)


# -- diary ---------------------------------------------------------------------------------------------------------


def test_a_diary_holds_what_anybody_says_of_its_call_and_of_no_other() -> None:
    written: list[Event] = []
    watched: list[str] = []
    log = cast(EventLog, SimpleNamespace(append=written.append, waiting=3))
    chronicle, clock = Chronicle(log, lambda event: watched.append(event.kind)), Clock()
    diary = Diary(CALL, chronicle, clock)
    diary.note("call.invited", {"called": CALL.called})
    clock.at = 2.0
    chronicle.append(Event("queue.entered", clock.now(), CALL.id))
    chronicle.append(Event("queue.entered", clock.now(), "another call"))
    chronicle.append(Event("agent.presence", clock.now(), agent="1001"))
    assert [event.kind for event in diary.events] == ["call.invited", "queue.entered"]
    assert diary.has("queue.entered")
    assert not diary.has("call.answered")
    diary.close()
    diary.note("call.ended")
    assert len(diary.events) == 2, "a closed diary grows no more"
    assert [event.kind for event in written] == watched
    assert written[-1] == Event("call.ended", NOON + timedelta(seconds=2), CALL.id)
    assert chronicle.waiting == 3


# -- the talk ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [Side.AGENT, Side.NETWORK])
async def test_an_agent_who_hangs_up_in_the_moment_of_the_answer_ends_the_talk_and_not_the_call(by: Side) -> None:
    @contextmanager
    def nobody(*_: object) -> Iterator[None]:
        raise LegGone("the leg has ended")
        yield

    class Gone:
        async def __aenter__(self) -> None:
            with nobody():
                pass

        async def __aexit__(self, *_: object) -> None: ...

    async def ended() -> Hangup:
        return Hangup(by)

    kinds: list[str] = []
    parts = cast(Parts, SimpleNamespace(telephony=SimpleNamespace(joined=lambda phone, other, *, moves: Gone())))
    diary = cast(Diary, SimpleNamespace(note=lambda kind, details: kinds.append(kind)))
    agent = cast(Phone, SimpleNamespace(id="leg", ended=ended))
    hangup = await Talks(CALL, Caller(Identity.UNKNOWN), cast(Phone, None), parts, diary).talk(agent)
    assert isinstance(hangup, Hangup)
    assert hangup.by is by
    assert kinds == ["leg.ended"]


# -- ears ----------------------------------------------------------------------------------------------------------


@dataclass
class Tapped:
    """A phone whose tap the test feeds."""

    out: socket.socket | None = None

    @contextmanager
    def tapped(self, fd: int) -> Iterator[None]:
        self.out = socket.socket(fileno=socket.dup(fd))
        self.out.setblocking(False)
        with self.out:
            yield


@pytest.mark.parametrize("frames", [1, 2])
async def test_ears_tell_speech_from_a_click_and_from_silence(frames: int) -> None:
    phone = Tapped()
    speaking, silence = speechlike(1.0)[: 8 * 160].astype("<i2").tobytes(), bytes(320)  # half of it were too little
    click = (np.ones(160) * 20000).astype("<i2").tobytes()
    loop = asyncio.get_running_loop()

    async def hears(*frames: bytes) -> None:
        assert phone.out is not None
        for frame in frames:
            await loop.sock_sendall(phone.out, bytes(Piece(0, frame)))
            await asyncio.sleep(0)

    with Ears(cast(Phone, phone)) as ears:
        await hears(silence, click, silence, click, silence)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ears.speech()
        await hears(*(speaking[at : at + 320 * frames] for at in range(0, len(speaking), 320 * frames)))
        async with asyncio.timeout(5):
            await ears.speech()
            said = loop.time()
            await ears.silence(0.1)
        assert loop.time() - said >= 0.05
        ears.forget()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ears.speech()


# -- timeline and banner -------------------------------------------------------------------------------------------


def test_a_timeline_is_in_order_and_in_milliseconds() -> None:
    timeline = Timeline(datetime.now(UTC) - timedelta(seconds=2))
    timeline.mark("the caller hears the greeting")
    timeline.began -= timedelta(seconds=1)
    timeline.mark("the agent's phone rings")
    rows = timeline.text().splitlines()
    assert [row.split(" ms  ")[1] for row in rows] == ["the caller hears the greeting", "the agent's phone rings"]
    assert all(3000 <= int(row.split(" ms")[0]) < 60_000 for row in rows)


def test_the_banner_tells_what_to_dial_and_how_to_register(tmp_path: Path) -> None:
    settings = Settings({"4008001234": "main"}, (TrunkSettings("carrier", ("192.0.2.0/24",)),), {}, tmp_path, demo=True)
    server = Server(cast(Parts, None), "192.0.2.1", "secret", "psql -h /there", "it hears with zipformer.", 1.26)
    text = banner(settings, server)
    assert "Hotline answers calls on 192.0.2.1:5060 (SIP over UDP, TCP). 1.3 s to start; it hears with zip" in text
    assert "dial       sip:4008001234@192.0.2.1:5060, from 192.0.2.0/24" in text
    assert re.search(r"register a softphone at 192\.0\.2\.1:5060, user / password: 1001 / \S+, 1002 / ", text)
    assert "psql -h /there" in text
    assert (tmp_path / "demo-phones.json").stat().st_mode & 0o777 == 0o600


# -- telemetry -----------------------------------------------------------------------------------------------------


def test_a_late_wake_up_is_a_stall_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    watch = LoopWatch(Clock())
    with caplog.at_level(logging.WARNING, "hotline.loop"):
        for late in (0.0, STALL_SECONDS, 0.120, 0.051):
            watch.record(late)
    assert (watch.stalls, watch.worst) == (2, 0.120)
    assert [record.getMessage() for record in caplog.records] == [
        "the event loop stood still for 120 ms", "the event loop stood still for 51 ms"]


async def test_the_watch_measures_by_the_clock() -> None:
    clock = Clock()
    watch = LoopWatch(clock)
    watching = asyncio.create_task(watch.run())
    await asyncio.sleep(0)
    clock.at = 0.5  # so much later it is when the watch wakes from its 20 ms
    async with asyncio.timeout(5):
        while not watch.stalls:  # noqa: ASYNC110 - it wakes by itself
            await asyncio.sleep(0.01)
    watching.cancel()
    assert watch.worst == pytest.approx(0.48)
