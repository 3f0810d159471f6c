"""The small parts of the server, each alone."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from calls import Call, Caller, Event, Hangup, Identity, Phone, Side, Sound
from calls.errors import HotlineError, LegGone
from ivr.voice import Voice
from media.pieces import Piece
from routing import Ticket
from server import notify as systemd
from server.banner import banner
from server.diary import Chronicle, Diary
from server.ears import Ears
from server.hold import CONNECTING, holding, place
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


# -- on hold -------------------------------------------------------------------------------------------------------


@dataclass
class Played:
    """A playback: speech is over at once, music goes on until it is stopped."""

    sounds: list[str]
    failure: HotlineError | None = None
    stopped: bool = False

    async def finished(self) -> float:
        if self.failure:
            raise self.failure
        return 1.0

    async def stop(self) -> float:
        self.stopped = True
        return 1.0


@dataclass
class Listener:
    """A caller's phone that remembers what was played to it."""

    played: list[Played] = field(default_factory=list)
    gone: bool = False

    async def play(self, sound: Sound | AsyncIterable[Sound], *, loop: bool = False) -> Played:
        if self.gone:
            raise LegGone("the leg has ended")
        try:
            texts = [sound.text] if isinstance(sound, Sound) else [piece.text async for piece in sound]
            self.played.append(Played(texts))
        except HotlineError as error:
            self.played.append(Played([], error))
        return self.played[-1]

    @property
    def heard(self) -> list[str]:
        return [text for played in self.played for text in played.sounds]


class Speaker:
    """A voice that says at once what it is to say, or nothing at all."""

    def __init__(self, failure: HotlineError | None = None) -> None:
        self.failure = failure

    async def say(self, text: str) -> AsyncIterator[Sound]:
        if self.failure:
            raise self.failure
        yield Sound(bytes(2), text)


class Line:
    """A ticket whose place in the line the test decides."""

    def __init__(self, position: int, announce_every: float = 0.0) -> None:
        self.position, self.queue = position, SimpleNamespace(announce_every=announce_every)
        self._news = asyncio.Event()

    async def moved(self, since: int) -> int:
        while self.position == since:
            self._news.clear()
            await self._news.wait()
        return self.position

    def moves(self, position: int) -> None:
        self.position = position
        self._news.set()


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@contextmanager
def notes() -> Iterator[tuple[list[tuple[str, Mapping[str, object]]], Callable[[str, Mapping[str, object]], None]]]:
    written: list[tuple[str, Mapping[str, object]]] = []
    yield written, lambda kind, details: written.append((kind, details))


def on_hold(phone: Listener, line: Line, speaker: Speaker, note: Callable[[str, Mapping[str, object]], None]) -> Any:
    return holding(cast(Phone, phone), cast(Ticket, line), cast(Voice, speaker), Sound(bytes(2), "♪"), note)


async def test_on_hold_one_hears_the_place_and_music_and_every_move() -> None:
    phone, line = Listener(), Line(3)
    with notes() as (written, note):
        async with on_hold(phone, line, Speaker(), note):
            await turns()
            assert phone.heard == [place(3), "♪"] == ["您前面还有2位客人，请稍候。", "♪"]
            line.moves(1)
            await turns()
            assert phone.heard == [place(3), "♪", CONNECTING, "♪"]
            line.moves(0)  # an agent has answered: there is no place to be told any more
            await turns()
            assert phone.heard[4:] == ["♪"]
    assert all(played.stopped for played in phone.played)
    assert [details["position"] for _, details in written] == [3, 1]


async def test_the_place_is_said_again_as_often_as_the_queue_wants() -> None:
    phone, line = Listener(), Line(2, announce_every=0.01)
    with notes() as (_, note):
        async with on_hold(phone, line, Speaker(), note), asyncio.timeout(10):
            while phone.heard.count(place(2)) < 3:  # noqa: ASYNC110 - time itself is what is awaited
                await asyncio.sleep(0.005)
    assert phone.heard[:4] == [place(2), "♪", place(2), "♪"]


async def test_a_voice_that_is_down_costs_the_announcement_and_not_the_music() -> None:
    phone, line = Listener(), Line(2)
    with notes() as (written, note):
        async with on_hold(phone, line, Speaker(HotlineError("no voice")), note):
            await turns()
    assert phone.heard == ["♪"]
    assert ("voice.failed", {"text": place(2), "problem": "no voice"}) in written


async def test_a_caller_who_is_gone_is_entertained_no_more() -> None:
    with notes() as (_, note):
        async with on_hold(Listener(gone=True), Line(1), Speaker(), note):
            await turns()


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
    parts = cast(Parts, SimpleNamespace(telephony=SimpleNamespace(joined=lambda phone, other: Gone())))
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


# -- systemd -------------------------------------------------------------------------------------------------------


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket where systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield sock


def test_systemd_is_told_that_the_server_is_ready(listening: socket.socket) -> None:
    assert systemd.notify("READY=1")
    assert listening.recv(100) == b"READY=1"


def test_without_systemd_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not systemd.notify("READY=1")


def test_an_abstract_socket_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{tmp_path}")
        sock.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{tmp_path}")
        assert systemd.notify("STOPPING=1")
        assert sock.recv(100) == b"STOPPING=1"


async def test_the_watchdog_is_fed_twice_a_period(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    began = asyncio.get_running_loop().time()
    feeding = asyncio.create_task(systemd.keep_alive())
    for _ in range(4):
        assert await asyncio.to_thread(listening.recv, 100) == b"WATCHDOG=1"
    assert asyncio.get_running_loop().time() - began >= 0.05
    feeding.cancel()
    with suppress(asyncio.CancelledError):
        await feeding


async def test_no_watchdog_no_feeding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    await asyncio.wait_for(systemd.keep_alive(), 5)


def test_the_unit_is_accepted_by_systemd(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed here")
    unit = (Path(__file__).parents[2] / "systemd" / "hotline.service").read_text(encoding="utf-8")
    program = "/opt/hotline/.venv/bin/hotline"
    assert f"ExecStart={program} run " in unit
    # Only what exists is accepted as a program, and the project need not be installed where the unit expects it.
    copy = tmp_path / "hotline.service"
    copy.write_text(unit.replace(program, "/bin/true").replace("file:/opt/hotline/README.md", "man:true(1)"))
    verify = ["systemd-analyze", "verify", "--man=no", str(copy)]
    verdict = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (verdict.returncode, verdict.stderr) == (0, "")


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
