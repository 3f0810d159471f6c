"""The engines on speech: human recordings where they are at hand, rendered speech where not."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asr import EngineSpec, WorkerPool
from asr.engines.base import Engine
from asr.engines.upsample import Upsampler
from asr.engines.vosk import VoskSession
from asr.loading import load
from asr.pinyin import syllables_of
from asr.simplified import simplified
from bench.speech import edit_distance
from calls.errors import ModelError
from calls.speech import Heard
from ivr.voice.engines.kokoro import Kokoro
from media.pieces import Piece
from tests.asr import material
from tests.asr.sounds import frames, noise, silence


def transcribe(engine: Engine, pcm: bytes) -> tuple[str, ...]:
    session = engine.session([])
    for frame in frames(pcm):
        session.feed(frame)
    return session.finish().syllables


@pytest.fixture(scope="module")
def zipformer() -> Engine:
    return load("zipformer", material.zipformer())


@pytest.fixture(scope="module")
def rendered() -> bytes:
    """我要退款, spoken by Kokoro."""
    spec = material.kokoro()
    assert spec.model is not None
    assert spec.voice is not None
    return silence(0.3) + Kokoro(spec.model, spec.voice).speak("我要退款") + silence(0.3)


def test_zipformer_understands_human_speech(zipformer: Engine) -> None:
    errors = syllables = 0
    for utterance in material.recordings("aishell", step=15):
        said = syllables_of(utterance.text)
        errors += edit_distance(transcribe(zipformer, utterance.pcm), said)
        syllables += len(said)
    assert errors / syllables < 0.12


def test_zipformer_understands_rendered_speech(zipformer: Engine, rendered: bytes) -> None:
    session = zipformer.session(["我要退款"])
    session.feed(rendered)
    result = session.finish()
    assert result.syllables == ("wo", "yao", "tui", "kuan")
    assert result.text == "我要退款"
    assert 0.3 < result.confidence <= 1.0


def test_zipformer_hears_nothing_in_noise(zipformer: Engine) -> None:
    assert len(transcribe(zipformer, noise(2.0, -40))) <= 1


def test_partials_grow_while_somebody_speaks(zipformer: Engine, rendered: bytes) -> None:
    session = zipformer.session([])
    lengths = []
    for frame in frames(rendered):
        session.feed(frame)
        partial = session.partial()
        assert partial is not None
        lengths.append(len(partial.syllables))
    assert lengths == sorted(lengths)
    assert lengths[-1] >= 2


def test_whisper_understands_rendered_speech(rendered: bytes) -> None:
    engine = load("whisper", material.whisper())
    assert transcribe(engine, rendered) == ("wo", "yao", "tui", "kuan")
    assert engine.session([]).partial() is None


async def test_a_sentence_in_real_time_is_heard_by_a_worker(rendered: bytes) -> None:
    pool = WorkerPool(EngineSpec("zipformer", material.zipformer()))
    await pool.start()
    try:
        async with pool.listening(phrases=["我要退款"]) as listening:
            speaking = asyncio.create_task(_speak_in_real_time(listening.fd, rendered + silence(2)))
            heard = [event async for event in listening][-1]
            speaking.cancel()
    finally:
        await pool.close()
    assert isinstance(heard, Heard)
    assert heard.syllables == ("wo", "yao", "tui", "kuan")
    assert heard.speech_ended is not None


async def _speak_in_real_time(fd: int, sound: bytes) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for index, frame in enumerate(frames(sound)):
        await asyncio.sleep(began + 0.02 * index - loop.time())
        try:
            os.write(fd, bytes(Piece(160 * index, frame)))
        except ConnectionRefusedError:  # heard: nobody listens any more
            return


class KaldiSays:
    """A KaldiRecognizer that closes a sentence after the first piece of audio."""

    def __init__(self) -> None:
        self.pieces = 0

    def SetWords(self, wanted: bool) -> None:
        assert wanted

    def AcceptWaveform(self, data: bytes) -> bool:
        assert len(data) == 2 * 320 * 2
        self.pieces += 1
        return self.pieces == 1

    def Result(self) -> str:
        return json.dumps({"text": "我 要", "result": [{"word": "我", "conf": 1.0}, {"word": "要", "conf": 0.8}]})

    def PartialResult(self) -> str:
        return json.dumps({"partial": "退 款"})

    def FinalResult(self) -> str:
        return json.dumps({"text": "退款", "result": [{"word": "退款", "conf": 0.9}]})


def test_vosk_joins_the_sentences_of_one_utterance() -> None:
    recogniser: Any = KaldiSays()
    session = VoskSession(recogniser)
    session.feed(silence(0.04))
    assert session.partial().text == "我要退款"
    result = session.finish()
    assert (result.text, result.syllables) == ("我要退款", ("wo", "yao", "tui", "kuan"))
    assert result.confidence == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("engine", "complaint"),
    [("zipformer", "encoder"), ("whisper", "model.bin"), ("vosk", "final.mdl"), ("kaldi", "zipformer, whisper, vosk")],
)
def test_an_empty_folder_is_no_model(engine: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=complaint):
        load(engine, tmp_path)


async def test_a_broken_model_is_named_by_the_pool(tmp_path: Path) -> None:
    for name in ("encoder.onnx", "decoder.onnx", "joiner.onnx", "tokens.txt"):
        (tmp_path / name).write_bytes(b"no model")
    pool = WorkerPool(EngineSpec("zipformer", tmp_path))
    with pytest.raises(ModelError):
        await pool.start()


@pytest.mark.parametrize("hertz", [300, 1_000, 3_000])
def test_upsampling_keeps_a_tone_and_adds_no_image(hertz: int) -> None:
    time = np.arange(8_000) / 8_000
    sound = (16_000 * np.sin(2 * np.pi * hertz * time)).astype("<i2").tobytes()
    upsampler = Upsampler()
    doubled = np.concatenate([upsampler.push(frame) for frame in frames(sound)])
    spectrum = np.abs(np.fft.rfft(doubled[400:] * np.hanning(len(doubled) - 400)))
    frequencies = np.fft.rfftfreq(len(doubled) - 400, 1 / 16_000)
    assert frequencies[spectrum.argmax()] == pytest.approx(hertz, abs=2)
    assert spectrum[frequencies > 4_500].max() < spectrum.max() / 100


def test_traditional_characters_become_simplified() -> None:
    assert simplified("我要退貨，謝謝") == "我要退货，谢谢"
