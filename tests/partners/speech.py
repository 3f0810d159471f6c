"""Something to say: recordings of people with their transcripts, or a stand-in where the recordings are absent."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np

from tests.partners.audio import RATE, Pcm, read_wav


@dataclass(frozen=True, slots=True)
class Speech:
    """One recording. ``human`` is False for the stand-in, whose ``text`` nobody can recognise."""

    name: str
    pcm: Pcm
    text: str
    human: bool

    @property
    def seconds(self) -> float:
        return len(self.pcm) / RATE


def folder() -> Path:
    """Where the recordings lie: ``HOTLINE_SPEECH``, or ``shared/speech`` beside the repository."""
    default = Path(__file__).resolve().parents[2].parent / "shared" / "speech"
    return Path(os.environ.get("HOTLINE_SPEECH", default))


@cache
def transcripts() -> dict[str, str]:
    """Transcript by name (``aishell/BAC009S0150W0004``); empty where there are no recordings."""
    path = folder() / "transcripts.tsv"
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as rows:
        return {row["file"].removesuffix(".wav"): row["transcript"] for row in csv.DictReader(rows, delimiter="\t")}


def speech(name: str = "misc/BAC009S0764W0121") -> Speech:
    """The recording called ``name``; a speech-like stand-in, the same for the same name, where it is absent.

    Raises KeyError when recordings are there but none has this name.
    """
    texts = transcripts()
    if not texts:
        return Speech(name, speechlike(seed=crc32(name.encode())), "", human=False)
    return Speech(name, read_wav(folder() / f"{name}.wav"), texts[name], human=True)


def speechlike(seconds: float = 3.0, seed: int = 1) -> Pcm:
    """A voiced stand-in: a gliding pitch with formant-like colour in syllables of 200 ms, silence between some."""
    random = np.random.default_rng(seed)
    at = np.arange(round(seconds * RATE)) / RATE
    pitch = 140 + 40 * np.sin(2 * np.pi * 0.7 * at + random.uniform(0, 6)) + 15 * np.sin(2 * np.pi * 2.3 * at)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    syllables = len(at) // (RATE // 5) + 1
    formants = np.repeat(random.uniform((300, 900), (800, 2300), (syllables, 2)), RATE // 5, axis=0)[: len(at)]
    wave = np.zeros_like(at)
    for harmonic in range(1, 22):
        colour = sum(1 / (1 + ((harmonic * pitch - formants[:, i]) / 120) ** 2) for i in (0, 1))
        wave += colour * np.sin(harmonic * phase)
    loud = np.repeat(random.choice([0.0, 0.6, 1.0], syllables, p=[0.2, 0.3, 0.5]), RATE // 5)[: len(at)]
    envelope = loud * np.sin(np.pi * (at * 5 % 1)) ** 0.5
    wave = wave * envelope + random.normal(0, 0.002, len(at))
    pcm: Pcm = (wave / np.abs(wave).max() * 12000).astype(np.int16)
    return pcm
