"""Whisper (faster-whisper): whole utterances only, 1.2–1.5 s each on one core. The fallback where no streaming model
is installed, and a second opinion after the call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel

from asr.engines.base import Transcript
from asr.engines.upsample import Upsampler
from asr.pinyin import syllables_of
from asr.simplified import simplified
from calls.errors import ModelError

_NO_SPEECH = 0.6
"""Above this probability Whisper itself says that nobody spoke; it invents sentences for noise."""


class Whisper:
    """The CTranslate2 model in ``folder`` (``model.bin``, ``config.json``, ``tokenizer.json``, ``vocabulary.json``)."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "model.bin").is_file():  # otherwise the library would look for it on the network
            raise ModelError(f"{folder}: there is no model.bin; a Whisper model is a folder in CTranslate2 format")
        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)

    def session(self, phrases: Sequence[str]) -> WhisperSession:
        """``phrases`` are not used: as a prompt they doubled the error rate where it was measured."""
        return WhisperSession(self._model)

    def warm_up(self) -> None:
        """Read the table of traditional characters."""
        simplified("歡迎")


class WhisperSession:
    """Collects one utterance."""

    def __init__(self, model: WhisperModel) -> None:
        self._model = model
        self._pcm = bytearray()

    def feed(self, pcm: bytes) -> None:
        self._pcm += pcm

    def partial(self) -> None:
        return None

    def finish(self) -> Transcript:
        audio = Upsampler().push(bytes(self._pcm))
        segments, _ = self._model.transcribe(
            audio,
            language="zh",
            beam_size=5,
            temperature=0.0,  # no second, third … try when unsure: each costs another second
            condition_on_previous_text=False,
            without_timestamps=True,
        )
        spoken = [segment for segment in segments if segment.no_speech_prob < _NO_SPEECH]
        if not spoken:
            return Transcript()
        text = simplified("".join(segment.text for segment in spoken).strip())
        confidence = math.exp(float(np.mean([segment.avg_logprob for segment in spoken])))
        return Transcript(syllables_of(text), text, round(min(confidence, 1.0), 3))
