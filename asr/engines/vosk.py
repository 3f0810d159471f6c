"""Vosk (Kaldi), for those who have one of its Chinese models: streaming, writes words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import vosk

from asr.engines.base import Transcript
from asr.engines.upsample import Upsampler
from asr.pinyin import syllables_of
from calls.errors import ModelError

_RATE = 16_000


class Vosk:
    """The model in ``folder``, as unpacked from ``vosk-model-cn-0.22`` or ``vosk-model-small-cn-0.22``."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "am").is_dir() and not list(folder.glob("*.mdl")):  # Kaldi aborts the process without one
            raise ModelError(f"{folder}: there is no am/final.mdl; name the folder that a Vosk archive unpacks to")
        vosk.SetLogLevel(-1)
        self._model = vosk.Model(str(folder))

    def session(self, phrases: Sequence[str]) -> VoskSession:
        """``phrases`` are not used: as a grammar they would forbid every other sentence."""
        return VoskSession(vosk.KaldiRecognizer(self._model, _RATE))

    def warm_up(self) -> None:
        syllables_of("您好")


class VoskSession:
    """One utterance. Kaldi may close sentences within it; they are joined."""

    def __init__(self, recogniser: Any) -> None:
        self._recogniser = recogniser
        recogniser.SetWords(True)
        self._upsampler = Upsampler()
        self._words: list[dict[str, Any]] = []

    def feed(self, pcm: bytes) -> None:
        samples = np.clip(self._upsampler.push(pcm) * 32768.0, -32768, 32767).astype("<i2")
        if self._recogniser.AcceptWaveform(samples.tobytes()):
            self._words += json.loads(self._recogniser.Result()).get("result", [])

    def partial(self) -> Transcript:
        text = _joined(self._words) + _unspaced(json.loads(self._recogniser.PartialResult())["partial"])
        return Transcript(syllables_of(text), text)

    def finish(self) -> Transcript:
        self._words += json.loads(self._recogniser.FinalResult()).get("result", [])
        if not self._words:
            return Transcript()
        text = _joined(self._words)
        confidence = sum(word["conf"] for word in self._words) / len(self._words)
        return Transcript(syllables_of(text), text, round(min(confidence, 1.0), 3))


def _joined(words: Sequence[dict[str, Any]]) -> str:
    return "".join(word["word"] for word in words)


def _unspaced(text: str) -> str:
    return text.replace(" ", "")
