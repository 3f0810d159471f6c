"""A stage for conversations: phone, recogniser and voice are played by a script, and time costs none."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asr.recogniser import Listening, RecogniserDown, SpeechEvent, SpeechStarted
from calls import Caller, Digit, Hangup, Heard, HeardBy, Identity, Playback, Side, Sound, ToQueue
from calls.errors import HotlineError, LegGone
from ivr.conversation import Conversation
from ivr.intents import IntentMatcher
from ivr.loader import load_dialplan
from ivr.pinyin import syllables
from ivr.plan import Dialplan, Known
from selfservice import Served

DIALPLANS = Path(__file__).parents[2] / "dialplans"
KNOWN = Known(
    queues=frozenset({"service", "refunds", "complaints", "diagnosis"}),
    services={"latest_order": ("product", "status", "date", "expected")},
)
SECONDS_PER_CHARACTER = 0.2


class _NoWaiting(selectors.DefaultSelector):
    """Never waits: a wait that would be long enough for a timer moves the clock there instead."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("everything waits for something that will never happen")
        self.skipped += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when all are waiting, and then at once."""

    def __init__(self) -> None:
        self._no_waiting = _NoWaiting()
        super().__init__(self._no_waiting)

    def time(self) -> float:
        return self._no_waiting.skipped


def run_virtually(scene: Coroutine[Any, Any, None]) -> None:
    """Run a scene in virtual time, and see that nothing of it goes on afterwards."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:

        async def whole() -> None:
            await scene
            await asyncio.sleep(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}, "something goes on after the conversation"

        runner.run(whole())


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class FakePlayback:
    """Sounds at the pace of a telephone."""

    phone: FakePhone
    sounds: AsyncIterable[Sound]
    loop: bool
    task: asyncio.Task[None] | None = None
    heard: float = 0.0
    _since: float | None = None

    def begin(self) -> None:
        self.task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        try:
            async for sound in self.sounds:
                self.phone.heard.append(sound.text)
                while True:
                    self._since = now()
                    await asyncio.sleep(sound.seconds)
                    self.heard, self._since = self.heard + sound.seconds, None
                    if not self.loop:
                        break
        finally:
            if isinstance(self.sounds, AsyncGenerator):
                await self.sounds.aclose()

    async def finished(self) -> float:
        assert self.task is not None
        await asyncio.wait({self.task})
        if not self.task.cancelled():
            self.task.result()
        return self.heard

    async def stop(self) -> float:
        assert self.task is not None
        if not self.task.done():
            if self._since is not None:
                self.heard, self._since = self.heard + now() - self._since, None
            self.task.cancel()
            await asyncio.wait({self.task})
        return self.heard


async def _once(sound: Sound) -> AsyncIterator[Sound]:
    yield sound


class FakePhone:
    """The caller's telephone: records what it hears, presses what the script says."""

    id = "caller"
    user = ""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.taps: list[int] = []
        self.echoes = 0
        self.gone = False
        self.playback: FakePlayback | None = None
        self.keys: asyncio.Queue[str] = asyncio.Queue()

    async def ring(self) -> None: ...

    async def answer(self, *, record_to: Path | None = None) -> None: ...

    async def reject(self, status: int, reason: str = "", cause: int = 0) -> None: ...

    async def play(self, sound: Sound | AsyncIterable[Sound], *, loop: bool = False) -> Playback:
        if self.playback is not None:
            await self.playback.stop()
        self.playback = FakePlayback(self, _once(sound) if isinstance(sound, Sound) else sound, loop)
        self.playback.begin()
        return self.playback

    async def next_digit(self) -> Digit:
        return Digit(await self.keys.get())

    def forget_digits(self) -> None:
        self.keys = asyncio.Queue()

    @contextmanager
    def tapped(self, fd: int) -> Iterator[None]:
        if self.gone:
            raise LegGone("the leg has ended")
        self.taps.append(fd)
        try:
            yield
        finally:
            self.taps.remove(fd)

    @contextmanager
    def echoing(self) -> Iterator[None]:
        self.echoes += 1
        try:
            yield
        finally:
            self.echoes -= 1

    async def ended(self) -> Hangup:
        return Hangup(Side.CALLER)

    async def hang_up(self, reason: str = "") -> None: ...

    @property
    def silent(self) -> bool:
        """Nothing plays, nobody listens in, no echo."""
        quiet = self.playback is None or self.playback.task is None or self.playback.task.done()
        return quiet and not self.taps and not self.echoes


class FakeListening:
    fd = 99

    def __init__(self, events: asyncio.Queue[SpeechEvent | HotlineError]) -> None:
        self._events = events

    async def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        while True:
            event = await self._events.get()
            if isinstance(event, HotlineError):
                raise event
            yield event
            if isinstance(event, Heard):
                return


class FakeRecogniser:
    """Hears what the script says, whenever somebody listens."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[SpeechEvent | HotlineError] = asyncio.Queue()
        self.down = self.stuck = False
        self.open = 0
        self.phrases: Sequence[str] = ()

    @asynccontextmanager
    async def listening(self, *, phrases: Sequence[str] = ()) -> AsyncIterator[Listening]:
        if self.down:
            raise RecogniserDown("no worker")
        if self.stuck:
            await asyncio.Event().wait()
        self.phrases = phrases
        self.open += 1
        try:
            yield FakeListening(self.events)
        finally:
            self.open -= 1


class FakeVoice:
    """Says a character in 0.2 s; what is in ``fails`` it cannot say."""

    def __init__(self) -> None:
        self.fails: Callable[[str], HotlineError | None] = lambda text: None
        self.stuck = False
        self.busy = 0

    async def say(self, text: str) -> AsyncIterator[Sound]:
        error = self.fails(text)
        if error is not None:
            raise error
        self.busy += 1
        try:
            if self.stuck:
                await asyncio.Event().wait()
            yield Sound(bytes(int(16_000 * SECONDS_PER_CHARACTER * len(text))), text)
        finally:
            self.busy -= 1


class FakeService:
    """Finds a coffee machine, at once, unless told otherwise."""

    name = "latest_order"
    fills = ("product", "status", "date", "expected")

    def __init__(self) -> None:
        self.answer: Served | Exception = Served(
            True, {"product": "咖啡机", "status": "已经发货", "date": "11月20日", "expected": ""}
        )
        self.takes = 0.0

    async def serve(self, caller: Caller, slots: Mapping[str, str]) -> Served:
        await asyncio.sleep(self.takes)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Stage:
    """One conversation with everything around it. Build it inside the scene: its queues belong to the running loop."""

    def __init__(self, plan: Dialplan, caller: Caller) -> None:
        self.phone, self.recogniser, self.voice, self.service = (
            FakePhone(),
            FakeRecogniser(),
            FakeVoice(),
            FakeService(),
        )
        self.notes: list[tuple[str, Mapping[str, object]]] = []
        self.conversation = Conversation(
            plan,
            caller,
            self.phone,
            voice=self.voice,
            music=Sound(bytes(16_000), "music"),
            matcher=IntentMatcher(plan.intents),
            recogniser=self.recogniser,
            services={"latest_order": self.service},
            note=lambda kind, details: self.notes.append((kind, details)),
        )

    def begin(self, at: str | None = None) -> asyncio.Task[Any]:
        """Let the conversation run beside the scene."""
        return asyncio.ensure_future(self.conversation.run(at))

    def starts_to_speak(self) -> None:
        self.recogniser.events.put_nowait(SpeechStarted(now()))

    def has_said(self, text: str) -> None:
        self.recogniser.events.put_nowait(Heard(HeardBy.VOICE, syllables(text), text, speech_ended=now()))

    async def says(self, text: str, seconds: float = 1.0) -> None:
        self.starts_to_speak()
        await asyncio.sleep(seconds)
        self.has_said(text)
        await asyncio.sleep(0.01)

    async def queue_of(self, call: asyncio.Task[Any]) -> str:
        """The queue that the call goes to in the end."""
        outcome = await call
        assert isinstance(outcome, ToQueue)
        return outcome.queue

    async def hangs_up(self, call: asyncio.Task[Any]) -> None:
        """A hang-up is the cancellation of the call's task; nothing may go on after it."""
        call.cancel()
        await asyncio.wait({call})
        assert call.cancelled()
        self.is_over()

    def is_over(self) -> None:
        """Nothing plays, nobody listens, nothing is being rendered."""
        assert self.phone.silent
        assert self.recogniser.open == 0
        assert self.voice.busy == 0

    def presses(self, key: str) -> None:
        self.phone.keys.put_nowait(key)

    def noted(self, kind: str) -> list[Mapping[str, object]]:
        return [details for each, details in self.notes if each == kind]

    @property
    def heard(self) -> str:
        """Everything that the caller has heard so far."""
        return "".join(self.phone.heard)


@pytest.fixture
def virtually() -> Callable[[Coroutine[Any, Any, None]], None]:
    return run_virtually


@pytest.fixture(scope="session")
def main_plan() -> Dialplan:
    return load_dialplan(DIALPLANS / "main.yaml", KNOWN)


@pytest.fixture(scope="session")
def known() -> Known:
    return KNOWN


@pytest.fixture
def stage(main_plan: Dialplan) -> Callable[..., Stage]:
    """Makes a stage for the main plan, with Mr Wang calling unless told otherwise."""
    wang = Caller(Identity.ONE, surname="王", title="先生")

    def make(plan: Dialplan = main_plan, caller: Caller = wang) -> Stage:
        return Stage(plan, caller)

    return make
