"""An engine without a model: it "hears" one syllable of its script for each 0.2 s of audio. Also runs as a worker:
``python -m tests.asr.scripted``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from asr.engines.base import Transcript
from asr.worker import run
from calls.errors import ModelError

SCRIPT = ("wo", "yao", "tui", "kuan", "xie", "xie")
PER_SYLLABLE = 3_200


class ScriptedSession:
    def __init__(self, *, deaf: bool = False) -> None:
        self.heard = 0
        self.deaf = deaf

    def feed(self, pcm: bytes) -> None:
        self.heard += len(pcm)

    def partial(self) -> Transcript:
        count = 0 if self.deaf else min(self.heard // PER_SYLLABLE, len(SCRIPT))
        return Transcript(SCRIPT[:count], "我要退款谢谢"[:count], 0.9)

    def finish(self) -> Transcript:
        return self.partial()


class ScriptedEngine:
    """``deaf``: the first so many utterances are understood as nothing, like a cough."""

    def __init__(self, deaf: int = 0) -> None:
        self.deaf = deaf
        self.sessions: list[ScriptedSession] = []

    def session(self, phrases: Sequence[str]) -> ScriptedSession:
        self.sessions.append(ScriptedSession(deaf=len(self.sessions) < self.deaf))
        return self.sessions[-1]

    def warm_up(self) -> None:
        return None


def load(model: Path) -> ScriptedEngine:
    """The model is any file; the name ``dies`` is for a library that takes the process down with it."""
    if model.name == "dies":
        os._exit(3)
    if not model.is_file():
        raise ModelError(f"{model}: there is no such model")
    return ScriptedEngine()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--engine")
    arguments.add_argument("--model", type=Path)
    arguments.add_argument("--control", type=int)
    options = arguments.parse_args()
    run(options.control, lambda: load(options.model))
