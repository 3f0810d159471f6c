"""Kokoro on this machine: what it says is understood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calls.errors import ModelError
from ivr.voice.engines.alphabet import PHONEMES
from ivr.voice.engines.espeak import Espeak
from ivr.voice.engines.kokoro import Kokoro
from ivr.voice.signal import from_pcm
from ivr.voice.worker import load
from tests.asr import material


def test_a_rendered_clause_is_levelled_and_trimmed() -> None:
    spec = material.kokoro("zm_yunxi")
    assert spec.model is not None
    assert spec.voice is not None
    kokoro = Kokoro(spec.model, spec.voice)
    samples = from_pcm(kokoro.speak("您的订单已发货"))
    assert 1.0 < len(samples) / 8_000 < 4.0
    assert 10 * np.log10(np.mean(samples**2)) == pytest.approx(-21, abs=2)
    assert kokoro.speak("") == b""


def test_phonemes_have_the_numbers_of_the_model() -> None:
    assert (PHONEMES[";"], PHONEMES[" "], PHONEMES["a"], PHONEMES["ŋ"], PHONEMES["↘"], PHONEMES["ᵻ"]) == (
        1, 16, 43, 112, 173, 177,
    )  # fmt: skip
    assert len(PHONEMES) == 114


def test_a_file_that_is_no_voice_is_named(tmp_path: Path) -> None:
    voice = tmp_path / "short.bin"
    voice.write_bytes(bytes(400))
    with pytest.raises(ModelError, match="100 numbers; a Kokoro voice has 130560"):
        Kokoro(tmp_path / "kokoro.onnx", voice)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "kokoro.onnx").write_bytes(b"no model")
    (tmp_path / "voice.bin").write_bytes(bytes(4 * 510 * 256))
    with pytest.raises(ModelError, match=r"kokoro\.onnx: the Kokoro model cannot be loaded"):
        load("kokoro", tmp_path / "kokoro.onnx", tmp_path / "voice.bin", 1.0)
    with pytest.raises(ModelError, match="hotline models fetch"):
        load("kokoro", None, None, 1.0)


def test_espeak_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelError, match="apt-get install espeak-ng"):
        Espeak()
