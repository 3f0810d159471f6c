"""Streaming zipformer transducer (sherpa-onnx): writes toned pinyin, initial and final, while it listens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sherpa_onnx

from asr.characters import Characters
from asr.engines.base import Transcript
from asr.engines.upsample import Upsampler
from asr.pinyin import join_tokens, toneless
from calls.errors import ModelError

PARTS = ("encoder", "decoder", "joiner")
_RATE = 16_000
_FLUSH = np.zeros(_RATE * 2 // 5, dtype=np.float32)
"""0.4 s of silence push the last syllable through the model's look-ahead (320 ms chunks)."""


class Zipformer:
    """The model in ``folder``: ``encoder*.onnx``, ``decoder*.onnx``, ``joiner*.onnx`` and ``tokens.txt``."""

    def __init__(self, folder: Path) -> None:
        parts = {part: str(_only(folder, f"{part}*.onnx")) for part in PARTS}
        self._recogniser = sherpa_onnx.OnlineRecognizer.from_transducer(
            tokens=str(_only(folder, "tokens.txt")),
            num_threads=1,
            sample_rate=_RATE,
            decoding_method="modified_beam_search",  # 15% of single words wrong, greedy 20%, at the same cost
            **parts,
        )
        self._characters = Characters()

    def session(self, phrases: Sequence[str]) -> ZipformerSession:
        return ZipformerSession(self._recogniser, self._characters, phrases)

    def warm_up(self) -> None:
        self._characters.load()


class ZipformerSession:
    """One utterance in one decoder stream; 20 ms of speech cost about 0.5 ms."""

    def __init__(self, recogniser: Any, characters: Characters, phrases: Sequence[str]) -> None:
        self._recogniser, self._characters, self._phrases = recogniser, characters, phrases
        self._stream = recogniser.create_stream()
        self._upsampler = Upsampler()
        self._partial = Transcript()
        self._tokens = 0

    def feed(self, pcm: bytes) -> None:
        self._accept(self._upsampler.push(pcm))

    def partial(self) -> Transcript:
        """Made anew only when tokens came: asked for at every frame, it must cost nothing."""
        tokens = self._recogniser.tokens(self._stream)
        if len(tokens) != self._tokens:
            self._tokens = len(tokens)
            toned = join_tokens(tokens)
            text = self._characters.write(toned, self._phrases) if self._characters.loaded else ""
            self._partial = Transcript(toneless(toned), text)
        return self._partial

    def finish(self) -> Transcript:
        self._accept(_FLUSH)
        self._stream.input_finished()
        self._decode()
        toned = join_tokens(self._recogniser.tokens(self._stream))
        return Transcript(toneless(toned), self._characters.write(toned, self._phrases), self._confidence())

    def _confidence(self) -> float:
        """Geometric mean of the tokens' probabilities."""
        log_probabilities = self._recogniser.ys_probs(self._stream)
        return round(float(np.exp(np.mean(log_probabilities))), 3) if log_probabilities else 0.0

    def _accept(self, samples: Any) -> None:
        self._stream.accept_waveform(_RATE, samples)
        self._decode()

    def _decode(self) -> None:
        while self._recogniser.is_ready(self._stream):
            self._recogniser.decode_stream(self._stream)


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise ModelError(f"{folder}: {len(found)} files match {pattern}; a zipformer model has exactly one")
    return found[0]
