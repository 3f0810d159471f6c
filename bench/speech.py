"""Speech: how much is misheard, how soon the answer is known, and what hearing and speaking cost.

``python -m bench speech [--step N]`` takes every N-th recording of ``../shared/speech``; without that folder it hears
what Kokoro says instead. Figures: ``*_error`` are shares of syllables (or characters) wrong, ``rtf`` is CPU seconds a
second of audio, ``heard_*_ms`` is last voiced frame → Heard, in real time, ``calls`` callers at once on one worker.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from asr import EngineSpec, Listening, WorkerPool
from asr.engines.base import Engine
from asr.listener import Listener
from asr.loading import load
from asr.pinyin import syllables_of
from asr.vad import FRAME_BYTES, FRAME_SECONDS
from bench.report import write
from calls.speech import Heard
from ivr.voice import Voice, VoiceSpec
from media.pieces import Piece
from media.wav import read_sound
from server.models import Chosen, ModelSettings, Places, choose

PROJECT = Path(__file__).resolve().parents[1]
RECORDINGS = PROJECT.parent / "shared" / "speech"
SENTENCES = (
    "我要退款",
    "帮我查一下我的订单",
    "什么时候发货",
    "请转人工服务",
    "我要修改收货地址",
    "这个东西坏了我要换货",
)
SILENCE = bytes(2 * 8_000)

Utterance = tuple[bytes, str]
"""8 kHz s16le, and what is said in it."""


def edit_distance(heard: Sequence[str], said: Sequence[str]) -> int:
    """Substitutions, insertions and deletions (Levenshtein)."""
    row = list(range(len(said) + 1))
    for i, syllable in enumerate(heard, 1):
        diagonal, row[0] = row[0], i
        for j, expected in enumerate(said, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (syllable != expected))
    return row[-1]


def recordings(part: str, step: int) -> list[Utterance]:
    """Human speech over the telephone."""
    with (RECORDINGS / "transcripts.tsv").open(encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["file"].startswith(part)]
    return [(read_sound(RECORDINGS / row["file"]), row["transcript"].replace(" ", "")) for row in rows[::step]]


async def rendered(spec: VoiceSpec) -> tuple[list[Utterance], dict[str, float]]:
    """The sentences as Kokoro says them, and what that took."""
    with tempfile.TemporaryDirectory() as folder:
        voice = Voice(spec, Path(folder))
        began = time.monotonic()
        await voice.start()
        loaded = time.monotonic()
        sounds = [await voice.render(text) for text in SENTENCES]
        took = time.monotonic() - loaded
        await voice.close()
    spoken = sum(sound.seconds for sound in sounds)
    figures = {"voice_load_s": loaded - began, "voice_rtf": took / spoken, "voice_clause_s": took / len(sounds)}
    return [(bytes(sound.pcm), sound.text) for sound in sounds], figures


def accuracy(engine: Engine, utterances: Sequence[Utterance], name: str) -> dict[str, float]:
    """What is heard through detector, endpointing and engine, as in a call."""
    wrong = syllables = wrong_characters = characters = 0
    for pcm, text in utterances:
        heard, written = _hear_all(engine, pcm)
        wrong += edit_distance(heard, syllables_of(text))
        wrong_characters += edit_distance(written, text)
        syllables += len(syllables_of(text))
        characters += len(text)
    return {
        f"syllable_error_{name}": wrong / syllables,
        f"character_error_{name}": wrong_characters / characters,
        f"utterances_{name}": len(utterances),
    }


def _hear_all(engine: Engine, pcm: bytes) -> tuple[tuple[str, ...], str]:
    listener, now = Listener(engine, ()), 0.0
    syllables: tuple[str, ...] = ()
    text = ""
    for frame in _frames(SILENCE + pcm + SILENCE):
        now += FRAME_SECONDS
        listener.frame(frame, now)
        if listener.ended and (heard := listener.finish()):
            syllables, text = syllables + heard.syllables, text + heard.text
    return syllables, text


async def latency(spec: EngineSpec, utterances: Sequence[Utterance]) -> dict[str, float]:
    """All utterances at once, in real time, on one worker."""
    pool = WorkerPool(spec)
    await pool.start()
    try:
        waits = sorted(await asyncio.gather(*(_wait(pool, pcm) for pcm, _ in utterances)))
    finally:
        await pool.close()
    return {
        "heard_p50_ms": 1_000 * waits[len(waits) // 2],
        "heard_p95_ms": 1_000 * waits[int(0.95 * (len(waits) - 1))],
        "calls": len(waits),
    }


async def _wait(pool: WorkerPool, pcm: bytes) -> float:
    async with pool.listening() as listening:
        speaking = asyncio.create_task(_speak(listening, SILENCE + pcm + 2 * SILENCE))
        heard = [event async for event in listening][-1]
        at = time.monotonic()
        speaking.cancel()
    if not isinstance(heard, Heard) or heard.speech_ended is None:
        raise RuntimeError("the recogniser died during the benchmark")
    return at - heard.speech_ended


async def _speak(listening: Listening, sound: bytes) -> None:
    began = time.monotonic()
    for index, frame in enumerate(_frames(sound)):
        await asyncio.sleep(began + FRAME_SECONDS * index - time.monotonic())
        try:
            os.write(listening.fd, bytes(Piece(FRAME_BYTES // 2 * index, frame)))
        except ConnectionRefusedError:  # the sentence was over before the recording
            return


def _frames(sound: bytes) -> list[bytes]:
    return [sound[i : i + FRAME_BYTES] for i in range(0, len(sound) - FRAME_BYTES + 1, FRAME_BYTES)]


async def measure(chosen: Chosen, step: int) -> dict[str, float]:
    """All figures that the models and recordings at hand allow."""
    metrics: dict[str, float] = {}
    material: dict[str, list[Utterance]] = {}
    if chosen.voice and chosen.voice.engine == "kokoro":
        material["rendered"], metrics = await rendered(chosen.voice)
    if RECORDINGS.is_dir():
        material |= {part: recordings(part, step) for part in ("aishell", "digits", "misc")}
    if chosen.recogniser is None or not material:
        return metrics
    engine = load(chosen.recogniser.engine, chosen.recogniser.model)
    engine.warm_up()
    began = time.process_time()
    for name, utterances in material.items():
        metrics |= accuracy(engine, utterances, name)
    audio = sum(len(pcm) / 16_000 + 2 for utterances in material.values() for pcm, _ in utterances)
    metrics["rtf"] = (time.process_time() - began) / audio
    return metrics | await latency(chosen.recogniser, next(iter(material.values()))[:8])


def main() -> int:
    """Measure and write ``bench/results/speech.json``."""
    arguments = argparse.ArgumentParser(prog="python -m bench speech")
    arguments.add_argument("--step", type=int, default=1, help="take every N-th recording")
    options = arguments.parse_args()
    chosen = choose(ModelSettings(), Places(PROJECT / "data", PROJECT))
    for note in chosen.notes:
        print(note, file=sys.stderr)
    metrics = asyncio.run(measure(chosen, options.step))
    if not metrics:
        print("there is neither a voice nor a recogniser to measure", file=sys.stderr)
        return 1
    write("speech", {name: round(value, 4) for name, value in metrics.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
