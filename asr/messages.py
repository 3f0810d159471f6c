"""What recogniser and worker processes say to each other: one JSON object a packet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asr.recogniser import Partial, SpeechEvent, SpeechStarted
from calls.speech import Heard, HeardBy

Message = Mapping[str, Any]


def pack(event: SpeechEvent) -> dict[str, Any]:
    """An event as a JSON object."""
    match event:
        case SpeechStarted(at):
            return {"event": "started", "at": at}
        case Partial(syllables, text):
            return {"event": "partial", "syllables": syllables, "text": text}
        case Heard():
            return {
                "event": "heard",
                "syllables": event.syllables,
                "text": event.text,
                "confidence": event.confidence,
                "speech_ended": event.speech_ended,
            }


def unpack(message: Message) -> SpeechEvent:
    """The event in ``message``. Raises KeyError on anything else."""
    kind = message["event"]
    if kind == "started":
        return SpeechStarted(message["at"])
    syllables = tuple(message["syllables"])
    if kind == "partial":
        return Partial(syllables, message["text"])
    return Heard(
        HeardBy.VOICE,
        syllables,
        message["text"],
        confidence=message["confidence"],
        speech_ended=message["speech_ended"],
    )
