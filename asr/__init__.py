"""Speech recognition: who speaks when, which syllables, and the worker processes that find out.

tap socket → voice detector → endpointing → engine → Heard
"""

from asr.recogniser import (
    Listening,
    Partial,
    Recogniser,
    RecogniserDown,
    SpeechEvent,
    SpeechStarted,
)
from asr.workers import EngineSpec, WorkerPool

__all__ = [
    "EngineSpec",
    "Listening",
    "Partial",
    "Recogniser",
    "RecogniserDown",
    "SpeechEvent",
    "SpeechStarted",
    "WorkerPool",
]
