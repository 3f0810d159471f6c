"""Holds the conversation with one caller: does what the flow says, and tells it how that went."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from asr.recogniser import Recogniser
from calls import Caller, Dial, Finished, Heard, Outcome, Phone, Sound, ToQueue
from calls.errors import LegGone
from ivr.actions import Action, Ask, Done, Echo, Failed, Found, Music, NotFound, Result, Say, Serve
from ivr.flow import Flow
from ivr.intents import IntentMatcher, Match
from ivr.plan import Dialplan
from ivr.saying import Note, Saying, Speaker
from ivr.turn import Patience, Turn
from selfservice import Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class Conversation:
    """One caller's conversation, from the greeting to an outcome; it may be taken up again after that.

    ``note`` is told of everything that happens: ``flow.step``, ``prompt.played``, ``caller.heard``,
    ``caller.pressed``, ``caller.silent``, ``intent.understood``, ``intent.unclear``, ``service.answered``,
    ``service.failed``, ``voice.failed``, ``recogniser.down``.
    """

    def __init__(
        self,
        plan: Dialplan,
        caller: Caller,
        phone: Phone,
        *,
        voice: Speaker,
        music: Sound,
        matcher: IntentMatcher,
        recogniser: Recogniser | None,
        services: Mapping[str, Service],
        note: Note,
        patience: Patience | None = None,
    ) -> None:
        self.flow = Flow(plan, caller)
        self._plan, self._caller, self._phone = plan, caller, phone
        self._voice, self._music, self._matcher, self._recogniser = voice, music, matcher, recogniser
        self._services, self._note, self._patience = services, note, patience or Patience()

    async def run(self, at: str | None = None) -> Outcome:
        """Talk until the flow has decided; from its start, or from the step ``at`` (an outcome's ``overflow`` or
        ``failed``). The caller's hang-up cancels this. Raises LegGone when the phone ended first."""
        action = self.flow.start() if at is None else self.flow.at(at)
        while True:
            for step in self.flow.passed:
                self._note("flow.step", {"step": step})
            self.flow.passed.clear()
            if isinstance(action, ToQueue | Dial | Finished):
                return action
            action = self.flow.feed(await self._do(action))

    async def _do(self, action: Action) -> Result:
        match action:
            case Ask():
                return await self._answer(action)
            case Say(step, says):
                async with self._saying(step, says):
                    return Done()
            case Serve(step, says, service):
                async with self._saying(step, says):
                    return await self._served(step, service)
            case Music(_, seconds):
                await self._play_music(seconds)
            case Echo(_, seconds):
                with self._phone.echoing():
                    await asyncio.sleep(seconds)
            case outcome:
                raise TypeError(f"{outcome} is not for the conversation to do")
        return Done()

    # saying and playing -----------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _saying(self, step: str, says: Sequence[str]) -> AsyncIterator[None]:
        """Say something while the block runs, and to the end after it."""
        if not says:
            yield
            return
        playback = await self._phone.play(self._new_saying(says).sounds())
        try:
            yield
            await playback.finished()
        finally:
            try:
                heard = await playback.stop()
            except LegGone:
                heard = 0.0
            self._note(
                "prompt.played",
                {"step": step, "text": "".join(says), "seconds": round(heard, 2), "interrupted_by": ""},
            )

    def _new_saying(self, texts: Sequence[str]) -> Saying:
        return Saying(self._voice, texts, within=self._patience.voice, note=self._note)

    async def _play_music(self, seconds: float) -> None:
        playback = await self._phone.play(self._music, loop=True)
        try:
            await asyncio.sleep(seconds)
        finally:
            await playback.stop()

    # answers ----------------------------------------------------------------------------------------------------

    async def _answer(self, ask: Ask) -> Result:
        turn = Turn(
            ask,
            self._new_saying(ask.says),
            phone=self._phone,
            recogniser=self._recogniser,
            phrases=[phrase for intent in ask.intents for phrase in self._plan.intents[intent]],
            understand=lambda heard: self._understand(ask, heard),
            patience=self._patience,
            note=self._note,
        )
        return await turn.result()

    def _understand(self, ask: Ask, heard: Heard) -> Match:
        self._note(
            "caller.heard",
            {
                "step": ask.step,
                "text": heard.text,
                "syllables": " ".join(heard.syllables),
                "confidence": heard.confidence,
                "speech_ended": heard.speech_ended,
            },
        )
        match = self._matcher.match(heard.syllables, ask.intents)
        nearest = match.intent or (match.ranked[0] if match.ranked else None)
        self._note(
            "intent.understood" if match.intent else "intent.unclear",
            {
                "step": ask.step,
                "intent": nearest.name if nearest else "",
                "confidence": nearest.confidence if nearest else 0.0,
                "phrase": nearest.phrase if nearest else "",
            },
        )
        return match

    async def _served(self, step: str, name: str) -> Result:
        try:
            async with asyncio.timeout(self._patience.service):
                answer = await self._services[name].serve(self._caller, {})
        except Exception as error:  # noqa: BLE001 - whatever ails a service, the flow knows what to do without it
            self._note("service.failed", {"step": step, "service": name, "problem": repr(error)})
            return Failed()
        self._note("service.answered", {"step": step, "service": name, "found": answer.found})
        return Found(answer.values) if answer.found else NotFound()
