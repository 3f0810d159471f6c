"""One question and its answer: the prompt plays, the ears are open, and the first answer wins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from asr.recogniser import Recogniser, RecogniserDown, SpeechEvent, SpeechStarted
from calls import Digit, Heard, Phone, Playback
from calls.errors import LegGone
from ivr.actions import Ask, Deaf, NotUnderstood, Pressed, Result, Silence, Speechless, Understood
from ivr.intents import Match
from ivr.saying import Note, Saying


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a conversation waits, in seconds."""

    answer: float = 6.0
    """For an answer to begin, after the question ended."""
    speech: float = 20.0
    """For a spoken answer to end."""
    echo: float = 0.2
    """Speech that begins before so much of the prompt was heard does not interrupt it."""
    recogniser: float = 2.0
    """For the recogniser to begin to listen."""
    service: float = 5.0
    """For a self-service to answer."""
    voice: float = 5.0
    """For one more clause to be rendered."""


Item = SpeechEvent | RecogniserDown | asyncio.Task[Any]


class Turn:
    """Runs once. Whatever ends it (an answer, time, the caller's hang-up), nothing of it goes on afterwards."""

    def __init__(
        self,
        ask: Ask,
        saying: Saying,
        *,
        phone: Phone,
        recogniser: Recogniser | None,
        phrases: Sequence[str],
        understand: Callable[[Heard], Match],
        patience: Patience,
        note: Note,
    ) -> None:
        self._ask, self._saying, self._phone, self._recogniser = ask, saying, phone, recogniser
        self._phrases, self._understand, self._patience, self._note = phrases, understand, patience, note
        self._inbox: asyncio.Queue[Item] = asyncio.Queue()
        self._tasks: list[asyncio.Task[Any]] = []
        self._playback: Playback | None = None
        self._playing = False
        self._interrupted_by = ""
        self._speaking = False
        self._deadline: float | None = None

    async def result(self) -> Result:
        """Ask, and wait for the answer. Raises LegGone when the phone is gone."""
        try:
            if self._ask.intents and not await self._ears_open():
                return Deaf()
            self._playback = await self._phone.play(self._saying.sounds())
            self._playing = True
            played = self._watch(self._playback.finished())
            key = self._watch(self._phone.next_digit())
            return await self._decide(key, played)
        finally:
            await self._clean_up()

    # the race ---------------------------------------------------------------------------------------------------

    async def _decide(self, key: asyncio.Task[Digit], played: asyncio.Task[float]) -> Result:
        while True:
            try:
                async with asyncio.timeout_at(self._deadline):
                    item = await self._inbox.get()
            except TimeoutError:
                return self._out_of_time()
            if item is key:
                await self._interrupt("keypad")
                return self._pressed(key.result().key)
            if item is played:
                result = self._said(played)
            elif isinstance(item, asyncio.Task):
                result = item.result()  # the ears closed, or broke
            else:
                result = await self._sensed(item)
            if result is not None:
                return result

    async def _sensed(self, event: SpeechEvent | RecogniserDown) -> Result | None:
        match event:
            case SpeechStarted():
                self._speaking = True
                self._wait(self._patience.speech)
                if not self._too_early(event):
                    await self._interrupt("voice")
            case Heard():
                self._speaking = False
                self._wait(self._patience.answer)
                return self._meaning(event)
            case RecogniserDown() if self._speaking:
                return NotUnderstood()
        return None

    def _said(self, played: asyncio.Task[float]) -> Result | None:
        played.result()
        self._playing = False
        if self._saying.speechless and not self._interrupted_by:
            return Speechless()
        if not self._speaking:
            self._wait(self._patience.answer)
        return None

    def _meaning(self, heard: Heard) -> Result | None:
        """What an utterance amounts to; None when it was none (a cough, the prompt's echo) and the ears stay open."""
        if not heard.syllables:
            return NotUnderstood() if self._interrupted_by else None
        match = self._understand(heard)
        if match.intent is not None:
            return Understood(match.intent)
        return None if self._playing else NotUnderstood()

    def _pressed(self, key: str) -> Pressed:
        self._note("caller.pressed", {"step": self._ask.step, "key": key})
        return Pressed(key)

    def _out_of_time(self) -> Result:
        if self._speaking:
            return NotUnderstood()
        self._note("caller.silent", {"step": self._ask.step})
        return Silence()

    def _too_early(self, speech: SpeechStarted) -> bool:
        """Nobody answers what has not been heard: speech this early is the prompt's echo, or a 喂 as the line opens.
        It does not cut the prompt, but is an answer all the same where it means something."""
        began = self._saying.began
        return began is None or speech.at < began + self._patience.echo

    async def _interrupt(self, by: str) -> None:
        if self._playing and self._playback is not None:
            self._playing, self._interrupted_by = False, by
            await self._playback.stop()

    def _wait(self, seconds: float) -> None:
        """Wait so long from now; while the prompt plays and nobody speaks, there is no hurry."""
        hurry = self._speaking or not self._playing
        self._deadline = asyncio.get_running_loop().time() + seconds if hurry else None

    # ears -------------------------------------------------------------------------------------------------------

    async def _ears_open(self) -> bool:
        """Begin to listen; False when there is nobody to do it."""
        if self._recogniser is None:
            return False
        opened: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        listening = self._watch(self._listen(self._recogniser, opened))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience.recogniser):
                if not await opened:
                    listening.result()  # whatever is no RecogniserDown is raised here
                return opened.result()
        self._note("recogniser.down", {"step": self._ask.step, "problem": "took too long"})
        return False

    async def _listen(self, recogniser: Recogniser, opened: asyncio.Future[bool]) -> None:
        """Listen to one utterance after another, until cancelled."""
        try:
            while True:
                async with recogniser.listening(phrases=self._phrases) as listening:
                    with self._phone.tapped(listening.fd):
                        if not opened.done():
                            opened.set_result(True)
                        heard = False
                        async for event in listening:
                            heard = True
                            self._inbox.put_nowait(event)
                if not heard:
                    raise RecogniserDown("listening ended with nothing heard")
        except RecogniserDown as down:
            self._note("recogniser.down", {"step": self._ask.step, "problem": str(down)})
            self._inbox.put_nowait(down)
        finally:
            if not opened.done():
                opened.set_result(False)

    # tasks ------------------------------------------------------------------------------------------------------

    def _watch(self, work: Any) -> asyncio.Task[Any]:
        """Run ``work`` beside the turn; it arrives in the inbox when it is done, and its error is raised there."""
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        task.add_done_callback(self._inbox.put_nowait)
        self._tasks.append(task)
        return task

    async def _clean_up(self) -> None:
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            if self._playback is not None:
                with suppress(LegGone):
                    heard = await self._playback.stop()
                    self._note(
                        "prompt.played",
                        {
                            "step": self._ask.step,
                            "text": "".join(self._saying.texts),
                            "seconds": round(heard, 2),
                            "interrupted_by": self._interrupted_by,
                        },
                    )
