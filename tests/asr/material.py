"""Speech for tests: human recordings and models where they are, rendered speech where they are not."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest

from ivr.voice import VoiceSpec
from media.wav import read_sound
from server.model_catalogue import KOKORO, WHISPER, ZIPFORMER, Model
from server.models import Places, find

PROJECT = Path(__file__).resolve().parents[2]
PLACES = Places(PROJECT / "data", PROJECT)
RECORDINGS = PROJECT.parent / "shared" / "speech"


@dataclass(frozen=True, slots=True)
class Utterance:
    """8 kHz s16le and what is said in it."""

    pcm: bytes
    text: str


def model(wanted: Model) -> Path:
    """The folder of ``wanted``; the test is skipped where it is not installed."""
    folder = find(wanted, PLACES)
    if folder is None:
        pytest.skip(f"the model {wanted.name} is not in {PLACES.roots[0]} or {PLACES.roots[1]}")
    return folder


def zipformer() -> Path:
    return model(ZIPFORMER)


def whisper() -> Path:
    return model(WHISPER)


def kokoro(voice: str = "zf_xiaobei") -> VoiceSpec:
    folder = model(KOKORO)
    return VoiceSpec("kokoro", folder / "kokoro.onnx", folder / f"{voice}.bin")


def recordings(part: str, step: int = 1) -> list[Utterance]:
    """Every ``step``-th recording of ``part`` (aishell, digits, misc); the test is skipped where there are none."""
    if not RECORDINGS.is_dir():
        pytest.skip(f"there is no {RECORDINGS}; rendered speech is used by the other tests")
    with (RECORDINGS / "transcripts.tsv").open(encoding="utf-8") as table:
        rows = [row for row in csv.DictReader(table, delimiter="\t") if row["file"].startswith(part)]
    return [Utterance(read_sound(RECORDINGS / row["file"]), row["transcript"].replace(" ", "")) for row in rows[::step]]
