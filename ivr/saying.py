"""Sentences on their way to the caller: rendered piece by piece, and skipped where the voice fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

from calls import Sound

Note = Callable[[str, Mapping[str, object]], None]
"""Takes what happened (``prompt.played``) and its details (JSON values)."""


class Speaker(Protocol):
    """What a conversation needs of the voice."""

    def say(self, text: str) -> AsyncIterable[Sound]:
        """The text as sound, clause by clause. Raises a HotlineError when it cannot be said."""


class Saying:
    """What is said in one go. ``began`` is the loop time at which the first sound was handed over."""

    def __init__(self, speaker: Speaker, texts: Sequence[str], *, within: float, note: Note) -> None:
        self.texts = texts
        self.began: float | None = None
        self._speaker, self._within, self._note = speaker, within, note

    @property
    def speechless(self) -> bool:
        """Whether there was something to say and not one sound of it came; true until the first one came."""
        return bool(self.texts) and self.began is None

    async def sounds(self) -> AsyncGenerator[Sound, None]:
        """The sounds in order. A sentence that cannot be said is noted and left out; the others are still said."""
        for text in self.texts:
            pieces = aiter(self._speaker.say(text))
            try:
                while (sound := await self._next(pieces)) is not None:
                    if self.began is None:
                        self.began = asyncio.get_running_loop().time()
                    yield sound
            except Exception as error:  # noqa: BLE001 - whatever ails the voice, the call goes on without this sentence
                self._note("voice.failed", {"text": text, "problem": str(error) or "took too long"})
            finally:
                close = getattr(pieces, "aclose", None)  # generators hold resources; other iterators have no aclose
                if close is not None:
                    await close()

    async def _next(self, pieces: AsyncIterator[Sound]) -> Sound | None:
        async with asyncio.timeout(self._within):
            return await anext(pieces, None)
