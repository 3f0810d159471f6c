"""Engines by name. Only the one that is asked for is imported: each drags its own native library in."""

from __future__ import annotations

from pathlib import Path

from asr.engines.base import Engine
from calls.errors import ModelError

ENGINES = ("zipformer", "whisper", "vosk")


def load(name: str, model: Path) -> Engine:
    """Load the model at ``model``. Raises ModelError saying what is wrong with it."""
    try:
        return _load(name, model)
    except ModelError:
        raise
    except Exception as error:  # native libraries raise bare RuntimeErrors of every kind on a broken model
        raise ModelError(f"{model}: the {name} model cannot be loaded: {error}") from error


def _load(name: str, model: Path) -> Engine:
    if name == "zipformer":
        from asr.engines.zipformer import Zipformer

        return Zipformer(model)
    if name == "whisper":
        from asr.engines.whisper import Whisper

        return Whisper(model)
    if name == "vosk":
        from asr.engines.vosk import Vosk

        return Vosk(model)
    raise ModelError(f"no recogniser is called {name!r}; there are {', '.join(ENGINES)}")
