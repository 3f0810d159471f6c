"""The synthesiser's process: ``python -m ivr.voice.worker --engine NAME [--model PATH --voice PATH] --control FD``.

Takes ``{"render": id, "text": clause, "path": file}``, writes the file (complete or not at all), answers ``{"id": id}``
or ``{"id": id, "problem": why}``. One after another: two at once would both come late.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asr.process import MAX_MESSAGE
from calls.errors import HotlineError, ModelError
from ivr.voice.engines.base import Synthesiser
from ivr.voice.spoken import spoken
from media.wav import write_wav

NICE = 10
ENGINES = ("kokoro", "espeak")


def load(engine: str, model: Path | None, voice: Path | None, speed: float) -> Synthesiser:
    """The engine by name. Raises ModelError saying what is wrong with its model."""
    if engine == "espeak":
        from ivr.voice.engines.espeak import Espeak

        return Espeak(speed)
    if model is None or voice is None:
        raise ModelError("Kokoro needs a model and a voice; hotline models fetch")
    from ivr.voice.engines.kokoro import Kokoro

    try:
        return Kokoro(model, voice, speed)
    except ModelError:
        raise
    except Exception as error:  # onnxruntime raises a dozen unrelated types on a broken model
        raise ModelError(f"{model}: the Kokoro model cannot be loaded: {error}") from error


def render(engine: Synthesiser, text: str, path: Path) -> None:
    """Write ``text`` as speech to ``path``. Raises HotlineError when the engine says nothing."""
    pcm = engine.speak(spoken(text))
    if not pcm:
        raise HotlineError(f"nothing in “{text}” can be spoken")
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    write_wav(unfinished, pcm)
    unfinished.replace(path)


def serve(control: socket.socket, engine: Synthesiser) -> None:
    """Until the parent closes the control socket."""
    send(control, {"ready": True})
    while packet := control.recv(MAX_MESSAGE):
        job = json.loads(packet)
        reply: dict[str, Any] = {"id": job["render"]}
        try:
            render(engine, job["text"], Path(job["path"]))
        except Exception as error:  # noqa: BLE001 - one clause that cannot be spoken must not stop the others
            reply["problem"] = f"{type(error).__name__}: {error}"
        send(control, reply)


def send(control: socket.socket, message: dict[str, Any]) -> None:
    """Say ``message`` to the parent."""
    control.send(json.dumps(message).encode())


def main() -> None:
    """Load the voice, say so, serve."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--engine", choices=ENGINES, required=True)
    arguments.add_argument("--model", type=Path)
    arguments.add_argument("--voice", type=Path)
    arguments.add_argument("--speed", type=float, default=1.0)
    arguments.add_argument("--control", type=int, required=True)
    options = arguments.parse_args()
    run(options.control, lambda: load(options.engine, options.model, options.voice, options.speed))


def run(control_fd: int, load_engine: Callable[[], Synthesiser]) -> None:
    """Serve until the parent goes away. Exits with 2, having told why, when the engine raises ModelError."""
    os.nice(NICE)
    control = socket.socket(fileno=control_fd)
    try:
        engine = load_engine()
    except ModelError as error:
        send(control, {"failed": str(error)})
        raise SystemExit(2) from None
    try:
        serve(control, engine)
    except (BrokenPipeError, ConnectionResetError):
        return  # the parent is gone, and with it whoever wanted to hear this


if __name__ == "__main__":
    main()
