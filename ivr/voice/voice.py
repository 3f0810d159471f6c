"""The voice that callers hear: recorded prompts first, then the cache, then the synthesiser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from calls.errors import HotlineError
from calls.phone import Sound
from ivr.voice.cache import PromptCache, RecordedPrompts, VoiceKey
from ivr.voice.clauses import clauses, pause_after
from ivr.voice.renderer import Renderer, VoiceDown, VoiceSpec
from ivr.voice.signal import RATE


class Voice:
    """``spec`` None: no synthesiser; only recorded and cached prompts can be said.

    ``cache`` is a folder of ours (``<data>/prompts``); ``recorded`` the dialplan's folder with its manifest.
    ``module`` is run with ``python -m``; another one may bring another synthesiser.
    """

    def __init__(
        self, spec: VoiceSpec | None, cache: Path, recorded: Path | None = None, *, module: str = "ivr.voice.worker"
    ) -> None:
        self._folder, self._module = cache, module
        self._recorded = RecordedPrompts(recorded) if recorded else None
        self._renderer: Renderer | None = None
        self.speak_with(spec)

    def speak_with(self, spec: VoiceSpec | None) -> None:
        """Take this synthesiser, which ``start`` is to load, in place of one that could not be loaded."""
        voice = spec.voice.stem if spec and spec.voice else ""
        key = VoiceKey(spec.engine, voice, spec.speed) if spec else VoiceKey("none")
        self._cache = PromptCache(self._folder, key, self._recorded)
        self._renderer = Renderer(spec, self._module) if spec else None

    async def start(self) -> None:
        """Load the synthesiser. Raises ModelError; the voice then still says what is recorded or cached."""
        await asyncio.to_thread(self._cache.prune)
        if self._renderer:
            await self._renderer.start()

    async def close(self) -> None:
        """Stop the synthesiser. May be called twice."""
        if self._renderer:
            await self._renderer.close()

    async def say(self, text: str) -> AsyncIterator[Sound]:
        """``text`` as sounds to be played one after another, the first as early as it can be had: while it is heard,
        the next clauses are rendered. Raises VoiceDown where a clause can be had from nowhere."""
        if whole := await self._find(text):
            yield whole
            return
        pieces = clauses(text)
        # All are looked for before any is rendered: the synthesiser is to be asked in the order in which they are said.
        found = await asyncio.gather(*map(self._find, pieces))
        sounds = [asyncio.ensure_future(self._had(sound, piece)) for sound, piece in zip(found, pieces, strict=True)]
        try:
            for index, sound in enumerate(sounds):
                spoken = await sound
                last = index == len(sounds) - 1
                yield spoken if last else _with_pause(spoken)
        finally:
            for sound in sounds:
                sound.cancel()
            await asyncio.gather(*sounds, return_exceptions=True)

    async def render(self, text: str) -> Sound:
        """The whole of ``text`` in one piece."""
        pieces = [sound.pcm async for sound in self.say(text)]
        return Sound(b"".join(pieces), text)

    async def prepare(self, texts: Iterable[str]) -> int:
        """Render ahead what is not there yet, giving way to callers; return how many texts are ready to be said."""
        ready = 0
        for text in texts:
            try:
                if not await self._find(text):
                    for piece in clauses(text):
                        if not await self._find(piece):
                            await self._rendered(piece, urgent=False)
                ready += 1
            except HotlineError:
                continue  # it is said, and fails, where a caller needs it; the others can still be prepared
        return ready

    async def _had(self, found: Sound | None, clause: str) -> Sound:
        return found or await self._rendered(clause, urgent=True)

    async def _rendered(self, clause: str, *, urgent: bool) -> Sound:
        if self._renderer is None:
            raise VoiceDown(f"“{clause}” is not recorded, and there is no synthesiser; hotline models fetch")
        await self._renderer.render(clause, self._cache.path(clause), urgent=urgent)
        if rendered := await self._find(clause):
            return rendered
        raise VoiceDown(f"“{clause}” was rendered, but its file cannot be read")

    async def _find(self, text: str) -> Sound | None:
        if remembered := self._cache.remembered(text):
            return remembered
        found = await asyncio.to_thread(self._cache.read, text)  # the disk may be busy with recordings
        if found:
            self._cache.remember(found)
        return found


def _with_pause(sound: Sound) -> Sound:
    silence = bytes(2 * int(pause_after(sound.text) * RATE))
    return Sound(b"".join((sound.pcm, silence)), sound.text)
