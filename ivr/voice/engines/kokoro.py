"""Kokoro-82M (onnxruntime) with misaki's Mandarin pronunciation: natural, half real time on one core."""

from __future__ import annotations

import logging
from pathlib import Path

import jieba
import numpy as np
import onnxruntime
from misaki.zh import ZHG2P

from calls.errors import ModelError
from ivr.voice.engines.alphabet import PHONEMES
from ivr.voice.signal import decimate, level, to_pcm, trim

_STYLES = (510, 1, 256)
"""One style vector for each length of the phoneme sequence, which also is the longest sequence."""
_OVERSAMPLED = 3
_THREADS = 2
"""One core renders hardly faster than real time; the process is niced, so the second is only borrowed."""


class Kokoro:
    """``model`` is the ONNX file, ``voice`` a ``.bin`` of float32 style vectors."""

    def __init__(self, model: Path, voice: Path, speed: float = 1.0) -> None:
        styles = np.fromfile(voice, dtype="<f4")
        if styles.size != np.prod(_STYLES):
            raise ModelError(f"{voice}: {styles.size} numbers; a Kokoro voice has {np.prod(_STYLES)}")
        self._styles = styles.reshape(_STYLES)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _THREADS
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads must not burn a core
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._speed = np.array([speed], dtype=np.float32)
        jieba.setLogLevel(logging.WARNING)
        self._phonemes = ZHG2P()
        self.speak("您好")  # the dictionaries load at the first sentence: not while a caller waits

    def speak(self, text: str) -> bytes:
        numbers = [PHONEMES[p] for p in self._phonemes(text)[0] if p in PHONEMES][: _STYLES[0] - 1]
        if not numbers:
            return b""
        (audio,) = self._session.run(
            None,
            {
                "tokens": np.array([[0, *numbers, 0]], dtype=np.int64),
                "style": self._styles[len(numbers)],
                "speed": self._speed,
            },
        )
        return to_pcm(level(trim(decimate(np.asarray(audio, dtype=np.float32).ravel(), _OVERSAMPLED))))
