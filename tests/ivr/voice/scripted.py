"""A synthesiser without a model: each character is 0.1 s of tone. Runs as a worker:
``python -m tests.ivr.voice.scripted``. ``死`` takes its process down, ``空`` is no speech, ``慢`` waits for leave: for
a file in the folder ``SCRIPTED_LEAVE``, which it takes away."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from calls.errors import ModelError
from ivr.voice.music import beep
from ivr.voice.worker import run


class ScriptedSynthesiser:
    def speak(self, text: str) -> bytes:
        if "死" in text:
            os._exit(3)
        if "慢" in text:
            wait_for_leave(Path(os.environ["SCRIPTED_LEAVE"]))
        return b"" if "空" in text else bytes(beep(500, 0.1 * len(text)).pcm)


def wait_for_leave(folder: Path) -> None:
    while not (leave := sorted(folder.glob("*"))):
        time.sleep(0.01)
    leave[0].unlink()


def load(model: Path | None) -> ScriptedSynthesiser:
    if model and not model.exists():
        raise ModelError(f"{model}: there is no such voice")
    return ScriptedSynthesiser()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--model", type=Path)
    arguments.add_argument("--control", type=int)
    options, _ = arguments.parse_known_args()
    run(options.control, lambda: load(options.model))
